// Lets one of StrideX positions of a line pass, and one of StrideY lines: those whose number, modulo
// the stride, is the phase. Without latency.
//
// Ends of lines and frames are events that come with, or after, the last position of the line or
// frame. A line that is left out has no end either; a frame always has.

module lutlens_strider #(
  parameter int unsigned StrideX = 1,
  parameter int unsigned PhaseX  = 0,
  parameter int unsigned StrideY = 1,
  parameter int unsigned PhaseY  = 0
) (
  input  logic aclk,
  input  logic aresetn,
  input  logic valid_i,
  input  logic eol_i,
  input  logic eof_i,
  output logic valid_o,
  output logic eol_o
);
  logic column_passes;
  logic line_passes;

  lutlens_phase #(
    .Stride(StrideX),
    .Phase (PhaseX)
  ) u_x (
    .aclk,
    .aresetn,
    .step_i   (valid_i),
    .restart_i(eol_i),
    .passes_o (column_passes)
  );

  lutlens_phase #(
    .Stride(StrideY),
    .Phase (PhaseY)
  ) u_y (
    .aclk,
    .aresetn,
    .step_i   (eol_i),
    .restart_i(eof_i),
    .passes_o (line_passes)
  );

  assign valid_o = valid_i && column_passes && line_passes;
  assign eol_o   = eol_i && line_passes;
endmodule
