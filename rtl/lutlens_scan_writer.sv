// Writes the result of a frame into its slot of the ring: the map as its cells come, then the windows,
// and the header last.
//
// Bursts of at most 16 beats end at 128-byte boundaries, so none crosses 4 KiB; one is begun when all
// of it is there, so it never waits on the bus, and up to eight may be without their response. A result
// counts (RESULT_HEAD) when the memory has acknowledged all of it. One whose write fails does not
// count, and the next one takes its slot. With the ring full a result waits before its first write.
//
// While `hold_i` is high no burst begins. What has been written of a frame that is then given up stays
// in its slot, uncounted.

module lutlens_scan_writer
  import lutlens_pkg::*;
#(
  // That a result has room for.
  parameter int unsigned Windows = 256
) (
  input  logic                  aclk,
  input  logic                  aresetn,
  // Registers
  input  logic           [26:0] result_base_i,    // in units of 32 bytes
  input  logic           [26:0] result_stride_i,  // in units of 32 bytes
  input  logic           [15:0] result_slots_i,
  input  logic           [15:0] result_tail_i,
  output logic           [31:0] result_head_o,
  // Frame control
  input  logic                  ring_clear_i,
  input  logic                  flush_i,
  input  logic                  hold_i,
  output writer_state_t         writer_o,
  // One clock for every burst answered with an error
  output logic                  write_error_o,
  // The frame that the result belongs to
  input  logic           [31:0] sequence_i,
  input  logic           [ 2:0] scale_i,
  input  logic                  read_error_i,
  // Its result; see lutlens_scan_result.
  output logic                  done_o,
  input  logic           [ 9:0] map_count_i,
  input  logic                  map_valid_i,
  input  logic           [63:0] map_data_i,
  output logic                  map_read_o,
  input  logic                  chosen_i,
  input  logic           [10:0] window_count_i,
  input  logic                  window_valid_i,
  input  logic           [63:0] window_data_i,
  output logic                  window_read_o,
  input  logic                  complete_i,
  input  logic           [15:0] columns_i,
  input  logic           [15:0] rows_i,
  input  logic           [15:0] listed_i,
  input  logic           [15:0] found_i,
  output axi_write_req_t        axi_write_o,
  input  axi_write_rsp_t        axi_write_i
);
  localparam int unsigned HeaderBeats = 4;

  typedef enum logic [2:0] {
    StIdle,
    StAddress,  // multiply slot and stride, a bit a clock
    StBegin,    // now the slot is known
    StNext,     // wait for a burst's beats
    StBurst,
    StResponse
  } state_e;

  typedef enum logic [1:0] {
    Map,
    Windowed,
    Header
  } section_e;

  state_e          state_q;
  section_e        section_q;
  logic            full;
  logic            failed_q;
  logic            begin_result;
  logic            begin_burst;
  logic            end_section;
  logic            burst_done;

  // ------------------------------------------------------------------ ring

  logic     [ 3:0] step_bit;
  logic     [26:0] offset;
  logic     [28:0] slot;  // in units of 8 bytes

  assign full = result_head_o[15:0] - result_tail_i == result_slots_i;
  assign slot = {result_base_i + offset, 2'b0};

  lutlens_ring_slot #(
    .Width(27)
  ) u_ring_slot (
    .aclk,
    .clear_i (state_q == StIdle),
    .step_i  (state_q == StAddress),
    .number_i(result_head_o[15:0]),
    .slots_i (result_slots_i),
    .stride_i(result_stride_i),
    .bit_o   (step_bit),
    .offset_o(offset)
  );

  always_ff @(posedge aclk) begin
    if (!aresetn || ring_clear_i) result_head_o <= '0;
    else if (done_o && !failed_q) result_head_o <= result_head_o + 1'b1;
  end

  // ------------------------------------------------------------------ what is written next

  logic [28:0] address_q;  // in units of 8 bytes
  logic [10:0] count;  // beats of the section that are there
  logic        whole;  // no more will come
  logic [ 4:0] boundary;  // beats up to the next boundary
  logic [ 4:0] length;  // of the next burst
  logic [ 3:0] outstanding_q;  // bursts without their response
  logic [ 2:0] header_left_q;

  always_comb begin
    unique case (section_q)
      Map:      {whole, count} = {complete_i, 11'(map_count_i)};
      Windowed: {whole, count} = {chosen_i, window_count_i};
      default:  {whole, count} = {1'b1, 11'(header_left_q)};
    endcase
  end

  assign boundary = 5'd16 - {1'b0, address_q[3:0]};
  assign length = (count < 11'(boundary)) ? count[4:0] : boundary;
  assign begin_result = state_q == StIdle && map_count_i != '0 && !full && !hold_i;
  assign begin_burst  = state_q == StNext && !hold_i && !outstanding_q[3] && count != '0 &&
      (whole || (section_q == Map && count >= 11'(boundary)));
  assign end_section = state_q == StNext && whole && count == '0;

  always_ff @(posedge aclk) begin
    if (!aresetn || flush_i) begin
      state_q   <= StIdle;
      section_q <= Map;
    end else begin
      unique case (state_q)
        StIdle:    if (begin_result) state_q <= StAddress;
        StAddress: if (step_bit == '0) state_q <= StBegin;
        StBegin:   state_q <= StNext;
        StNext: begin
          if (begin_burst) state_q <= StBurst;
          else if (end_section && section_q == Header) state_q <= StResponse;
        end
        StBurst:   if (burst_done) state_q <= StNext;
        default:   if (done_o) state_q <= StIdle;
      endcase
      if (done_o) section_q <= Map;
      else if (end_section) section_q <= (section_q == Map) ? Windowed : Header;
    end
  end

  always_ff @(posedge aclk) begin
    if (state_q == StBegin) address_q <= slot + 29'(HeaderBeats + Windows);
    else if (end_section) address_q <= (section_q == Map) ? slot + 29'(HeaderBeats) : slot;
    else if (begin_burst) address_q <= address_q + 29'(length);
  end

  // ------------------------------------------------------------------ bursts

  logic [ 4:0] left_q;  // beats of the burst that have not been taken
  logic        beat_valid;
  logic [63:0] beat;
  logic        beat_taken;

  assign beat_taken = left_q != '0 && beat_valid && (!axi_write_o.wvalid || axi_write_i.wready);
  assign burst_done = left_q == '0 && !axi_write_o.wvalid && !axi_write_o.awvalid;

  always_comb begin
    unique case (section_q)
      Map:      {beat_valid, beat} = {map_valid_i, map_data_i};
      Windowed: {beat_valid, beat} = {window_valid_i, window_data_i};
      default: begin
        beat_valid = 1'b1;
        unique case (header_left_q)
          3'd4:    beat = {listed_i, 7'b0, read_error_i, 5'b0, scale_i, sequence_i};
          3'd3:    beat = {16'b0, found_i, rows_i, columns_i};
          default: beat = '0;
        endcase
      end
    endcase
  end

  assign map_read_o    = beat_taken && section_q == Map;
  assign window_read_o = beat_taken && section_q == Windowed;

  always_ff @(posedge aclk) begin
    if (state_q == StIdle) header_left_q <= 3'(HeaderBeats);
    else if (beat_taken && section_q == Header) header_left_q <= header_left_q - 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      left_q              <= '0;
      axi_write_o.awvalid <= 1'b0;
      axi_write_o.wvalid  <= 1'b0;
    end else begin
      if (begin_burst) left_q <= length;
      else if (beat_taken) left_q <= left_q - 1'b1;
      if (begin_burst) axi_write_o.awvalid <= 1'b1;
      else if (axi_write_i.awready) axi_write_o.awvalid <= 1'b0;
      if (beat_taken) axi_write_o.wvalid <= 1'b1;
      else if (axi_write_i.wready) axi_write_o.wvalid <= 1'b0;
    end
    if (begin_burst) begin
      axi_write_o.awaddr <= {address_q, 3'b0};
      axi_write_o.awlen  <= 4'(length - 5'd1);
    end
    if (beat_taken) begin
      axi_write_o.wdata <= beat;
      axi_write_o.wlast <= left_q == 5'd1;
    end
  end

  // ------------------------------------------------------------------ responses

  assign axi_write_o.bready = 1'b1;

  always_ff @(posedge aclk) begin
    if (!aresetn) outstanding_q <= '0;
    else outstanding_q <= outstanding_q + 4'(begin_burst) - 4'(axi_write_i.bvalid);
    if (state_q == StIdle) failed_q <= 1'b0;
    else if (write_error_o) failed_q <= 1'b1;
  end

  assign done_o = state_q == StResponse && outstanding_q == '0;
  assign writer_o = '{
          active: state_q inside {StBurst, StResponse} || outstanding_q != '0,
          waiting: state_q == StIdle && map_count_i != '0 && full,
          closing: section_q == Header,
          record_written: done_o && !failed_q,
          record_failed: done_o && failed_q,
          seen: found_i != '0,
          ahead: '0
      };
  assign write_error_o = axi_write_i.bvalid && axi_write_i.berror;
endmodule
