// Reads frames from memory: one command, one frame, as a stream of 64-bit beats.
//
// Bursts end at 128-byte boundaries, so none exceeds 16 beats (AXI3) and none crosses 4 KiB. A burst
// is asked for only when the FIFO has room reserved for all of it; RREADY is therefore always high, and
// as many reads are outstanding as the FIFO holds. All reads carry the same ID, so data come in order.
//
// Flush: started bursts cannot be called back. While `flush_i` is high their data are thrown away and
// nothing new is asked for; `idle_o` tells that nothing is outstanding any more.

module lutlens_frame_reader #(
  // Of the number of a frame's beats.
  parameter int unsigned CountBits = 7,
  // Up to 64 beats are kept in distributed RAM, more in block RAM.
  parameter int unsigned FifoBeats = 64
) (
  input  logic                 aclk,
  input  logic                 aresetn,
  input  logic                 flush_i,
  output logic                 idle_o,
  // Read so many beats, at least one, from this address on, in units of 8 bytes.
  input  logic                 command_valid_i,
  output logic                 command_ready_o,
  input  logic [         28:0] command_address_i,
  input  logic [CountBits-1:0] command_beats_i,
  // The frame's beats; the error flag says that the memory answered this one with an error.
  output logic                 beat_valid_o,
  input  logic                 beat_ready_i,
  output logic [         63:0] beat_data_o,
  output logic                 beat_error_o,
  // One clock for every beat that came with an error, thrown away or not.
  output logic                 read_error_o,
  // AXI read channels
  output logic [         31:0] m_axi_araddr,
  output logic [          3:0] m_axi_arlen,
  output logic                 m_axi_arvalid,
  input  logic                 m_axi_arready,
  input  logic [         63:0] m_axi_rdata,
  input  logic                 m_axi_rerror,
  input  logic                 m_axi_rlast,
  input  logic                 m_axi_rvalid,
  output logic                 m_axi_rready
);
  localparam int unsigned BurstBeats = 16;
  localparam int unsigned RoomBits = $clog2(FifoBeats + 1);

  if (FifoBeats < 2 * BurstBeats) begin : gen_check_fifo
    $error("FifoBeats must be at least 32: one burst arrives while another is used");
  end
  if (CountBits < 5) begin : gen_check_count
    $error("CountBits must be at least 5: a burst has up to 16 beats");
  end

  // ------------------------------------------------------------------ addresses

  logic                 active_q;
  logic [         28:0] address_q;
  logic [CountBits-1:0] remaining_q;  // beats to be asked for
  logic [          4:0] boundary;  // beats up to the next boundary
  logic                 last_burst;
  logic [          4:0] length;  // of the next burst
  logic                 issue;
  logic [ RoomBits-1:0] reserved_q;  // beats in the FIFO or on their way to it
  logic                 beat_taken;

  assign boundary = 5'd16 - {1'b0, address_q[3:0]};
  assign last_burst = remaining_q <= CountBits'(boundary);
  assign length = last_burst ? remaining_q[4:0] : boundary;
  assign issue = active_q && !flush_i && (!m_axi_arvalid || m_axi_arready) &&
      reserved_q <= RoomBits'(FifoBeats - BurstBeats);
  assign command_ready_o = !active_q && !flush_i;
  assign beat_taken = beat_valid_o && beat_ready_i;

  always_ff @(posedge aclk) begin
    if (!aresetn || flush_i) begin
      active_q   <= 1'b0;
      reserved_q <= '0;
    end else begin
      if (command_valid_i && command_ready_o) active_q <= 1'b1;
      if (issue && last_burst) active_q <= 1'b0;
      reserved_q <= reserved_q + (issue ? RoomBits'(length) : '0) - RoomBits'(beat_taken);
    end
  end

  always_ff @(posedge aclk) begin
    if (command_ready_o) begin
      address_q   <= command_address_i;
      remaining_q <= command_beats_i;
    end else if (issue) begin
      address_q   <= {address_q[28:4] + 1'b1, 4'b0};
      remaining_q <= remaining_q - CountBits'(length);
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) m_axi_arvalid <= 1'b0;
    else if (issue) m_axi_arvalid <= 1'b1;
    else if (m_axi_arready) m_axi_arvalid <= 1'b0;
    if (issue) begin
      m_axi_araddr <= {address_q, 3'b0};
      m_axi_arlen  <= 4'(length - 5'd1);
    end
  end

  // ------------------------------------------------------------------ data

  logic [RoomBits-1:0] outstanding_q;  // bursts accepted whose last beat has not come
  logic                burst_asked;
  logic                burst_ended;

  assign m_axi_rready = 1'b1;
  assign burst_asked  = m_axi_arvalid && m_axi_arready;
  assign burst_ended  = m_axi_rvalid && m_axi_rlast;
  assign read_error_o = m_axi_rvalid && m_axi_rerror;
  assign idle_o       = !m_axi_arvalid && outstanding_q == '0;

  always_ff @(posedge aclk) begin
    if (!aresetn) outstanding_q <= '0;
    else outstanding_q <= outstanding_q + RoomBits'(burst_asked) - RoomBits'(burst_ended);
  end

  if (FifoBeats <= 64) begin : gen_distributed
    lutlens_fifo #(
      .Width(65),
      .Depth(FifoBeats)
    ) u_fifo (
      .aclk,
      .aresetn,
      .clear_i     (flush_i),
      .write_i     (m_axi_rvalid),
      .write_data_i({m_axi_rerror, m_axi_rdata}),
      .valid_o     (beat_valid_o),
      .data_o      ({beat_error_o, beat_data_o}),
      .read_i      (beat_ready_i)
    );
  end else begin : gen_block
    logic [RoomBits-1:0] unused_count;

    lutlens_block_fifo #(
      .Width(65),
      .Depth(FifoBeats)
    ) u_fifo (
      .aclk,
      .aresetn,
      .clear_i     (flush_i),
      .write_i     (m_axi_rvalid),
      .write_data_i({m_axi_rerror, m_axi_rdata}),
      .valid_o     (beat_valid_o),
      .data_o      ({beat_error_o, beat_data_o}),
      .read_i      (beat_ready_i),
      .count_o     (unused_count)
    );
  end
endmodule
