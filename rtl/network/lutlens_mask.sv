// Withholds the first GarbageX positions of every line, and the first GarbageY lines of every frame:
// those whose windows reach over the left or the upper edge. Without latency.

module lutlens_mask #(
  parameter int unsigned GarbageX = 0,
  parameter int unsigned GarbageY = 0
) (
  input  logic aclk,
  input  logic aresetn,
  input  logic valid_i,
  input  logic eol_i,
  input  logic eof_i,
  output logic valid_o
);
  logic inside_x;
  logic inside_y;

  lutlens_countdown #(
    .Count(GarbageX)
  ) u_x (
    .aclk,
    .aresetn,
    .step_i   (valid_i),
    .restart_i(eol_i),
    .over_o   (inside_x)
  );

  lutlens_countdown #(
    .Count(GarbageY)
  ) u_y (
    .aclk,
    .aresetn,
    .step_i   (eol_i),
    .restart_i(eof_i),
    .over_o   (inside_y)
  );

  assign valid_o = valid_i && inside_x && inside_y;
endmodule
