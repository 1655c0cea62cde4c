// Counts the words of a queue, and says in time when room gets scarce. Nothing that is on its way to a
// queue can wait: when `room_o` has fallen, at most `Reserve` more words may come.

module lutlens_credit #(
  parameter  int unsigned Depth     = 16,
  parameter  int unsigned Reserve   = 8,
  localparam int unsigned CountBits = $clog2(Depth + 1)
) (
  input  logic                 aclk,
  input  logic                 aresetn,
  // A word comes, a word leaves.
  input  logic                 take_i,
  input  logic                 free_i,
  output logic [CountBits-1:0] count_o,
  output logic                 room_o
);
  if (Reserve >= Depth) begin : gen_check_reserve
    $error("Depth must be more than Reserve");
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      count_o <= '0;
      room_o  <= 1'b0;
    end else begin
      if (take_i && !free_i) count_o <= count_o + 1'b1;
      else if (free_i && !take_i) count_o <= count_o - 1'b1;
      room_o <= count_o <= CountBits'(Depth - Reserve);
    end
  end
endmodule
