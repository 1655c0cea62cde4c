// The sizes of the frames in the ring: frame n has the size of scale n modulo SCALES.
//
// When a frame is taken from the ring, its size is looked up and multiplied out to beats for the
// reader, a bit of the row number a clock; the unpacker gets it when the frame's turn comes.

module lutlens_scan_sizes #(
  parameter int unsigned Pixels    = 1,
  parameter int unsigned CountBits = 24,
  // Of frames
  parameter int unsigned LeastWidth = 28,
  parameter int unsigned MostWidth = 640,
  parameter int unsigned LeastHeight = 28
) (
  input  logic                       aclk,
  input  logic                       aresetn,
  // Settings
  input  logic [                3:0] scales_i,
  input  logic                       packed_i,
  // Register accesses
  input  logic                       req_i,
  input  logic                       req_is_wr_i,
  input  logic [                2:0] addr_i,
  input  logic [               31:0] wr_data_i,
  output logic                       wr_ack_o,
  output logic                       rd_ack_o,
  output logic [               31:0] rd_data_o,
  // Frame control; see there
  input  logic                       flush_i,
  input  logic                       ring_clear_i,
  input  logic                       take_i,
  input  logic                       step_i,
  input  logic [                3:0] step_bit_i,
  input  logic                       taken_i,
  input  logic                       finished_i,
  input  logic                       dropped_i,
  // Of the frame that is taken: beats to read; whether its size is none that is scanned
  output logic [      CountBits-1:0] beats_o,
  output logic                       wrong_size_o,
  // Of the frame that the unpacker is at: clocks of a line and lines, minus one each
  output logic [15-$clog2(Pixels):0] last_column_o,
  output logic [               15:0] last_row_o,
  input  logic                       frame_last_i,
  // Scale of the frame whose record is due
  output logic [                2:0] scale_o
);
  typedef struct packed {
    logic [15:0] rows;
    logic [15:0] columns;
  } size_t;

  // ------------------------------------------------------------------ scales

  logic [2:0] last_scale;
  logic [2:0] start_q;  // of the frame to be taken next
  logic [2:0] tail_q;  // of the oldest frame
  logic [2:0] after_tail;

  always_comb begin
    if (scales_i[3]) last_scale = 3'd7;
    else if (scales_i[2:0] == '0) last_scale = '0;
    else last_scale = scales_i[2:0] - 1'b1;
  end

  assign after_tail = (tail_q >= last_scale) ? '0 : tail_q + 1'b1;
  assign scale_o    = tail_q;

  always_ff @(posedge aclk) begin
    if (!aresetn || ring_clear_i) begin
      start_q <= '0;
      tail_q  <= '0;
    end else begin
      if (finished_i || dropped_i) tail_q <= after_tail;
      if (dropped_i) start_q <= after_tail;
      else if (taken_i) start_q <= (start_q >= last_scale) ? '0 : start_q + 1'b1;
    end
  end

  // ------------------------------------------------------------------ beats

  size_t        size;  // of the frame that is taken
  logic  [12:0] line_beats;

  lutlens_settings_memory #(
    .Width($bits(size_t)),
    .Depth(8)
  ) u_sizes (
    .aclk,
    .aresetn,
    .req_i,
    .req_is_wr_i,
    .addr_i,
    .wr_data_i,
    .wr_ack_o,
    .rd_ack_o,
    .rd_data_o,
    .load_i (take_i),
    .index_i(start_q),
    .entry_o(size)
  );

  assign wrong_size_o = size.columns[2:0] != '0 || (packed_i && size.columns[5:3] != '0) ||
      size.columns < 16'(LeastWidth) || size.columns > 16'(MostWidth) ||
      size.rows < 16'(LeastHeight);

  assign line_beats = packed_i ? 13'(size.columns[15:6]) : size.columns[15:3];

  always_ff @(posedge aclk) begin
    if (take_i) begin
      beats_o <= '0;
    end else if (step_i) begin
      beats_o <= {beats_o[CountBits-2:0], 1'b0} +
          (size.rows[step_bit_i] ? CountBits'(line_beats) : '0);
    end
  end

  // ------------------------------------------------------------------ frames on their way

  localparam int unsigned ColumnBits = 16 - $clog2(Pixels);

  logic unused_valid;

  lutlens_fifo #(
    .Width(ColumnBits + 16),
    .Depth(16)
  ) u_fifo (
    .aclk,
    .aresetn,
    .clear_i     (flush_i),
    .write_i     (step_i && step_bit_i == '0),
    .write_data_i({size.columns[15:$clog2(Pixels)] - 1'b1, size.rows - 1'b1}),
    .valid_o     (unused_valid),
    .data_o      ({last_column_o, last_row_o}),
    .read_i      (frame_last_i)
  );
endmodule
