// From the pixels of whole frames to their results in memory: core, result, writer.

module lutlens_scan
  import lutlens_network_pkg::*;
  import lutlens_pkg::*;
#(
  // Positions whose scores can be added over passes, and windows that a result lists.
  parameter int unsigned Positions = 4608,
  parameter int unsigned Windows   = 256
) (
  input  logic                              aclk,
  input  logic                              aresetn,
  // The same, or a flush: forget every pixel and score.
  input  logic                              datapath_resetn,
  // Settings
  input  logic           [             3:0] last_pass_i,      // passes of a frame, minus one
  input  logic           [             8:0] background_i,
  input  logic           [            11:0] min_margin_i,
  input  logic           [            26:0] result_base_i,    // in units of 32 bytes
  input  logic           [            26:0] result_stride_i,  // in units of 32 bytes
  input  logic           [            15:0] result_slots_i,
  input  logic           [            15:0] result_tail_i,
  output logic           [            31:0] result_head_o,
  // Pixels; see lutlens_scan_core.
  input  logic           [8*PIXEL_BITS-1:0] thresholds_i,
  input  logic           [    8*PIXELS-1:0] s_axis_tdata,
  input  logic                              s_axis_tvalid,
  output logic                              s_axis_tready,
  input  logic                              s_axis_tuser,
  input  logic                              s_axis_tlast,
  // Frame control
  input  logic                              ring_clear_i,
  input  logic                              hold_i,
  output logic                              overflow_o,
  output writer_state_t                     writer_o,
  output logic                              write_error_o,
  // The frame whose result is due
  input  logic           [            31:0] sequence_i,
  input  logic           [             2:0] scale_i,
  input  logic                              read_error_i,
  output axi_write_req_t                    axi_write_o,
  input  axi_write_rsp_t                    axi_write_i
);
  logic        room;
  logic        done;
  logic        cell_valid;
  logic [31:0] cell_data;
  logic [15:0] column;
  logic [15:0] row;
  logic        frame_last;
  logic        peak_valid;
  logic [63:0] peak;
  logic [ 9:0] map_count;
  logic        map_valid;
  logic [63:0] map_data;
  logic        map_read;
  logic        chosen;
  logic [10:0] window_count;
  logic        window_valid;
  logic [63:0] window_data;
  logic        window_read;
  logic        complete;
  logic [15:0] columns;
  logic [15:0] rows;
  logic [15:0] listed;
  logic [15:0] found;

  lutlens_scan_core #(
    .Positions(Positions)
  ) u_core (
    .aclk,
    .aresetn       (datapath_resetn),
    .last_pass_i,
    .background_i,
    .min_margin_i,
    .thresholds_i,
    .s_axis_tdata,
    .s_axis_tvalid,
    .s_axis_tready,
    .s_axis_tuser,
    .s_axis_tlast,
    .room_i        (room),
    .frame_done_i  (done),
    .overflow_o,
    .cell_valid_o  (cell_valid),
    .cell_o        (cell_data),
    .column_o      (column),
    .row_o         (row),
    .frame_last_o  (frame_last),
    .window_valid_o(peak_valid),
    .window_o      (peak)
  );

  lutlens_scan_result #(
    .Windows     (Windows),
    .StrengthBits(SCORE_BITS + 4)
  ) u_result (
    .aclk,
    .aresetn       (datapath_resetn),
    .done_i        (done),
    .room_o        (room),
    .cell_valid_i  (cell_valid),
    .cell_i        (cell_data),
    .column_i      (column),
    .row_i         (row),
    .frame_last_i  (frame_last),
    .window_valid_i(peak_valid),
    .window_i      (peak),
    .map_count_o   (map_count),
    .map_valid_o   (map_valid),
    .map_data_o    (map_data),
    .map_read_i    (map_read),
    .chosen_o      (chosen),
    .window_count_o(window_count),
    .window_valid_o(window_valid),
    .window_data_o (window_data),
    .window_read_i (window_read),
    .complete_o    (complete),
    .columns_o     (columns),
    .rows_o        (rows),
    .listed_o      (listed),
    .found_o       (found)
  );

  lutlens_scan_writer #(
    .Windows(Windows)
  ) u_writer (
    .aclk,
    .aresetn,
    .result_base_i,
    .result_stride_i,
    .result_slots_i,
    .result_tail_i,
    .result_head_o,
    .ring_clear_i,
    .flush_i       (!datapath_resetn),
    .hold_i,
    .writer_o,
    .write_error_o,
    .sequence_i,
    .scale_i,
    .read_error_i,
    .done_o        (done),
    .map_count_i   (map_count),
    .map_valid_i   (map_valid),
    .map_data_i    (map_data),
    .map_read_o    (map_read),
    .chosen_i      (chosen),
    .window_count_i(window_count),
    .window_valid_i(window_valid),
    .window_data_i (window_data),
    .window_read_o (window_read),
    .complete_i    (complete),
    .columns_i     (columns),
    .rows_i        (rows),
    .listed_i      (listed),
    .found_i       (found),
    .axi_write_o,
    .axi_write_i
  );
endmodule
