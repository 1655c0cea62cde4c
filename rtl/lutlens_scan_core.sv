// The core of a scan build: encoder, generated network, scorer. A frame's pixels go in, the cells of
// its class map and its windows come out.
//
// Pixels: PIXELS a clock, the leftmost one lowest, row by row, tuser with the last ones of a line, tlast
// with the last ones of a pass; every frame comes `last_pass_i + 1` times.

module lutlens_scan_core
  import lutlens_network_pkg::*;
#(
  parameter int unsigned Positions = 4608
) (
  input  logic                    aclk,
  input  logic                    aresetn,
  // Settings; change only while no frame is at work.
  input  logic [             3:0] last_pass_i,     // passes of a frame, minus one
  input  logic [             8:0] background_i,
  input  logic [            11:0] min_margin_i,
  // Belongs to the pixels on the stream.
  input  logic [8*PIXEL_BITS-1:0] thresholds_i,
  input  logic [    8*PIXELS-1:0] s_axis_tdata,
  input  logic                    s_axis_tvalid,
  output logic                    s_axis_tready,
  input  logic                    s_axis_tuser,
  input  logic                    s_axis_tlast,
  // See lutlens_scan_scorer and lutlens_scan_peaks.
  input  logic                    room_i,
  input  logic                    frame_done_i,
  output logic                    overflow_o,
  output logic                    cell_valid_o,
  output logic [            31:0] cell_o,
  output logic [            15:0] column_o,
  output logic [            15:0] row_o,
  output logic                    frame_last_o,
  output logic                    window_valid_o,
  output logic [            63:0] window_o
);
  if (BEATS != (CLASSES + UNITS - 1) / UNITS) begin : gen_check_beats
    $error("lutlens_network_pkg: BEATS must be CLASSES / UNITS, rounded up");
  end

  logic [PIXELS*PIXEL_BITS-1:0] bits_tdata;
  logic                         bits_tvalid;
  logic                         bits_tready;
  logic                         bits_tuser;
  logic                         bits_tlast;
  logic [ UNITS*SCORE_BITS-1:0] scores_tdata;
  logic                         scores_tvalid;
  logic                         scores_tready;
  logic [                  1:0] scores_tuser;
  logic                         scores_tlast;
  logic                         valid;
  logic [                  7:0] best_class;
  logic [                 11:0] score;
  logic [                 11:0] margin;
  logic                         row_last;
  logic                         frame_last;

  lutlens_encoder #(
    .PixelBits(PIXEL_BITS),
    .Pixels   (PIXELS)
  ) u_encoder (
    .aclk,
    .aresetn,
    .thresholds_i,
    .s_axis_tdata,
    .s_axis_tvalid,
    .s_axis_tready,
    .s_axis_tuser,
    .s_axis_tlast,
    .m_axis_tdata (bits_tdata),
    .m_axis_tvalid(bits_tvalid),
    .m_axis_tready(bits_tready),
    .m_axis_tuser (bits_tuser),
    .m_axis_tlast (bits_tlast)
  );

  lutlens_network u_network (
    .aclk,
    .aresetn,
    .s_axis_tdata (bits_tdata),
    .s_axis_tvalid(bits_tvalid),
    .s_axis_tready(bits_tready),
    .s_axis_tuser (bits_tuser),
    .s_axis_tlast (bits_tlast),
    .m_axis_tdata (scores_tdata),
    .m_axis_tvalid(scores_tvalid),
    .m_axis_tready(scores_tready),
    .m_axis_tuser (scores_tuser),
    .m_axis_tlast (scores_tlast)
  );

  lutlens_scan_scorer #(
    .Classes  (CLASSES),
    .ScoreBits(SCORE_BITS),
    .Units    (UNITS),
    .Positions(Positions)
  ) u_scorer (
    .aclk,
    .aresetn,
    .last_pass_i,
    .s_axis_tdata (scores_tdata),
    .s_axis_tvalid(scores_tvalid),
    .s_axis_tready(scores_tready),
    .s_axis_tuser (scores_tuser),
    .s_axis_tlast (scores_tlast),
    .room_i,
    .frame_done_i,
    .overflow_o,
    .valid_o      (valid),
    .class_o      (best_class),
    .score_o      (score),
    .margin_o     (margin),
    .row_last_o   (row_last),
    .frame_last_o (frame_last)
  );

  lutlens_scan_peaks u_peaks (
    .aclk,
    .aresetn,
    .background_i,
    .min_margin_i,
    .valid_i     (valid),
    .class_i     (best_class),
    .score_i     (score),
    .margin_i    (margin),
    .row_last_i  (row_last),
    .frame_last_i(frame_last),
    .cell_valid_o,
    .cell_o,
    .column_o,
    .row_o,
    .frame_last_o,
    .window_valid_o,
    .window_o
  );
endmodule
