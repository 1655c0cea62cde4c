// The counters that software reads; see the register map for what each one means.

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
  output logic [31:0] frames_in_o,
  output logic [31:0] frames_out_o,
  output logic [31:0] frames_dropped_o,
  output logic [31:0] cycles_o,
  output logic [31:0] frame_cycles_o,
  output logic [31:0] latency_last_o,
  output logic [31:0] latency_max_o,
  output logic [31:0] read_errors_o,
  output logic [31:0] write_errors_o,
  output logic [31:0] watchdog_timeouts_o
);
  logic [31:0] since_record_q;
  logic        measured_q;  // latency_last_o is new

  always_ff @(posedge aclk) begin
    if (!aresetn) cycles_o <= '0;
    else cycles_o <= cycles_o + 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      frames_in_o         <= {31'b0, aresetn && turn_next_i};
      frames_out_o        <= '0;
      frames_dropped_o    <= '0;
      read_errors_o       <= '0;
      write_errors_o      <= '0;
      watchdog_timeouts_o <= '0;
    end else begin
      frames_in_o         <= frames_in_o + 32'(frame_begun_i);
      frames_out_o        <= frames_out_o + 32'(record_written_i);
      frames_dropped_o    <= frames_dropped_o + 32'(frame_dropped_i);
      read_errors_o       <= read_errors_o + 32'(read_error_i);
      write_errors_o      <= write_errors_o + 32'(write_error_i);
      watchdog_timeouts_o <= watchdog_timeouts_o + 32'(timeout_i);
    end
  end

  always_ff @(posedge aclk) begin
    if (record_written_i) since_record_q <= 32'd1;
    else since_record_q <= since_record_q + 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      frame_cycles_o <= '0;
      latency_last_o <= '0;
      latency_max_o  <= '0;
      measured_q     <= 1'b0;
    end else begin
      if (record_written_i) begin
        frame_cycles_o <= since_record_q;
        latency_last_o <= cycles_o - start_cycles_i;
      end
      measured_q <= record_written_i;
      if (measured_q && latency_last_o > latency_max_o) latency_max_o <= latency_last_o;
    end
  end
endmodule
