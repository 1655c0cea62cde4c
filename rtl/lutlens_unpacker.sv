// Takes the beats of images apart: 8 pixels a beat, one pixel a clock, lines and passes counted.
//
// An image starts at a beat's first byte; what is left of its last beat is thrown away. Every image
// comes `last_pass_i + 1` times; `pass_o` says which pass the pixel that is taken next belongs to.
// Latency: one clock.

module lutlens_unpacker #(
  parameter int unsigned ImageWidth  = 28,
  parameter int unsigned ImageHeight = 28
) (
  input  logic        aclk,
  input  logic        aresetn,
  // Passes of an image, minus one. Changes only while no frame is at work.
  input  logic [ 3:0] last_pass_i,
  input  logic        beat_valid_i,
  output logic        beat_ready_o,
  input  logic [63:0] beat_data_i,
  input  logic        beat_error_i,
  // Pixels; tuser marks the last one of a line, tlast the last one of a pass.
  output logic [ 7:0] m_axis_tdata,
  output logic        m_axis_tvalid,
  input  logic        m_axis_tready,
  output logic        m_axis_tuser,
  output logic        m_axis_tlast,
  // One clock, with the first pixel of a pass being taken; the pixel is on the stream in the next clock.
  output logic        pass_first_o,
  output logic [ 3:0] pass_o,
  // One clock, with a frame's first pixel of all.
  output logic        frame_first_o,
  // One clock, with its very last; `frame_error_o` then says that one of its beats came with an error.
  output logic        frame_last_o,
  output logic        frame_error_o
);
  localparam int unsigned ColumnBits = (ImageWidth > 1) ? $clog2(ImageWidth) : 1;
  localparam int unsigned RowBits = (ImageHeight > 1) ? $clog2(ImageHeight) : 1;

  if (ImageWidth < 1 || ImageHeight < 1) begin : gen_check_size
    $error("ImageWidth and ImageHeight must be at least 1");
  end

  logic                  take;
  logic [           2:0] byte_q;
  logic [ColumnBits-1:0] column_q;
  logic [   RowBits-1:0] row_q;
  logic                  started_q;  // a pixel of this pass has been taken
  logic [           3:0] pass_q;
  logic                  error_q;
  logic                  last_column;
  logic                  last_pixel;
  logic                  last_pass;

  assign take          = beat_valid_i && (!m_axis_tvalid || m_axis_tready);
  assign last_column   = column_q == ColumnBits'(ImageWidth - 1);
  assign last_pixel    = last_column && row_q == RowBits'(ImageHeight - 1);
  assign last_pass     = pass_q == last_pass_i;
  assign beat_ready_o  = take && (byte_q == 3'd7 || last_pixel);

  assign pass_o        = pass_q;
  assign pass_first_o  = take && !started_q;
  assign frame_first_o = pass_first_o && pass_q == '0;
  assign frame_last_o  = take && last_pixel && last_pass;
  assign frame_error_o = error_q || beat_error_i;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      byte_q        <= '0;
      column_q      <= '0;
      row_q         <= '0;
      started_q     <= 1'b0;
      pass_q        <= '0;
      error_q       <= 1'b0;
    end else if (take) begin
      m_axis_tvalid <= 1'b1;
      byte_q        <= last_pixel ? '0 : byte_q + 1'b1;
      column_q      <= last_column ? '0 : column_q + 1'b1;
      if (last_column) row_q <= last_pixel ? '0 : row_q + 1'b1;
      started_q <= !last_pixel;
      if (last_pixel) pass_q <= last_pass ? '0 : pass_q + 1'b1;
      error_q <= frame_error_o && !(last_pixel && last_pass);
    end else if (m_axis_tready) begin
      m_axis_tvalid <= 1'b0;
    end
  end

  always_ff @(posedge aclk) begin
    if (take) begin
      m_axis_tdata <= beat_data_i[8*byte_q+:8];
      m_axis_tuser <= last_column;
      m_axis_tlast <= last_pixel;
    end
  end
endmodule
