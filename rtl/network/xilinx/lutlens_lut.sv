// The twin of ../lutlens_lut.sv for Xilinx parts: exactly one LUT primitive. Synthesis then has no
// table to minimise, which takes it most of its time.

module lutlens_lut #(
  parameter int unsigned                 Inputs = 6,
  parameter logic        [2**Inputs-1:0] Table  = '0
) (
  input  logic [Inputs-1:0] in_i,
  output logic              out_o
);
  if (Inputs == 1) begin : gen_lut1
    LUT1 #(.INIT(Table)) u_lut (.O(out_o), .I0(in_i[0]));
  end else if (Inputs == 2) begin : gen_lut2
    LUT2 #(.INIT(Table)) u_lut (.O(out_o), .I0(in_i[0]), .I1(in_i[1]));
  end else if (Inputs == 3) begin : gen_lut3
    LUT3 #(.INIT(Table)) u_lut (.O(out_o), .I0(in_i[0]), .I1(in_i[1]), .I2(in_i[2]));
  end else if (Inputs == 4) begin : gen_lut4
    LUT4 #(.INIT(Table)) u_lut (
      .O (out_o),
      .I0(in_i[0]),
      .I1(in_i[1]),
      .I2(in_i[2]),
      .I3(in_i[3])
    );
  end else if (Inputs == 5) begin : gen_lut5
    LUT5 #(.INIT(Table)) u_lut (
      .O (out_o),
      .I0(in_i[0]),
      .I1(in_i[1]),
      .I2(in_i[2]),
      .I3(in_i[3]),
      .I4(in_i[4])
    );
  end else if (Inputs == 6) begin : gen_lut6
    LUT6 #(.INIT(Table)) u_lut (
      .O (out_o),
      .I0(in_i[0]),
      .I1(in_i[1]),
      .I2(in_i[2]),
      .I3(in_i[3]),
      .I4(in_i[4]),
      .I5(in_i[5])
    );
  end else begin : gen_check_inputs
    $error("Inputs must be 1 to 6");
  end
endmodule
