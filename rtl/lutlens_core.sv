// The core: encoder, generated network, scorer. An image's pixels go in, its result comes out.
//
// Pixels: PIXELS a clock, the leftmost one lowest, row by row, tuser with the last ones of a line, tlast
// with the last ones of a pass; every image comes `last_pass_i + 1` times. Result: 16-bit words, see lutlens_scorer.

module lutlens_core
  import lutlens_network_pkg::*;
(
  input  logic                    aclk,
  input  logic                    aresetn,
  // Passes of an image, minus one. Changes only while no image is at work.
  input  logic [             3:0] last_pass_i,
  // Belongs to the pixels on the stream.
  input  logic [8*PIXEL_BITS-1:0] thresholds_i,
  input  logic [    8*PIXELS-1:0] s_axis_tdata,
  input  logic                    s_axis_tvalid,
  output logic                    s_axis_tready,
  input  logic                    s_axis_tuser,
  input  logic                    s_axis_tlast,
  output logic [            15:0] m_axis_tdata,
  output logic                    m_axis_tvalid,
  input  logic                    m_axis_tready,
  output logic                    m_axis_tlast
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
  // An image has one position, so the scorer finds its end by counting classes.
  logic [                  1:0] unused_scores_tuser;
  logic                         unused_scores_tlast;

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
    .m_axis_tuser (unused_scores_tuser),
    .m_axis_tlast (unused_scores_tlast)
  );

  lutlens_scorer #(
    .Classes  (CLASSES),
    .ScoreBits(SCORE_BITS),
    .Units    (UNITS)
  ) u_scorer (
    .aclk,
    .aresetn,
    .last_pass_i,
    .s_axis_tdata (scores_tdata),
    .s_axis_tvalid(scores_tvalid),
    .s_axis_tready(scores_tready),
    .m_axis_tdata,
    .m_axis_tvalid,
    .m_axis_tready,
    .m_axis_tlast
  );
endmodule
