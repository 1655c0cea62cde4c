// Is over after Count steps, until the next restart.

module lutlens_countdown #(
  parameter int unsigned Count = 1
) (
  input  logic aclk,
  input  logic aresetn,
  input  logic step_i,
  // A step in the same clock still belongs to the old count.
  input  logic restart_i,
  output logic over_o
);
  if (Count == 0) begin : gen_over
    assign over_o = 1'b1;

    logic unused;
    assign unused = ^{aclk, aresetn, step_i, restart_i};
  end else begin : gen_count
    localparam int unsigned Bits = $clog2(Count + 1);

    logic [Bits-1:0] left_q;

    assign over_o = left_q == '0;

    always_ff @(posedge aclk) begin
      if (!aresetn || restart_i) left_q <= Bits'(Count);
      else if (step_i && !over_o) left_q <= left_q - 1'b1;
    end
  end
endmodule
