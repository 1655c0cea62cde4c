// From the processing system's general purpose master (AXI3) to the registers' AXI4-Lite.
//
// One transaction at a time; reads and writes that come together take turns. The processor's bursts (a
// copy by NEON or LDM/STM) become as many single accesses: INCR and FIXED, each beat answered under
// the transaction's ID. Interleaved write data cannot come, as no second address is taken meanwhile.
//
// Never passed on, but answered beat for beat:
//   DECERR  addresses outside of the 64 KiB at BaseAddress
//   SLVERR  bursts that wrap, which only caches ask for; writes of a part of a word, as the registers
//           take whole words only. A beat without any strobe writes nothing, which is no error.

module lutlens_gp_bridge #(
  parameter logic [31:0] BaseAddress = 32'h4000_0000
) (
  input  logic        aclk,
  input  logic        aresetn,
  // AXI3, 12-bit IDs
  input  logic [11:0] s_axi_awid,
  input  logic [31:0] s_axi_awaddr,
  input  logic [ 3:0] s_axi_awlen,
  input  logic [ 1:0] s_axi_awsize,
  input  logic [ 1:0] s_axi_awburst,
  input  logic        s_axi_awvalid,
  output logic        s_axi_awready,
  input  logic [31:0] s_axi_wdata,
  input  logic [ 3:0] s_axi_wstrb,
  input  logic        s_axi_wvalid,
  output logic        s_axi_wready,
  output logic [11:0] s_axi_bid,
  output logic [ 1:0] s_axi_bresp,
  output logic        s_axi_bvalid,
  input  logic        s_axi_bready,
  input  logic [11:0] s_axi_arid,
  input  logic [31:0] s_axi_araddr,
  input  logic [ 3:0] s_axi_arlen,
  input  logic [ 1:0] s_axi_arsize,
  input  logic [ 1:0] s_axi_arburst,
  input  logic        s_axi_arvalid,
  output logic        s_axi_arready,
  output logic [11:0] s_axi_rid,
  output logic [31:0] s_axi_rdata,
  output logic [ 1:0] s_axi_rresp,
  output logic        s_axi_rlast,
  output logic        s_axi_rvalid,
  input  logic        s_axi_rready,
  // AXI4-Lite
  output logic [15:0] m_axil_awaddr,
  output logic        m_axil_awvalid,
  input  logic        m_axil_awready,
  output logic [31:0] m_axil_wdata,
  output logic        m_axil_wvalid,
  input  logic        m_axil_wready,
  input  logic [ 1:0] m_axil_bresp,
  input  logic        m_axil_bvalid,
  output logic        m_axil_bready,
  output logic [15:0] m_axil_araddr,
  output logic        m_axil_arvalid,
  input  logic        m_axil_arready,
  input  logic [31:0] m_axil_rdata,
  input  logic [ 1:0] m_axil_rresp,
  input  logic        m_axil_rvalid,
  output logic        m_axil_rready
);
  localparam logic [1:0] Okay = 2'b00;
  localparam logic [1:0] SlvErr = 2'b10;
  localparam logic [1:0] DecErr = 2'b11;
  localparam logic [1:0] Incr = 2'b01;
  localparam logic [1:0] Wrap = 2'b10;

  if (BaseAddress[15:0] != '0) begin : gen_check_base
    $error("BaseAddress must be a multiple of 64 KiB");
  end

  typedef enum logic [2:0] {
    StIdle,
    StRead,  // the next beat's address to the registers
    StReadWait,  // for the registers
    StReadBeat,  // to the processor
    StWriteBeat,  // from the processor
    StWrite,  // address and data to the registers
    StWriteWait,  // for the registers
    StWriteResponse  // to the processor
  } state_e;

  state_e        state_q;
  logic          was_write_q;  // the last transaction, for taking turns
  logic   [11:0] id_q;
  logic   [15:0] address_q;
  logic   [ 3:0] remaining_q;  // beats after this one
  logic   [ 1:0] size_q;
  logic          fixed_q;
  logic   [ 1:0] refusal_q;  // of the whole transaction
  logic   [ 1:0] response_q;  // to the beat that is read; to all beats written so far
  logic          take_read;
  logic          take_write;
  logic   [15:0] page;
  logic   [ 1:0] burst;
  logic   [ 1:0] refusal;
  logic          last;
  logic          skip_write;  // a beat that the registers must not see
  logic          beat_done;
  logic          address_sent;
  logic          data_sent;

  // ------------------------------------------------------------------ transactions

  assign take_write = state_q == StIdle && s_axi_awvalid && !(s_axi_arvalid && was_write_q);
  assign take_read = state_q == StIdle && s_axi_arvalid && !take_write;
  assign s_axi_awready = take_write;
  assign s_axi_arready = take_read;
  assign last = remaining_q == '0;
  assign beat_done = (state_q == StReadBeat && s_axi_rready) ||
      (state_q == StWriteWait && m_axil_bvalid) || skip_write;

  assign page = take_write ? s_axi_awaddr[31:16] : s_axi_araddr[31:16];
  assign burst = take_write ? s_axi_awburst : s_axi_arburst;

  always_comb begin
    if (page != BaseAddress[31:16]) refusal = DecErr;
    else if (burst == Wrap) refusal = SlvErr;
    else refusal = Okay;
  end

  always_ff @(posedge aclk) begin
    if (take_read || take_write) begin
      id_q <= take_write ? s_axi_awid : s_axi_arid;
      address_q <= take_write ? s_axi_awaddr[15:0] : s_axi_araddr[15:0];
      remaining_q <= take_write ? s_axi_awlen : s_axi_arlen;
      size_q <= take_write ? s_axi_awsize : s_axi_arsize;
      fixed_q <= burst != Incr;
      refusal_q <= refusal;
    end else if (beat_done) begin
      remaining_q <= remaining_q - 1'b1;
      // The beats after the first are aligned to their size.
      if (!fixed_q) address_q <= ((address_q >> size_q) + 1'b1) << size_q;
    end
  end

  // ------------------------------------------------------------------ beats

  assign skip_write = state_q == StWriteBeat && s_axi_wvalid &&
      (refusal_q != Okay || s_axi_wstrb != '1);

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q     <= StIdle;
      was_write_q <= 1'b0;
    end else begin
      if (take_read || take_write) was_write_q <= take_write;
      unique case (state_q)
        StIdle:
        if (take_write) state_q <= StWriteBeat;
        else if (take_read) state_q <= StRead;
        StRead:
        if (refusal_q != Okay) state_q <= StReadBeat;
        else if (m_axil_arready) state_q <= StReadWait;
        StReadWait: if (m_axil_rvalid) state_q <= StReadBeat;
        StReadBeat: if (s_axi_rready) state_q <= last ? StIdle : StRead;
        StWriteBeat:
        if (skip_write) state_q <= last ? StWriteResponse : StWriteBeat;
        else if (s_axi_wvalid) state_q <= StWrite;
        StWrite: if (address_sent && data_sent) state_q <= StWriteWait;
        StWriteWait: if (m_axil_bvalid) state_q <= last ? StWriteResponse : StWriteBeat;
        default: if (s_axi_bready) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge aclk) begin
    unique case (state_q)
      StIdle: response_q <= Okay;
      StRead: response_q <= refusal_q;
      StReadWait: response_q <= m_axil_rresp;
      StWriteBeat:
      if (refusal_q != Okay) response_q <= refusal_q;
      else if (skip_write && s_axi_wstrb != '0) response_q <= SlvErr;
      StWriteWait: if (m_axil_bvalid) response_q <= response_q | m_axil_bresp;
      default: ;
    endcase
  end

  assign s_axi_rid    = id_q;
  assign s_axi_rresp  = response_q;
  assign s_axi_rlast  = last;
  assign s_axi_rvalid = state_q == StReadBeat;
  assign s_axi_wready = state_q == StWriteBeat;
  assign s_axi_bid    = id_q;
  assign s_axi_bresp  = response_q;
  assign s_axi_bvalid = state_q == StWriteResponse;

  always_ff @(posedge aclk) begin
    if (state_q == StReadWait) s_axi_rdata <= m_axil_rdata;
    else if (state_q == StRead) s_axi_rdata <= '0;
  end

  // ------------------------------------------------------------------ registers' side

  assign m_axil_araddr  = {address_q[15:2], 2'b0};
  assign m_axil_arvalid = state_q == StRead && refusal_q == Okay;
  assign m_axil_rready  = state_q == StReadWait;
  assign m_axil_awaddr  = {address_q[15:2], 2'b0};
  assign m_axil_bready  = state_q == StWriteWait;
  assign address_sent   = !m_axil_awvalid || m_axil_awready;
  assign data_sent      = !m_axil_wvalid || m_axil_wready;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      m_axil_awvalid <= 1'b0;
      m_axil_wvalid  <= 1'b0;
    end else if (state_q == StWriteBeat && s_axi_wvalid && !skip_write) begin
      m_axil_awvalid <= 1'b1;
      m_axil_wvalid  <= 1'b1;
    end else begin
      if (m_axil_awready) m_axil_awvalid <= 1'b0;
      if (m_axil_wready) m_axil_wvalid <= 1'b0;
    end
    if (state_q == StWriteBeat) m_axil_wdata <= s_axi_wdata;
  end
endmodule
