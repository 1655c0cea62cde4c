// One node of the network: a look-up table and the register behind it. Latency: one clock.

module lutlens_node #(
  parameter int unsigned                 Inputs = 6,
  parameter logic        [2**Inputs-1:0] Table  = '0
) (
  input  logic              aclk,
  input  logic [Inputs-1:0] in_i,
  output logic              out_o
);
  logic value;

  lutlens_lut #(
    .Inputs(Inputs),
    .Table (Table)
  ) u_lut (
    .in_i,
    .out_o(value)
  );

  always_ff @(posedge aclk) out_o <= value;
endmodule
