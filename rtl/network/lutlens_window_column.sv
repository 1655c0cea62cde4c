// One column of a window: a register that takes its data one clock after `valid_i`.
//
// Hundreds of flip-flops behind one clock enable would limit the clock. So every `Fanout` of them get
// an enable register of their own; `keep` stops synthesis from merging these again.

module lutlens_window_column #(
  parameter int unsigned Width  = 1,
  parameter int unsigned Fanout = 120
) (
  input  logic             aclk,
  input  logic             valid_i,
  // One clock after valid_i.
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);
  for (genvar low = 0; low < Width; low += Fanout) begin : gen_group
    localparam int unsigned Size = (Width - low < Fanout) ? Width - low : Fanout;

    (* keep *)
    logic enable_q;

    always_ff @(posedge aclk) begin
      enable_q <= valid_i;
      if (enable_q) data_o[low+:Size] <= data_i[low+:Size];
    end
  end
endmodule
