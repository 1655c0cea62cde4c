// Counts steps modulo Stride, and says when the count is Phase.

module lutlens_phase #(
  parameter int unsigned Stride = 2,
  parameter int unsigned Phase  = 0
) (
  input  logic aclk,
  input  logic aresetn,
  input  logic step_i,
  // Back to 0; a step in the same clock still belongs to the old count.
  input  logic restart_i,
  output logic passes_o
);
  if (Stride < 1 || Phase >= Stride) begin : gen_check
    $error("Phase must be below Stride");
  end

  if (Stride == 1) begin : gen_always
    assign passes_o = 1'b1;

    logic unused;
    assign unused = ^{aclk, aresetn, step_i, restart_i};
  end else begin : gen_count
    localparam int unsigned Bits = $clog2(Stride);

    logic [Bits-1:0] count_q;

    assign passes_o = count_q == Bits'(Phase);

    always_ff @(posedge aclk) begin
      if (!aresetn || restart_i) count_q <= '0;
      else if (step_i) count_q <= (count_q == Bits'(Stride - 1)) ? '0 : count_q + 1'b1;
    end
  end
endmodule
