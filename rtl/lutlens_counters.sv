// The counters that software reads, as the register map's COUNTERS: it says what each one means, and
// in which order they stand.

module lutlens_counters (
  input  logic        aclk,
  input  logic        aresetn,
  // All but CYCLES start anew; FRAMES_IN with the frame whose turn it is.
  input  logic        clear_i,
  input  logic        turn_next_i,
  // Events, one clock each
  input  logic        frame_begun_i,
  input  logic        record_written_i,
  input  logic        frame_dropped_i,
  input  logic        read_error_i,
  input  logic        write_error_i,
  input  logic        timeout_i,
  // CYCLES when the first pixel of the frame at its turn went into the core
  input  logic [31:0] start_cycles_i,
  output logic [31:0] cycles_o,
  // Register access: the counter of this number
  input  logic [ 3:0] index_i,
  output logic [31:0] value_o
);
  logic [31:0] frames_in_q;
  logic [31:0] frames_out_q;
  logic [31:0] frames_dropped_q;
  logic [31:0] frame_cycles_q;
  logic [31:0] latency_last_q;
  logic [31:0] latency_max_q;
  logic [31:0] read_errors_q;
  logic [31:0] write_errors_q;
  logic [31:0] watchdog_timeouts_q;
  logic [31:0] since_record_q;
  logic        measured_q;  // latency_last_q is new

  always_ff @(posedge aclk) begin
    if (!aresetn) cycles_o <= '0;
    else cycles_o <= cycles_o + 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      frames_in_q         <= {31'b0, aresetn && turn_next_i};
      frames_out_q        <= '0;
      frames_dropped_q    <= '0;
      read_errors_q       <= '0;
      write_errors_q      <= '0;
      watchdog_timeouts_q <= '0;
    end else begin
      frames_in_q         <= frames_in_q + 32'(frame_begun_i);
      frames_out_q        <= frames_out_q + 32'(record_written_i);
      frames_dropped_q    <= frames_dropped_q + 32'(frame_dropped_i);
      read_errors_q       <= read_errors_q + 32'(read_error_i);
      write_errors_q      <= write_errors_q + 32'(write_error_i);
      watchdog_timeouts_q <= watchdog_timeouts_q + 32'(timeout_i);
    end
  end

  always_ff @(posedge aclk) begin
    if (record_written_i) since_record_q <= 32'd1;
    else since_record_q <= since_record_q + 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      frame_cycles_q <= '0;
      latency_last_q <= '0;
      latency_max_q  <= '0;
      measured_q     <= 1'b0;
    end else begin
      if (record_written_i) begin
        frame_cycles_q <= since_record_q;
        latency_last_q <= cycles_o - start_cycles_i;
      end
      measured_q <= record_written_i;
      if (measured_q && latency_last_q > latency_max_q) latency_max_q <= latency_last_q;
    end
  end

  always_comb begin
    unique case (index_i)
      4'd0: value_o = frames_in_q;
      4'd1: value_o = frames_out_q;
      4'd2: value_o = frames_dropped_q;
      4'd3: value_o = cycles_o;
      4'd4: value_o = frame_cycles_q;
      4'd5: value_o = latency_last_q;
      4'd6: value_o = latency_max_q;
      4'd7: value_o = read_errors_q;
      4'd8: value_o = write_errors_q;
      4'd9: value_o = watchdog_timeouts_q;
      default: value_o = '0;
    endcase
  end
endmodule
