// Takes the beats of frames apart: Pixels pixels a clock, lines and passes counted.
//
// A beat holds 8 pixels, or 64 of one bit, which become 0x00 and 0xFF. A frame starts at a beat's first
// byte; what is left of its last beat is thrown away. Every frame comes `last_pass_i + 1` times;
// `pass_o` says which pass the pixels that are taken next belong to. Latency: one clock.

module lutlens_unpacker #(
  parameter int unsigned Pixels     = 1,
  parameter int unsigned ColumnBits = 5,
  parameter int unsigned RowBits    = 5
) (
  input  logic                  aclk,
  input  logic                  aresetn,
  // Settings; change only while no frame is at work.
  input  logic [           3:0] last_pass_i,    // passes of a frame, minus one
  input  logic                  packed_i,       // 64 pixels a beat
  // Size of the frame that the beats are of: clocks of a line and lines, minus one each.
  input  logic [ColumnBits-1:0] last_column_i,
  input  logic [   RowBits-1:0] last_row_i,
  input  logic                  beat_valid_i,
  output logic                  beat_ready_o,
  input  logic [          63:0] beat_data_i,
  input  logic                  beat_error_i,
  // Pixels, the leftmost lowest; tuser marks the last ones of a line, tlast the last ones of a pass.
  output logic [  8*Pixels-1:0] m_axis_tdata,
  output logic                  m_axis_tvalid,
  input  logic                  m_axis_tready,
  output logic                  m_axis_tuser,
  output logic                  m_axis_tlast,
  // One clock, with the first pixels of a pass being taken; they are on the stream in the next clock.
  output logic                  pass_first_o,
  output logic [           3:0] pass_o,
  // One clock, with a frame's first pixels of all.
  output logic                  frame_first_o,
  // One clock, with its very last; `frame_error_o` then says that one of its beats came with an error.
  output logic                  frame_last_o,
  output logic                  frame_error_o
);
  // A beat is so many words of 8 * Pixels bits, and a word, if packed, 8 times Pixels pixels.
  localparam int unsigned Words = 8 / Pixels;
  localparam int unsigned PartBits = $clog2(8 * Words);

  if (!(Pixels inside {1, 2, 4, 8})) begin : gen_check_pixels
    $error("Pixels must be 1, 2, 4 or 8");
  end

  logic                  take;
  logic [  PartBits-1:0] part_q;  // of the beat
  logic                  last_part;
  logic [ColumnBits-1:0] column_q;
  logic [   RowBits-1:0] row_q;
  logic                  started_q;  // a pixel of this pass has been taken
  logic [           3:0] pass_q;
  logic                  error_q;
  logic                  last_column;
  logic                  last_pixel;
  logic                  last_pass;

  assign take          = beat_valid_i && (!m_axis_tvalid || m_axis_tready);
  assign last_column   = column_q == last_column_i;
  assign last_pixel    = last_column && row_q == last_row_i;
  assign last_pass     = pass_q == last_pass_i;
  assign beat_ready_o  = take && (last_part || last_pixel);

  assign pass_o        = pass_q;
  assign pass_first_o  = take && !started_q;
  assign frame_first_o = pass_first_o && pass_q == '0;
  assign frame_last_o  = take && last_pixel && last_pass;
  assign frame_error_o = error_q || beat_error_i;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      m_axis_tvalid <= 1'b0;
      part_q        <= '0;
      column_q      <= '0;
      row_q         <= '0;
      started_q     <= 1'b0;
      pass_q        <= '0;
      error_q       <= 1'b0;
    end else if (take) begin
      m_axis_tvalid <= 1'b1;
      part_q        <= beat_ready_o ? '0 : part_q + 1'b1;
      column_q      <= last_column ? '0 : column_q + 1'b1;
      if (last_column) row_q <= last_pixel ? '0 : row_q + 1'b1;
      started_q <= !last_pixel;
      if (last_pixel) pass_q <= last_pass ? '0 : pass_q + 1'b1;
      error_q <= frame_error_o && !(last_pixel && last_pass);
    end else if (m_axis_tready) begin
      m_axis_tvalid <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ a beat's part

  logic [8*Pixels-1:0] word;
  logic [  Pixels-1:0] bits;

  if (Words == 1) begin : gen_one_word
    assign word      = beat_data_i;
    assign last_part = !packed_i || part_q == '1;
  end else begin : gen_words
    localparam int unsigned WordBits = $clog2(Words);

    logic [WordBits-1:0] number;

    assign number    = packed_i ? part_q[PartBits-1:3] : part_q[WordBits-1:0];
    assign word      = beat_data_i[8*Pixels*number+:8*Pixels];
    assign last_part = number == '1 && (!packed_i || part_q[2:0] == '1);
  end

  assign bits = word[Pixels*part_q[2:0]+:Pixels];

  always_ff @(posedge aclk) begin
    if (take) begin
      for (int unsigned p = 0; p < Pixels; p++) begin
        m_axis_tdata[8*p+:8] <= packed_i ? {8{bits[p]}} : word[8*p+:8];
      end
      m_axis_tuser <= last_column;
      m_axis_tlast <= last_pixel;
    end
  end
endmodule
