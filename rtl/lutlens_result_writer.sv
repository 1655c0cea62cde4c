// Writes one record per result to the ring of records.
//
// A record, little endian, is 16-bit words: sequence number (2 words), class and flags (a byte each),
// margin, scores, zeros up to RecordBytes. One record is at work at a time; it counts (RESULT_HEAD)
// when the memory has acknowledged it. One whose write fails does not count, and the next record takes
// its slot. With the ring full the result waits, so nothing is overwritten.
//
// A record is aligned to its size, a power of two, so no burst crosses 4 KiB; larger ones go in bursts
// of 16 beats. Bus time of a record: 5 clocks a beat.

module lutlens_result_writer
  import lutlens_pkg::*;
#(
  parameter int unsigned RecordBytes = 32
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
  // The frame that the result belongs to
  input  logic           [31:0] sequence_i,
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

  if (RecordBytes < 32 || RecordBytes > 1024 || RecordBytes != 1 << RecordBits) begin : gen_check
    $error("RecordBytes must be a power of two, 32 to 1024");
  end

  typedef enum logic [1:0] {
    StIdle,
    StWrite,
    StResponse
  } state_e;

  state_e                state_q;
  logic   [WordBits-1:0] word_q;  // of the record
  logic                  ended_q;  // the result's words have all been taken: pad
  logic                  failed_q;
  logic                  seen_q;
  logic                  failed;
  logic                  active;
  logic                  full;
  logic                  start;
  logic                  word_taken;
  logic                  beat_complete;
  logic                  header_word;
  logic                  done;
  logic   [        15:0] word;
  logic   [        15:0] slot;

  // ------------------------------------------------------------------ ring

  assign full = result_head_o[15:0] - result_tail_i == result_slots_i;
  assign slot = result_head_o[15:0] & (result_slots_i - 1'b1);
  assign start = state_q == StIdle && s_axis_tvalid && !full && !hold_i;
  assign active = state_q != StIdle;
  assign done = state_q == StResponse && axi_write_i.bvalid && word_q == '0;
  assign failed = failed_q || axi_write_i.berror;
  assign write_error_o = state_q == StResponse && axi_write_i.bvalid && axi_write_i.berror;

  // As soon as a record has begun it is no longer late.
  assign writer_o = '{
          active: active,
          waiting: state_q == StIdle && s_axis_tvalid && full,
          closing: active,
          record_written: done && !failed,
          record_failed: done && failed,
          seen: seen_q
      };

  always_ff @(posedge aclk) begin
    if (!aresetn || ring_clear_i) result_head_o <= '0;
    else if (done && !failed) result_head_o <= result_head_o + 1'b1;
  end

  // ------------------------------------------------------------------ bursts

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle: if (start) state_q <= StWrite;
        StWrite:
        if (axi_write_o.wvalid && axi_write_i.wready && axi_write_o.wlast) state_q <= StResponse;
        default: if (axi_write_i.bvalid) state_q <= done ? StIdle : StWrite;
      endcase
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) axi_write_o.awvalid <= 1'b0;
    else if (start || (state_q == StResponse && axi_write_i.bvalid && !done))
      axi_write_o.awvalid <= 1'b1;
    else if (axi_write_i.awready) axi_write_o.awvalid <= 1'b0;
    if (start) begin
      axi_write_o.awaddr <= {
        result_base_i[26:RecordBits-5] + (32 - RecordBits)'(slot), RecordBits'(0)
      };
    end else if (state_q == StResponse && axi_write_i.bvalid && RecordBytes > BurstBytes) begin
      axi_write_o.awaddr <= axi_write_o.awaddr + BurstBytes;
    end
    if (state_q == StIdle) failed_q <= 1'b0;
    else if (write_error_o) failed_q <= 1'b1;
    // A best class that is not the only one is none.
    if (word_taken && word_q == WordBits'(3)) seen_q <= word != '0;
  end

  assign axi_write_o.awlen = 4'((1 << BurstBits) - 1);
  assign axi_write_o.bready = state_q == StResponse;

  // ------------------------------------------------------------------ words to beats

  assign header_word = word_q[WordBits-1:1] == '0;
  assign word_taken    = state_q == StWrite && !axi_write_o.wvalid &&
      (header_word || ended_q || s_axis_tvalid);
  assign beat_complete = word_taken && word_q[1:0] == 2'd3;
  assign s_axis_tready = word_taken && !header_word && !ended_q;

  always_comb begin
    if (header_word) word = word_q[0] ? sequence_i[31:16] : sequence_i[15:0];
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
