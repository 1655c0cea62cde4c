// Gives the words of a position one by one, a beat each. Latency: one clock.

module lutlens_fold #(
  // Of lutlens_beats; a word may be in several.
  parameter int unsigned Slots = 4,
  parameter int unsigned Width = 1
) (
  input  logic                                                   aclk,
  input  logic [(Slots > 1 ? $clog2(Slots) : 1)-1:0]             beat_i,
  // Constant from the position's first beat to its last.
  input  logic [                          Slots-1:0][Width-1:0] words_i,
  output logic [                          Width-1:0]            word_o
);
  if (Slots == 1) begin : gen_one
    always_ff @(posedge aclk) word_o <= words_i[0];

    logic unused;
    assign unused = beat_i[0];
  end else begin : gen_select
    always_ff @(posedge aclk) word_o <= words_i[beat_i];
  end
endmodule
