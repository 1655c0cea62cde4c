// Takes frames from the ring, keeps account of those at work, and ends one that takes too long.
//
// A frame is at work from the moment it is taken until its record has been acknowledged or it is
// dropped; only then FRAME_TAIL passes it. Several are at work at a time, as the next ones are read
// ahead; their records come in order. The oldest is the one whose turn it is.
//
// Watchdog: the oldest frame is dropped, the datapath flushed, and the frames behind it are taken from
// the ring again. Reset is the same flush with the ring emptied. Neither happens in the middle of a
// record: what has begun on the bus is finished. A frame of a wrong size is not read; it is dropped in
// the same way when it has become the only one. One of too many positions to be added over its passes
// is found out by the core that counts them, in its first pass.

module lutlens_frame_control
  import lutlens_pkg::*;
#(
  // Of the number of frames at work; a frame less than that can be.
  parameter int unsigned FrameBits = 4,
  // One read for all passes of a frame, not one for each.
  parameter bit          ReadOnce  = 1'b0
) (
  input  logic                          aclk,
  input  logic                          aresetn,
  // Registers
  input  logic                          enable_i,
  input  logic                          reset_i,
  input  logic          [          4:0] passes_i,
  input  logic          [         31:0] watchdog_cycles_i,
  input  logic          [         28:0] frame_base_i,       // in units of 8 bytes
  input  logic          [         28:0] frame_stride_i,     // in units of 8 bytes
  input  logic          [         15:0] frame_slots_i,
  input  logic          [         15:0] frame_head_i,
  output logic          [         31:0] frame_tail_o,
  output logic                          busy_o,
  // To the frame reader
  output logic                          command_valid_o,
  input  logic                          command_ready_i,
  output logic          [         28:0] command_address_o,  // in units of 8 bytes
  input  logic                          reader_idle_i,
  // What a frame's size is worked out along with: a clock when it is taken from the ring, then one for
  // each bit of a row number, from the highest
  output logic                          take_o,
  output logic                          step_o,
  output logic          [          3:0] step_bit_o,
  output logic                          taken_o,            // all reads of it are commanded
  // Of the frame that is taken, from the second clock on
  input  logic                          wrong_size_i,
  // To everything that holds pixels, beats or scores: forget them
  output logic                          flush_o,
  // Frame to be taken next
  output logic          [FrameBits-1:0] start_index_o,
  // Passes of the frames at work, minus one
  output logic          [          3:0] last_pass_o,
  // Result writer: nothing must begin on the bus while `writer_hold_o` is high
  output logic                          writer_hold_o,
  // The oldest frame, or the one whose turn is about to come, has too many positions.
  input  logic                          overflow_i,
  input  writer_state_t                 writer_i,
  // One clock each
  output logic                          ring_clear_o,       // the rings are emptied
  output logic                          frame_begun_o,      // a frame's turn came
  output logic                          finished_o,         // the oldest frame's record
  output logic                          frame_dropped_o,
  output logic                          dropped_o,          // by a flush
  output logic                          timeout_o,
  output logic                          wrong_size_o,
  // A frame's turn has come and it will not have ended with this clock
  output logic                          turn_next_o
);
  logic unused_bits;

  assign unused_bits = ^{writer_i.seen, writer_i.ahead};

  assign finished_o  = writer_i.record_written || writer_i.record_failed;

  typedef enum logic [1:0] {
    StIdle,
    StAddress,  // multiply slot and stride, a bit a clock
    StCommand,  // one command a pass, or one for all
    StRefuse    // its size is wrong: wait until it is the oldest
  } state_e;

  state_e                 state_q;

  // ------------------------------------------------------------------ account

  logic   [         15:0] start_q;  // frame to be taken next
  logic   [         31:0] tail_q;  // oldest frame at work
  logic   [FrameBits-1:0] at_work_q;  // frames
  logic                   turn_q;  // the oldest frame's turn has come

  assign frame_begun_o   = !turn_q && at_work_q != '0;
  assign frame_dropped_o = writer_i.record_failed || dropped_o;
  assign turn_next_o     = frame_begun_o || (turn_q && !finished_o && !dropped_o);
  assign frame_tail_o    = tail_q;
  assign start_index_o   = start_q[FrameBits-1:0];

  always_ff @(posedge aclk) begin
    if (!aresetn || ring_clear_o) begin
      tail_q    <= '0;
      start_q   <= '0;
      at_work_q <= '0;
      turn_q    <= 1'b0;
    end else begin
      if (finished_o || dropped_o) tail_q <= tail_q + 1'b1;
      if (dropped_o) start_q <= tail_q[15:0] + 1'b1;
      else if (taken_o) start_q <= start_q + 1'b1;
      if (dropped_o) at_work_q <= '0;
      else at_work_q <= at_work_q + FrameBits'(take_o) - FrameBits'(finished_o);
      turn_q <= turn_next_o;
    end
  end

  // ------------------------------------------------------------------ flush

  logic        reset_pending_q;
  logic        flush_start;
  logic        flushing_q;
  logic        abandon;
  logic [ 3:0] settle_q;  // every flush is long enough to be a reset
  logic [31:0] timer_q;
  logic        expired;
  logic        refused;

  assign expired = turn_q && watchdog_cycles_i != '0 && timer_q >= watchdog_cycles_i;
  assign refused = turn_q && (overflow_i || (state_q == StRefuse && at_work_q == FrameBits'(1)));
  assign flush_start = !flushing_q && !writer_i.active && (reset_pending_q || expired || refused);
  assign abandon = flush_start || flushing_q;
  assign ring_clear_o = flush_start && reset_pending_q;
  assign dropped_o = flush_start && !reset_pending_q;
  assign timeout_o = dropped_o && !refused;
  assign wrong_size_o = dropped_o && refused;
  assign flush_o = flushing_q;
  assign writer_hold_o = reset_pending_q || expired || flushing_q;
  assign busy_o = at_work_q != '0 || flushing_q || reset_pending_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      reset_pending_q <= 1'b0;
      flushing_q      <= 1'b0;
      settle_q        <= '0;
    end else begin
      if (reset_i) reset_pending_q <= 1'b1;
      else if (ring_clear_o) reset_pending_q <= 1'b0;
      if (flush_start) flushing_q <= 1'b1;
      else if (reader_idle_i && settle_q == '1) flushing_q <= 1'b0;
      if (!flushing_q) settle_q <= '0;
      else if (settle_q != '1) settle_q <= settle_q + 1'b1;
    end
  end

  always_ff @(posedge aclk) begin
    if (!turn_q || watchdog_cycles_i == '0) timer_q <= '0;
    else if (!writer_i.closing && !writer_i.waiting) timer_q <= timer_q + 1'b1;
  end

  // ------------------------------------------------------------------ frames to commands

  logic [ 3:0] last_pass;  // what PASSES asks for, minus one
  logic [ 3:0] pass_q;
  logic [28:0] offset;

  always_comb begin
    if (passes_i[4]) last_pass = 4'd15;
    else if (passes_i[3:0] == '0) last_pass = '0;
    else last_pass = passes_i[3:0] - 1'b1;
  end

  assign take_o = state_q == StIdle && enable_i && !abandon && frame_head_i != start_q &&
      at_work_q != '1 && last_pass_o == last_pass;
  assign taken_o = state_q == StCommand && command_ready_i && (ReadOnce || pass_q == last_pass_o);
  assign command_valid_o = state_q == StCommand;
  assign step_o = state_q == StAddress;
  assign command_address_o = frame_base_i + offset;

  always_ff @(posedge aclk) begin
    if (!aresetn || abandon) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:    if (take_o) state_q <= StAddress;
        StAddress: if (step_bit_o == '0) state_q <= wrong_size_i ? StRefuse : StCommand;
        StCommand: if (taken_o) state_q <= StIdle;
        default:   ;
      endcase
    end
  end

  lutlens_ring_slot #(
    .Width(29)
  ) u_ring_slot (
    .aclk,
    .clear_i (state_q == StIdle),
    .step_i  (step_o),
    .number_i(start_q),
    .slots_i (frame_slots_i),
    .stride_i(frame_stride_i),
    .bit_o   (step_bit_o),
    .offset_o(offset)
  );

  always_ff @(posedge aclk) begin
    if (state_q == StIdle) pass_q <= '0;
    else if (state_q == StCommand && command_ready_i) pass_q <= pass_q + 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) last_pass_o <= '0;
    else if (at_work_q == '0 && !take_o) last_pass_o <= last_pass;
  end
endmodule
