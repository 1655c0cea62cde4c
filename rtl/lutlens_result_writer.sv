// Writes one record per result to the ring of records.
//
// A record, little endian, is 16-bit words: sequence number (2 words), class (its lowest byte) and flags,
// margin, scores, zeros up to RecordBytes. It counts (RESULT_HEAD) when the memory has acknowledged it;
// up to Outstanding of them may be on their way. One whose write fails does not count, nor do those
// that are on their way behind it, and the next one takes its slot. With the ring full the result waits,
// so nothing is overwritten.
//
// A record is aligned to its size, a power of two, so no burst crosses 4 KiB; larger ones go in bursts
// of 16 beats. Bus time of a record: 5 clocks a beat.

module lutlens_result_writer
  import lutlens_pkg::*;
#(
  parameter int unsigned RecordBytes = 32,
  // Records that may be without their response, at most 8.
  parameter int unsigned Outstanding = 1
) (
  input  logic                  aclk,
  input  logic                  aresetn,
  // Registers
  input  logic           [26:0] result_base_i,   // in units of 32 bytes
  input  logic           [15:0] result_slots_i,
  input  logic           [15:0] result_tail_i,
  output logic           [31:0] result_head_o,
  // Frame control
  input  logic                  ring_clear_i,
  input  logic                  hold_i,
  output writer_state_t         writer_o,
  // One clock for every burst answered with an error
  output logic                  write_error_o,
  // The oldest frame at work
  input  logic           [31:0] sequence_i,
  // Of the frame `writer_o.ahead` behind it
  input  logic                  read_error_i,
  // Result: class, margin, scores
  input  logic           [15:0] s_axis_tdata,
  input  logic                  s_axis_tvalid,
  output logic                  s_axis_tready,
  input  logic                  s_axis_tlast,
  output axi_write_req_t        axi_write_o,
  input  axi_write_rsp_t        axi_write_i
);
  localparam int unsigned RecordBits = $clog2(RecordBytes);
  localparam int unsigned WordBits = RecordBits - 1;
  localparam int unsigned BurstBits = (RecordBits - 3 > 4) ? 4 : RecordBits - 3;
  localparam int unsigned BurstBytes = 8 << BurstBits;

  if (RecordBytes < 32 || RecordBytes > 4096 || RecordBytes != 1 << RecordBits) begin : gen_check
    $error("RecordBytes must be a power of two, 32 to 4096");
  end

  typedef enum logic [1:0] {
    StIdle,
    StWrite,
    StAddress  // the burst's beats have been taken; until its address has, too
  } state_e;

  state_e                state_q;
  logic   [WordBits-1:0] word_q;  // of the record
  logic                  ended_q;  // the result's words have all been taken: pad
  logic                  seen_q;
  logic   [         3:0] ahead;
  logic   [        31:0] sequence_number;
  logic                  full;
  logic                  start;
  logic                  next_burst;
  logic                  word_taken;
  logic                  beat_complete;
  logic                  header_word;
  logic   [        15:0] word;
  logic   [        15:0] next_record;
  logic   [        15:0] slot;

  // ------------------------------------------------------------------ responses

  localparam int unsigned PendingBits = $clog2(Outstanding + 1);

  logic [PendingBits-1:0] pending_q;  // records that have begun and are not done
  logic                   failed_q;  // one of them has failed
  logic                   failed;
  logic                   answered;
  logic                   done;

  assign answered = axi_write_i.bvalid && axi_write_o.bready;
  assign write_error_o = answered && axi_write_i.berror;
  assign failed = failed_q || axi_write_i.berror;

  always_ff @(posedge aclk) begin
    if (!aresetn) pending_q <= '0;
    else pending_q <= pending_q + PendingBits'(start) - PendingBits'(done);
    if (pending_q == '0) failed_q <= 1'b0;
    else if (write_error_o) failed_q <= 1'b1;
  end

  if (RecordBytes == BurstBytes) begin : gen_one_burst
    assign done = answered;
  end else begin : gen_bursts
    logic [RecordBits-BurstBits-4:0] burst_q;  // of the oldest record

    assign done = answered && burst_q == '1;

    always_ff @(posedge aclk) begin
      if (!aresetn) burst_q <= '0;
      else if (answered) burst_q <= burst_q + 1'b1;
    end
  end

  if (Outstanding == 1) begin : gen_one_record
    assign ahead = '0;
    assign axi_write_o.bready = 1'b1;
  end else begin : gen_records
    logic answered_q;

    if (Outstanding > 8) begin : gen_check
      $error("Outstanding must be 1 to 8");
    end

    assign ahead = 4'(pending_q) - 4'(state_q != StIdle);

    // Frames are finished one at a time: the next one's turn takes a clock to come.
    assign axi_write_o.bready = !answered_q;

    always_ff @(posedge aclk) answered_q <= aresetn && answered;
  end

  // ------------------------------------------------------------------ ring

  assign next_record = result_head_o[15:0] + 16'(ahead);
  assign full = next_record - result_tail_i == result_slots_i;
  assign slot = next_record & (result_slots_i - 1'b1);
  assign sequence_number = sequence_i + 32'(ahead);
  assign start = state_q == StIdle && s_axis_tvalid && !full && !hold_i &&
      pending_q != PendingBits'(Outstanding) && !failed_q && !write_error_o;

  // As soon as a record has begun it is no longer late.
  assign writer_o = '{
          active: pending_q != '0,
          waiting: pending_q == '0 && s_axis_tvalid && full,
          closing: pending_q != '0,
          record_written: done && !failed,
          record_failed: done && failed,
          seen: seen_q,
          ahead: ahead
      };

  always_ff @(posedge aclk) begin
    if (!aresetn || ring_clear_i) result_head_o <= '0;
    else if (done && !failed) result_head_o <= result_head_o + 1'b1;
  end

  // ------------------------------------------------------------------ bursts

  assign next_burst = state_q == StAddress && !axi_write_o.awvalid && word_q != '0;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle: if (start) state_q <= StWrite;
        StWrite:
        if (axi_write_o.wvalid && axi_write_i.wready && axi_write_o.wlast) state_q <= StAddress;
        default: if (!axi_write_o.awvalid) state_q <= next_burst ? StWrite : StIdle;
      endcase
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) axi_write_o.awvalid <= 1'b0;
    else if (start || next_burst) axi_write_o.awvalid <= 1'b1;
    else if (axi_write_i.awready) axi_write_o.awvalid <= 1'b0;
    if (start) begin
      axi_write_o.awaddr <= {
        result_base_i[26:RecordBits-5] + (32 - RecordBits)'(slot), RecordBits'(0)
      };
    end else if (next_burst && RecordBytes > BurstBytes) begin
      axi_write_o.awaddr <= axi_write_o.awaddr + BurstBytes;
    end
    // A best class that is not the only one is none.
    if (word_taken && word_q == WordBits'(3)) seen_q <= word != '0;
  end

  assign axi_write_o.awlen = 4'((1 << BurstBits) - 1);

  // Of the base's bits, those below a record's size.
  logic unused;
  assign unused = ^result_base_i;

  // ------------------------------------------------------------------ words to beats

  assign header_word = word_q[WordBits-1:1] == '0;
  assign word_taken    = state_q == StWrite && !axi_write_o.wvalid &&
      (header_word || ended_q || s_axis_tvalid);
  assign beat_complete = word_taken && word_q[1:0] == 2'd3;
  assign s_axis_tready = word_taken && !header_word && !ended_q;

  always_comb begin
    if (header_word) word = word_q[0] ? sequence_number[31:16] : sequence_number[15:0];
    else if (ended_q) word = '0;
    else if (word_q == WordBits'(2)) word = {7'b0, read_error_i, s_axis_tdata[7:0]};
    else word = s_axis_tdata;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || start) begin
      word_q  <= '0;
      ended_q <= 1'b0;
    end else if (word_taken) begin
      word_q <= word_q + 1'b1;
      if (s_axis_tready && s_axis_tlast) ended_q <= 1'b1;
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) axi_write_o.wvalid <= 1'b0;
    else if (beat_complete) axi_write_o.wvalid <= 1'b1;
    else if (axi_write_i.wready) axi_write_o.wvalid <= 1'b0;
    if (word_taken) begin
      axi_write_o.wdata <= {word, axi_write_o.wdata[63:16]};
      axi_write_o.wlast <= &word_q[BurstBits+1:2];
    end
  end
endmodule
