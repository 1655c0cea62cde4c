// One look-up table of up to six inputs, without a register. Bit `a` of Table is the output at
// address `a`. For any technology; xilinx/lutlens_lut.sv is its twin made of primitives.

module lutlens_lut #(
  parameter int unsigned                 Inputs = 6,
  parameter logic        [2**Inputs-1:0] Table  = '0
) (
  input  logic [Inputs-1:0] in_i,
  output logic              out_o
);
  if (Inputs < 1 || Inputs > 6) begin : gen_check_inputs
    $error("Inputs must be 1 to 6");
  end

  assign out_o = Table[in_i];
endmodule
