// From the beats of frames to pixels, with the thresholds of their pass.

module lutlens_frame_pixels
  import lutlens_network_pkg::*;
#(
  parameter int unsigned ColumnBits = 5,
  parameter int unsigned RowBits    = 5
) (
  input  logic                    aclk,
  input  logic                    aresetn,
  // Forget every pixel; thresholds stay.
  input  logic                    datapath_resetn,
  // Settings and the frame's size; see lutlens_unpacker.
  input  logic [             3:0] last_pass_i,
  input  logic                    packed_i,
  input  logic [  ColumnBits-1:0] last_column_i,
  input  logic [     RowBits-1:0] last_row_i,
  // Register accesses to the thresholds
  input  logic                    thresholds_req_i,
  input  logic                    thresholds_req_is_wr_i,
  input  logic [             3:0] thresholds_addr_i,
  input  logic [8*PIXEL_BITS-1:0] thresholds_wr_data_i,
  output logic                    thresholds_wr_ack_o,
  output logic                    thresholds_rd_ack_o,
  output logic [8*PIXEL_BITS-1:0] thresholds_rd_data_o,
  input  logic                    beat_valid_i,
  output logic                    beat_ready_o,
  input  logic [            63:0] beat_data_i,
  input  logic                    beat_error_i,
  // Pixels; `thresholds_o` belongs to them.
  output logic [8*PIXEL_BITS-1:0] thresholds_o,
  output logic [    8*VALUES-1:0] m_axis_tdata,
  output logic                    m_axis_tvalid,
  input  logic                    m_axis_tready,
  output logic                    m_axis_tuser,
  output logic                    m_axis_tlast,
  // As lutlens_unpacker tells them
  output logic                    frame_first_o,
  output logic                    frame_last_o,
  output logic                    frame_error_o
);
  logic       pass_first;
  logic [3:0] pass;

  lutlens_unpacker #(
    .Pixels    (VALUES),
    .ColumnBits(ColumnBits),
    .RowBits   (RowBits)
  ) u_unpacker (
    .aclk,
    .aresetn     (datapath_resetn),
    .last_pass_i,
    .packed_i,
    .last_column_i,
    .last_row_i,
    .beat_valid_i,
    .beat_ready_o,
    .beat_data_i,
    .beat_error_i,
    .m_axis_tdata,
    .m_axis_tvalid,
    .m_axis_tready,
    .m_axis_tuser,
    .m_axis_tlast,
    .pass_first_o(pass_first),
    .pass_o      (pass),
    .frame_first_o,
    .frame_last_o,
    .frame_error_o
  );

  lutlens_settings_memory #(
    .Width(8 * PIXEL_BITS),
    .Depth(16)
  ) u_thresholds (
    .aclk,
    .aresetn,
    .req_i      (thresholds_req_i),
    .req_is_wr_i(thresholds_req_is_wr_i),
    .addr_i     (thresholds_addr_i),
    .wr_data_i  (thresholds_wr_data_i),
    .wr_ack_o   (thresholds_wr_ack_o),
    .rd_ack_o   (thresholds_rd_ack_o),
    .rd_data_o  (thresholds_rd_data_o),
    .load_i     (pass_first),
    .index_i    (pass),
    .entry_o    (thresholds_o)
  );
endmodule
