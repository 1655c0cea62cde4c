// A modulator with the parameters of a generated network; cocotb plays both its neighbours.

module modulator_testbench
  import lutlens_network_pkg::*;
(
  input  logic                    aclk,
  input  logic                    aresetn,
  input  logic [             3:0] last_pass_i,
  input  logic [8*PIXEL_BITS-1:0] thresholds_i,
  output logic [8*PIXEL_BITS-1:0] thresholds_o,
  input  logic [    8*VALUES-1:0] s_axis_tdata,
  input  logic                    s_axis_tvalid,
  output logic                    s_axis_tready,
  input  logic                    s_axis_tuser,
  input  logic                    s_axis_tlast,
  output logic [    8*VALUES-1:0] m_axis_tdata,
  output logic                    m_axis_tvalid,
  input  logic                    m_axis_tready,
  output logic                    m_axis_tuser,
  output logic                    m_axis_tlast
);
  lutlens_modulator #(
    .Kind     (MODULATOR),
    .Swing    (MODULATOR_SWING),
    .Bytes    (MODULATOR_BYTES),
    .Table    (MODULATOR_TABLE),
    .PixelBits(PIXEL_BITS),
    .Pixels   (VALUES)
  ) u_modulator (
    .aclk,
    .aresetn,
    .last_pass_i,
    .thresholds_i,
    .s_axis_tdata,
    .s_axis_tvalid,
    .s_axis_tready,
    .s_axis_tuser,
    .s_axis_tlast,
    .thresholds_o,
    .m_axis_tdata,
    .m_axis_tvalid,
    .m_axis_tready,
    .m_axis_tuser,
    .m_axis_tlast
  );
endmodule
