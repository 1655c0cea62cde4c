// From the ring of frames to the cores: pixels, with the thresholds of their pass.
//
// Frames are read ahead of the cores; what has to be known of one when its result is due is kept here.
// Several cores get frames in turn.

module lutlens_frame_source
  import lutlens_network_pkg::*;
  import lutlens_pkg::*;
  import lutlens_registers_pkg::*;
#(
  // Of whole frames, of any size; or of single images.
  parameter bit          Scan  = 1'b0,
  parameter int unsigned Cores = 1
) (
  input  logic                                               aclk,
  input  logic                                               aresetn,
  input  lutlens__out_t                                      settings_i,
  // Registers that are kept here
  output logic                                               thresholds_wr_ack_o,
  output logic                                               thresholds_rd_ack_o,
  output logic          [8*PIXEL_BITS-1:0]                   thresholds_rd_data_o,
  output logic                                               sizes_wr_ack_o,
  output logic                                               sizes_rd_ack_o,
  output logic          [            31:0]                   sizes_rd_data_o,
  // State and events of the rings; see lutlens_frame_control.
  output logic          [            31:0]                   frame_tail_o,
  output logic                                               busy_o,
  output logic                                               ring_clear_o,
  output logic                                               frame_begun_o,
  output logic                                               frame_dropped_o,
  output logic                                               timeout_o,
  output logic                                               wrong_size_o,
  output logic                                               turn_next_o,
  output logic                                               read_error_o,
  output logic                                               writer_hold_o,
  input  logic                                               overflow_i,
  input  writer_state_t                                      writer_i,
  // Of the oldest frame at work: its scale, the clock of its first pixel
  input  logic          [            31:0]                   cycles_i,
  output logic          [             2:0]                   scale_o,
  output logic          [            31:0]                   start_cycles_o,
  // Of the frame whose result is written: whether a read failed
  output logic                                               read_failed_o,
  // The cores: forget every pixel; passes of a frame, minus one; thresholds of the pixels
  output logic                                               datapath_resetn_o,
  output logic          [             3:0]                   last_pass_o,
  output logic          [       Cores-1:0][8*PIXEL_BITS-1:0] thresholds_o,
  output logic          [       Cores-1:0][    8*VALUES-1:0] m_axis_tdata,
  output logic          [       Cores-1:0]                   m_axis_tvalid,
  input  logic          [       Cores-1:0]                   m_axis_tready,
  output logic          [       Cores-1:0]                   m_axis_tuser,
  output logic          [       Cores-1:0]                   m_axis_tlast,
  // AXI read channels
  output logic          [            31:0]                   m_axi_araddr,
  output logic          [             3:0]                   m_axi_arlen,
  output logic                                               m_axi_arvalid,
  input  logic                                               m_axi_arready,
  input  logic          [            63:0]                   m_axi_rdata,
  input  logic                                               m_axi_rerror,
  input  logic                                               m_axi_rlast,
  input  logic                                               m_axi_rvalid,
  output logic                                               m_axi_rready
);
  localparam int unsigned ImageValues = IMAGE_WIDTH * IMAGE_HEIGHT * CHANNELS;
  localparam int unsigned ImageBeats = (ImageValues + 7) / 8;

  // Where a line is no whole number of clocks, an image is taken as one line; the core cuts it. So it does
  // where pixels have colours.
  localparam bit WholeLines = CHANNELS == 1 && IMAGE_WIDTH % PIXELS == 0;
  localparam int unsigned LineClocks =
      WholeLines ? IMAGE_WIDTH / PIXELS : (ImageValues + VALUES - 1) / VALUES;
  localparam int unsigned Lines = WholeLines ? IMAGE_HEIGHT : 1;

  // One core has as many frames at work as it can be given at a time; more cores have more.
  localparam int unsigned FrameBits = (Cores > 1) ? 5 : 4;

  // Bits for a frame's beats, for the clocks of a line, and for lines.
  localparam int unsigned CountBits = bits(Scan ? MAX_WIDTH / 8 * 65536 : ImageBeats, 5);
  localparam int unsigned ColumnBits = bits(Scan ? 65536 / PIXELS - 1 : LineClocks, 1);
  localparam int unsigned RowBits = bits(Scan ? 65535 : Lines, 1);

  function automatic int unsigned bits(int unsigned largest, int unsigned at_least);
    return ($clog2(largest + 1) > at_least) ? $clog2(largest + 1) : at_least;
  endfunction

  // ------------------------------------------------------------------ frames

  logic                 format_packed;
  logic                 flush;
  logic                 command_valid;
  logic                 command_ready;
  logic [         28:0] command_address;
  logic [CountBits-1:0] command_beats;
  logic                 reader_idle;
  logic                 take;
  logic                 step;
  logic [          3:0] step_bit;
  logic                 taken;
  logic [FrameBits-1:0] start_index;
  logic                 finished;
  logic                 dropped;
  logic                 wrong_size;

  assign format_packed = settings_i.FORMAT.packed_.value;

  // A register, as it drives the reset of every pipeline.
  always_ff @(posedge aclk) datapath_resetn_o <= aresetn && !flush;

  lutlens_frame_control #(
    .FrameBits(FrameBits),
    .ReadOnce (Cores > 1)
  ) u_frame_control (
    .aclk,
    .aresetn,
    .enable_i         (settings_i.CONTROL.enable.value),
    .reset_i          (settings_i.CONTROL.reset.value),
    .passes_i         (settings_i.PASSES.value.value),
    .watchdog_cycles_i(settings_i.WATCHDOG_CYCLES.value.value),
    .frame_base_i     (settings_i.FRAME_BASE.value.value),
    .frame_stride_i   (settings_i.FRAME_STRIDE.value.value),
    .frame_slots_i    (settings_i.FRAME_SLOTS.value.value),
    .frame_head_i     (settings_i.FRAME_HEAD.value.value[15:0]),
    .frame_tail_o     (frame_tail_o),
    .busy_o           (busy_o),
    .command_valid_o  (command_valid),
    .command_ready_i  (command_ready),
    .command_address_o(command_address),
    .reader_idle_i    (reader_idle),
    .take_o           (take),
    .step_o           (step),
    .step_bit_o       (step_bit),
    .taken_o          (taken),
    .wrong_size_i     (wrong_size),
    .flush_o          (flush),
    .start_index_o    (start_index),
    .last_pass_o      (last_pass_o),
    .writer_hold_o    (writer_hold_o),
    .overflow_i       (overflow_i),
    .writer_i         (writer_i),
    .ring_clear_o     (ring_clear_o),
    .frame_begun_o    (frame_begun_o),
    .finished_o       (finished),
    .frame_dropped_o  (frame_dropped_o),
    .timeout_o        (timeout_o),
    .dropped_o        (dropped),
    .wrong_size_o     (wrong_size_o),
    .turn_next_o      (turn_next_o)
  );

  // ------------------------------------------------------------------ beats

  logic        beat_valid;
  logic        beat_ready;
  logic [63:0] beat_data;
  logic        beat_error;

  lutlens_frame_reader #(
    .CountBits(CountBits),
    // At full rate a scan build takes a beat a clock: a whole block RAM bridges the memory's pauses.
    .FifoBeats(Scan ? 512 : 64)
  ) u_frame_reader (
    .aclk,
    .aresetn,
    .flush_i          (flush),
    .idle_o           (reader_idle),
    .command_valid_i  (command_valid),
    .command_ready_o  (command_ready),
    .command_address_i(command_address),
    .command_beats_i  (command_beats),
    .beat_valid_o     (beat_valid),
    .beat_ready_i     (beat_ready),
    .beat_data_o      (beat_data),
    .beat_error_o     (beat_error),
    .read_error_o     (read_error_o),
    .m_axi_araddr,
    .m_axi_arlen,
    .m_axi_arvalid,
    .m_axi_arready,
    .m_axi_rdata,
    .m_axi_rerror,
    .m_axi_rlast,
    .m_axi_rvalid,
    .m_axi_rready
  );

  // ------------------------------------------------------------------ pixels

  logic [ColumnBits-1:0]                   last_column;
  logic [   RowBits-1:0]                   last_row;
  logic [     Cores-1:0]                   core_beat_valid;
  logic [     Cores-1:0]                   core_beat_ready;
  logic [     Cores-1:0][            63:0] core_beat_data;
  logic                                    core_beat_error;
  logic [     Cores-1:0]                   thresholds_wr_ack;
  logic [     Cores-1:0]                   thresholds_rd_ack;
  logic [     Cores-1:0][8*PIXEL_BITS-1:0] thresholds_rd_data;
  logic [     Cores-1:0]                   core_frame_first;
  logic [     Cores-1:0]                   core_frame_last;
  logic [     Cores-1:0]                   core_frame_error;
  logic                                    frame_first;
  logic                                    frame_last;
  logic                                    frame_error;

  if (Cores == 1) begin : gen_one_core
    assign core_beat_valid = beat_valid;
    assign beat_ready      = core_beat_ready;
    assign core_beat_data  = beat_data;
    assign core_beat_error = beat_error;
    assign frame_first     = core_frame_first;
    assign frame_last      = core_frame_last;
    assign frame_error     = core_frame_error;
  end else begin : gen_cores
    logic unused_bits;

    lutlens_deal #(
      .Cores    (Cores),
      .CountBits(CountBits)
    ) u_deal (
      .aclk,
      .aresetn      (datapath_resetn_o),
      .last_pass_i  (last_pass_o),
      .beats_i      (command_beats),
      .beat_valid_i (beat_valid),
      .beat_ready_o (beat_ready),
      .beat_data_i  (beat_data),
      .beat_error_i (beat_error),
      .beat_valid_o (core_beat_valid),
      .beat_ready_i (core_beat_ready),
      .beat_data_o  (core_beat_data),
      .frame_first_o(frame_first),
      .frame_last_o (frame_last),
      .frame_error_o(frame_error)
    );

    assign core_beat_error = 1'b0;
    assign unused_bits = ^{core_frame_first, core_frame_last, core_frame_error,
                           thresholds_wr_ack, thresholds_rd_ack, thresholds_rd_data};
  end

  for (genvar i = 0; i < Cores; i++) begin : gen_pixels
    lutlens_frame_pixels #(
      .ColumnBits(ColumnBits),
      .RowBits   (RowBits)
    ) u_frame_pixels (
      .aclk,
      .aresetn,
      .datapath_resetn       (datapath_resetn_o),
      .last_pass_i           (last_pass_o),
      .packed_i              (format_packed),
      .last_column_i         (last_column),
      .last_row_i            (last_row),
      .thresholds_req_i      (settings_i.THRESHOLDS.req),
      .thresholds_req_is_wr_i(settings_i.THRESHOLDS.req_is_wr),
      .thresholds_addr_i     (settings_i.THRESHOLDS.addr[5:2]),
      .thresholds_wr_data_i  (settings_i.THRESHOLDS.wr_data[8*PIXEL_BITS-1:0]),
      .thresholds_wr_ack_o   (thresholds_wr_ack[i]),
      .thresholds_rd_ack_o   (thresholds_rd_ack[i]),
      .thresholds_rd_data_o  (thresholds_rd_data[i]),
      .beat_valid_i          (core_beat_valid[i]),
      .beat_ready_o          (core_beat_ready[i]),
      .beat_data_i           (core_beat_data[i]),
      .beat_error_i          (core_beat_error),
      .thresholds_o          (thresholds_o[i]),
      .m_axis_tdata          (m_axis_tdata[i]),
      .m_axis_tvalid         (m_axis_tvalid[i]),
      .m_axis_tready         (m_axis_tready[i]),
      .m_axis_tuser          (m_axis_tuser[i]),
      .m_axis_tlast          (m_axis_tlast[i]),
      .frame_first_o         (core_frame_first[i]),
      .frame_last_o          (core_frame_last[i]),
      .frame_error_o         (core_frame_error[i])
    );
  end

  // All cores have the same thresholds; software reads those of the first.
  assign thresholds_wr_ack_o  = thresholds_wr_ack[0];
  assign thresholds_rd_ack_o  = thresholds_rd_ack[0];
  assign thresholds_rd_data_o = thresholds_rd_data[0];

  // ------------------------------------------------------------------ what is kept of a frame

  lutlens_frame_table #(
    .FrameBits(FrameBits)
  ) u_frame_table (
    .aclk,
    .flush_i       (!datapath_resetn_o),
    .start_index_i (start_index),
    .cycles_i      (cycles_i),
    .frame_first_i (frame_first),
    .frame_last_i  (frame_last),
    .frame_error_i (frame_error),
    .oldest_i      (frame_tail_o[FrameBits-1:0]),
    .start_cycles_o(start_cycles_o),
    .index_i       (frame_tail_o[FrameBits-1:0] + FrameBits'(writer_i.ahead)),
    .error_o       (read_failed_o)
  );

  if (Scan) begin : gen_sizes
    logic unused_bits;

    lutlens_scan_sizes #(
      .Pixels     (PIXELS),
      .CountBits  (CountBits),
      .LeastWidth (IMAGE_WIDTH),
      .MostWidth  (MAX_WIDTH),
      .LeastHeight(IMAGE_HEIGHT)
    ) u_sizes (
      .aclk,
      .aresetn,
      .scales_i     (settings_i.SCALES.value.value),
      .packed_i     (format_packed),
      .req_i        (settings_i.FRAME_SIZES.req),
      .req_is_wr_i  (settings_i.FRAME_SIZES.req_is_wr),
      .addr_i       (settings_i.FRAME_SIZES.addr[4:2]),
      .wr_data_i    (settings_i.FRAME_SIZES.wr_data),
      .wr_ack_o     (sizes_wr_ack_o),
      .rd_ack_o     (sizes_rd_ack_o),
      .rd_data_o    (sizes_rd_data_o),
      .flush_i      (flush),
      .ring_clear_i (ring_clear_o),
      .take_i       (take),
      .step_i       (step),
      .step_bit_i   (step_bit),
      .taken_i      (taken),
      .finished_i   (finished),
      .dropped_i    (dropped),
      .beats_o      (command_beats),
      .wrong_size_o (wrong_size),
      .last_column_o(last_column),
      .last_row_o   (last_row),
      .frame_last_i (frame_last),
      .scale_o      (scale_o)
    );

    assign unused_bits = ^{settings_i.FRAME_SIZES.addr[1:0], settings_i.FRAME_SIZES.wr_biten};
  end else begin : gen_one_size
    logic unused_bits;

    // Every frame is an image.
    assign command_beats = CountBits'(format_packed ? (ImageValues + 63) / 64 : ImageBeats);
    assign last_column = ColumnBits'(LineClocks - 1);
    assign last_row = RowBits'(Lines - 1);
    assign scale_o = '0;
    assign wrong_size = 1'b0;
    assign sizes_wr_ack_o = 1'b0;
    assign sizes_rd_ack_o = 1'b0;
    assign sizes_rd_data_o = '0;
    assign unused_bits = ^{take, step, step_bit, taken, finished, dropped};
  end
endmodule
