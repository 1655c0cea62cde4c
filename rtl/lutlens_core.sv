// The core: encoder, before it a modulator if the network has one, generated network, scorer. An image's
// pixels go in, its result comes out.
//
// Pixels: VALUES 8-bit values a clock, those of the leftmost pixel lowest, row by row, tuser with the last
// ones of a line, tlast with the last ones of a pass; every image comes `last_pass_i + 1` times. Where pixels
// have several CHANNELS, or IMAGE_WIDTH is no multiple of PIXELS, a clock's values may be of two pixels or
// lines, those of the last are filled up with anything, and tuser does not matter. Result: 16-bit words, see lutlens_scorer.

module lutlens_core
  import lutlens_network_pkg::*;
(
  input  logic                    aclk,
  input  logic                    aresetn,
  // Passes of an image, minus one. Changes only while no image is at work.
  input  logic [             3:0] last_pass_i,
  // Belongs to the pixels on the stream.
  input  logic [8*PIXEL_BITS-1:0] thresholds_i,
  input  logic [    8*VALUES-1:0] s_axis_tdata,
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

  logic [              8*PIXEL_BITS-1:0] thresholds;
  logic [                  8*VALUES-1:0] pixels_tdata;
  logic                                  pixels_tvalid;
  logic                                  pixels_tready;
  logic                                  pixels_tuser;
  logic                                  pixels_tlast;
  logic [         VALUES*PIXEL_BITS-1:0] bits_tdata;
  logic                                  bits_tvalid;
  logic                                  bits_tready;
  logic                                  bits_tuser;
  logic                                  bits_tlast;
  logic [PIXELS*CHANNELS*PIXEL_BITS-1:0] lines_tdata;
  logic                                  lines_tvalid;
  logic                                  lines_tready;
  logic                                  lines_tuser;
  logic                                  lines_tlast;
  logic [          UNITS*SCORE_BITS-1:0] scores_tdata;
  logic                                  scores_tvalid;
  logic                                  scores_tready;
  logic [                           1:0] scores_tuser;
  logic                                  scores_tlast;
  // Of the image's position. The scorer finds its end by counting classes.
  logic                                  position_tvalid;
  logic                                  position_tready;

  if (MODULATOR == 0) begin : gen_pixels_as_they_are
    assign thresholds    = thresholds_i;
    assign pixels_tdata  = s_axis_tdata;
    assign pixels_tvalid = s_axis_tvalid;
    assign s_axis_tready = pixels_tready;
    assign pixels_tuser  = s_axis_tuser;
    assign pixels_tlast  = s_axis_tlast;
  end else begin : gen_modulator
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
      .thresholds_o (thresholds),
      .m_axis_tdata (pixels_tdata),
      .m_axis_tvalid(pixels_tvalid),
      .m_axis_tready(pixels_tready),
      .m_axis_tuser (pixels_tuser),
      .m_axis_tlast (pixels_tlast)
    );
  end

  lutlens_encoder #(
    .PixelBits(PIXEL_BITS),
    .Pixels   (VALUES)
  ) u_encoder (
    .aclk,
    .aresetn,
    .thresholds_i (thresholds),
    .s_axis_tdata (pixels_tdata),
    .s_axis_tvalid(pixels_tvalid),
    .s_axis_tready(pixels_tready),
    .s_axis_tuser (pixels_tuser),
    .s_axis_tlast (pixels_tlast),
    .m_axis_tdata (bits_tdata),
    .m_axis_tvalid(bits_tvalid),
    .m_axis_tready(bits_tready),
    .m_axis_tuser (bits_tuser),
    .m_axis_tlast (bits_tlast)
  );

  if (CHANNELS == 1 && IMAGE_WIDTH % PIXELS == 0) begin : gen_whole_lines
    logic unused_bits;

    assign lines_tdata     = bits_tdata;
    assign lines_tvalid    = bits_tvalid;
    assign bits_tready     = lines_tready;
    assign lines_tuser     = bits_tuser;
    assign lines_tlast     = bits_tlast;
    assign position_tvalid = scores_tvalid;
    assign scores_tready   = position_tready;
    assign unused_bits     = ^{scores_tuser, scores_tlast};
  end else begin : gen_filled_lines
    logic beyond_q;  // positions beside the image's follow, with what its lines were filled up with
    logic unused_bits;

    lutlens_lines #(
      .ValuesIn (VALUES),
      .ValuesOut(PIXELS * CHANNELS),
      .ValueBits(PIXEL_BITS),
      .Width    (IMAGE_WIDTH * CHANNELS),
      .Height   (IMAGE_HEIGHT)
    ) u_lines (
      .aclk,
      .aresetn,
      .s_axis_tdata (bits_tdata),
      .s_axis_tvalid(bits_tvalid),
      .s_axis_tready(bits_tready),
      .m_axis_tdata (lines_tdata),
      .m_axis_tvalid(lines_tvalid),
      .m_axis_tready(lines_tready),
      .m_axis_tuser (lines_tuser),
      .m_axis_tlast (lines_tlast)
    );

    assign position_tvalid = scores_tvalid && !beyond_q;
    assign scores_tready   = position_tready || beyond_q;
    assign unused_bits     = ^{bits_tuser, bits_tlast, scores_tuser[1]};

    always_ff @(posedge aclk) begin
      if (!aresetn) beyond_q <= 1'b0;
      else if (scores_tvalid && scores_tready && scores_tuser[0]) beyond_q <= !scores_tlast;
    end
  end

  lutlens_network u_network (
    .aclk,
    .aresetn,
    .s_axis_tdata (lines_tdata),
    .s_axis_tvalid(lines_tvalid),
    .s_axis_tready(lines_tready),
    .s_axis_tuser (lines_tuser),
    .s_axis_tlast (lines_tlast),
    .m_axis_tdata (scores_tdata),
    .m_axis_tvalid(scores_tvalid),
    .m_axis_tready(scores_tready),
    .m_axis_tuser (scores_tuser),
    .m_axis_tlast (scores_tlast)
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
    .s_axis_tvalid(position_tvalid),
    .s_axis_tready(position_tready),
    .m_axis_tdata,
    .m_axis_tvalid,
    .m_axis_tready,
    .m_axis_tlast
  );
endmodule
