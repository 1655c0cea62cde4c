// Counts the beats of a position; positions are at least Beats clocks apart. Without latency.
//
// The count is a slot of lutlens_fold: the first 4 * Groups beats have one each, every other one has four
// (the first of them is given). A selection among slots of which fours are equal takes fewer LUTs.
//
// The count comes in `Copies` registers of its own, one for each place that it selects in.

module lutlens_beats #(
  parameter  int unsigned Beats  = 4,
  parameter  int unsigned Groups = (Beats + 3) / 4,
  parameter  int unsigned Copies = 1,
  localparam int unsigned Single = (4 * Groups < Beats) ? 4 * Groups : Beats,
  localparam int unsigned Last   = (Single < Beats) ? 4 * (Groups + Beats - Single - 1) : Beats - 1,
  localparam int unsigned Bits   = (Last > 0) ? $clog2(Last + 1) : 1
) (
  input  logic                         aclk,
  input  logic                         aresetn,
  // The position's first beat.
  input  logic                         start_i,
  output logic                         valid_o,
  output logic                         last_o,
  output logic [Copies-1:0][Bits-1:0] beat_o
);
  if (Beats == 1) begin : gen_one
    assign valid_o = start_i;
    assign last_o  = 1'b1;
    assign beat_o  = '0;

    logic unused;
    assign unused = ^{aclk, aresetn};
  end else begin : gen_count
    logic [Bits-1:0] next;

    assign valid_o = start_i || beat_o[0] != '0;
    assign last_o  = beat_o[0] == Bits'(Last);

    always_comb begin
      next = beat_o[0];
      if (!aresetn || last_o) next = '0;
      else if (valid_o) next = beat_o[0] + ((32'(beat_o[0]) < Single) ? Bits'(1) : Bits'(4));
    end

    for (genvar i = 0; i < Copies; i++) begin : gen_copy
      (* keep *)
      logic [Bits-1:0] beat_q;

      always_ff @(posedge aclk) beat_q <= next;

      assign beat_o[i] = beat_q;
    end
  end
endmodule
