// Declarations of the LUT primitives of the 7 series, for tools that read SystemVerilog without the
// vendor's library.

(* blackbox *)
module LUT1 #(parameter logic [1:0] INIT = '0) (output O, input I0);
endmodule

(* blackbox *)
module LUT2 #(parameter logic [3:0] INIT = '0) (output O, input I0, I1);
endmodule

(* blackbox *)
module LUT3 #(parameter logic [7:0] INIT = '0) (output O, input I0, I1, I2);
endmodule

(* blackbox *)
module LUT4 #(parameter logic [15:0] INIT = '0) (output O, input I0, I1, I2, I3);
endmodule

(* blackbox *)
module LUT5 #(parameter logic [31:0] INIT = '0) (output O, input I0, I1, I2, I3, I4);
endmodule

(* blackbox *)
module LUT6 #(parameter logic [63:0] INIT = '0) (output O, input I0, I1, I2, I3, I4, I5);
endmodule
