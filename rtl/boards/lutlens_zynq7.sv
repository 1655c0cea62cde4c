// Top of the programmable logic of every Zynq-7000 board: the PS7 block itself, no block design.
//
// M_AXI_GP0 reaches the registers through a bridge, the core's master is S_AXI_HP0, FCLK0 the only
// clock, and the interrupt the first of those from the logic (61 at the interrupt controller). What
// differs from board to board, LED pins and clock period, is constraints.

module lutlens_zynq7 #(
  parameter int unsigned LedPeriodBits = 22
) (
  output logic [3:0] led_o  // heartbeat, frame, seen, error
);
  // ------------------------------------------------------------------ clock and reset

  logic [3:0] fclk;
  logic [3:0] fclk_resetn;
  logic       aclk;

  BUFG u_bufg (
    .I(fclk[0]),
    .O(aclk)
  );

  // Asserted at once, released with the clock. Starts in reset after configuration, whatever the
  // processing system does with its reset.
  // verilator lint_off PROCASSINIT
  (* async_reg = "true" *)
  logic [3:0] resetn_q = '0;
  // verilator lint_on PROCASSINIT
  logic       aresetn;

  assign aresetn = resetn_q[3];

  always_ff @(posedge aclk or negedge fclk_resetn[0]) begin
    if (!fclk_resetn[0]) resetn_q <= '0;
    else resetn_q <= {resetn_q[2:0], 1'b1};
  end

  // ------------------------------------------------------------------ registers

  logic [11:0] gp_awid;
  logic [31:0] gp_awaddr;
  logic [3:0] gp_awlen;
  logic [1:0] gp_awsize;
  logic [1:0] gp_awburst;
  logic gp_awvalid;
  logic gp_awready;
  logic [31:0] gp_wdata;
  logic [3:0] gp_wstrb;
  logic gp_wvalid;
  logic gp_wready;
  logic [11:0] gp_bid;
  logic [1:0] gp_bresp;
  logic gp_bvalid;
  logic gp_bready;
  logic [11:0] gp_arid;
  logic [31:0] gp_araddr;
  logic [3:0] gp_arlen;
  logic [1:0] gp_arsize;
  logic [1:0] gp_arburst;
  logic gp_arvalid;
  logic gp_arready;
  logic [11:0] gp_rid;
  logic [31:0] gp_rdata;
  logic [1:0] gp_rresp;
  logic gp_rlast;
  logic gp_rvalid;
  logic gp_rready;
  logic [15:0] axil_awaddr;
  logic axil_awvalid;
  logic axil_awready;
  logic [31:0] axil_wdata;
  logic axil_wvalid;
  logic axil_wready;
  logic [1:0] axil_bresp;
  logic axil_bvalid;
  logic axil_bready;
  logic [15:0] axil_araddr;
  logic axil_arvalid;
  logic axil_arready;
  logic [31:0] axil_rdata;
  logic [1:0] axil_rresp;
  logic axil_rvalid;
  logic axil_rready;

  lutlens_gp_bridge u_gp_bridge (
    .aclk,
    .aresetn,
    .s_axi_awid(gp_awid),
    .s_axi_awaddr(gp_awaddr),
    .s_axi_awlen(gp_awlen),
    .s_axi_awsize(gp_awsize),
    .s_axi_awburst(gp_awburst),
    .s_axi_awvalid(gp_awvalid),
    .s_axi_awready(gp_awready),
    .s_axi_wdata(gp_wdata),
    .s_axi_wstrb(gp_wstrb),
    .s_axi_wvalid(gp_wvalid),
    .s_axi_wready(gp_wready),
    .s_axi_bid(gp_bid),
    .s_axi_bresp(gp_bresp),
    .s_axi_bvalid(gp_bvalid),
    .s_axi_bready(gp_bready),
    .s_axi_arid(gp_arid),
    .s_axi_araddr(gp_araddr),
    .s_axi_arlen(gp_arlen),
    .s_axi_arsize(gp_arsize),
    .s_axi_arburst(gp_arburst),
    .s_axi_arvalid(gp_arvalid),
    .s_axi_arready(gp_arready),
    .s_axi_rid(gp_rid),
    .s_axi_rdata(gp_rdata),
    .s_axi_rresp(gp_rresp),
    .s_axi_rlast(gp_rlast),
    .s_axi_rvalid(gp_rvalid),
    .s_axi_rready(gp_rready),
    .m_axil_awaddr(axil_awaddr),
    .m_axil_awvalid(axil_awvalid),
    .m_axil_awready(axil_awready),
    .m_axil_wdata(axil_wdata),
    .m_axil_wvalid(axil_wvalid),
    .m_axil_wready(axil_wready),
    .m_axil_bresp(axil_bresp),
    .m_axil_bvalid(axil_bvalid),
    .m_axil_bready(axil_bready),
    .m_axil_araddr(axil_araddr),
    .m_axil_arvalid(axil_arvalid),
    .m_axil_arready(axil_arready),
    .m_axil_rdata(axil_rdata),
    .m_axil_rresp(axil_rresp),
    .m_axil_rvalid(axil_rvalid),
    .m_axil_rready(axil_rready)
  );

  // ------------------------------------------------------------------ core

  logic irq;
  logic frame;
  logic seen;
  logic error;
  logic [5:0] hp_awid;
  logic [31:0] hp_awaddr;
  logic [7:0] hp_awlen;
  logic [2:0] hp_awsize;
  logic [1:0] hp_awburst;
  logic hp_awlock;
  logic [3:0] hp_awcache;
  logic [2:0] hp_awprot;
  logic [3:0] hp_awqos;
  logic hp_awvalid;
  logic hp_awready;
  logic [5:0] hp_wid;
  logic [63:0] hp_wdata;
  logic [7:0] hp_wstrb;
  logic hp_wlast;
  logic hp_wvalid;
  logic hp_wready;
  logic [5:0] hp_bid;
  logic [1:0] hp_bresp;
  logic hp_bvalid;
  logic hp_bready;
  logic [5:0] hp_arid;
  logic [31:0] hp_araddr;
  logic [7:0] hp_arlen;
  logic [2:0] hp_arsize;
  logic [1:0] hp_arburst;
  logic hp_arlock;
  logic [3:0] hp_arcache;
  logic [2:0] hp_arprot;
  logic [3:0] hp_arqos;
  logic hp_arvalid;
  logic hp_arready;
  logic [5:0] hp_rid;
  logic [63:0] hp_rdata;
  logic [1:0] hp_rresp;
  logic hp_rlast;
  logic hp_rvalid;
  logic hp_rready;

  lutlens_pl u_pl (
    .aclk,
    .aresetn,
    .irq,
    .frame_o(frame),
    .seen_o(seen),
    .error_o(error),
    .s_axil_awaddr(axil_awaddr),
    .s_axil_awprot('0),
    .s_axil_awvalid(axil_awvalid),
    .s_axil_awready(axil_awready),
    .s_axil_wdata(axil_wdata),
    .s_axil_wstrb('1),
    .s_axil_wvalid(axil_wvalid),
    .s_axil_wready(axil_wready),
    .s_axil_bresp(axil_bresp),
    .s_axil_bvalid(axil_bvalid),
    .s_axil_bready(axil_bready),
    .s_axil_araddr(axil_araddr),
    .s_axil_arprot('0),
    .s_axil_arvalid(axil_arvalid),
    .s_axil_arready(axil_arready),
    .s_axil_rdata(axil_rdata),
    .s_axil_rresp(axil_rresp),
    .s_axil_rvalid(axil_rvalid),
    .s_axil_rready(axil_rready),
    .m_axi_awid(hp_awid),
    .m_axi_awaddr(hp_awaddr),
    .m_axi_awlen(hp_awlen),
    .m_axi_awsize(hp_awsize),
    .m_axi_awburst(hp_awburst),
    .m_axi_awlock(hp_awlock),
    .m_axi_awcache(hp_awcache),
    .m_axi_awprot(hp_awprot),
    .m_axi_awqos(hp_awqos),
    .m_axi_awvalid(hp_awvalid),
    .m_axi_awready(hp_awready),
    .m_axi_wid(hp_wid),
    .m_axi_wdata(hp_wdata),
    .m_axi_wstrb(hp_wstrb),
    .m_axi_wlast(hp_wlast),
    .m_axi_wvalid(hp_wvalid),
    .m_axi_wready(hp_wready),
    .m_axi_bid(hp_bid),
    .m_axi_bresp(hp_bresp),
    .m_axi_bvalid(hp_bvalid),
    .m_axi_bready(hp_bready),
    .m_axi_arid(hp_arid),
    .m_axi_araddr(hp_araddr),
    .m_axi_arlen(hp_arlen),
    .m_axi_arsize(hp_arsize),
    .m_axi_arburst(hp_arburst),
    .m_axi_arlock(hp_arlock),
    .m_axi_arcache(hp_arcache),
    .m_axi_arprot(hp_arprot),
    .m_axi_arqos(hp_arqos),
    .m_axi_arvalid(hp_arvalid),
    .m_axi_arready(hp_arready),
    .m_axi_rid(hp_rid),
    .m_axi_rdata(hp_rdata),
    .m_axi_rresp(hp_rresp),
    .m_axi_rlast(hp_rlast),
    .m_axi_rvalid(hp_rvalid),
    .m_axi_rready(hp_rready)
  );

  // ------------------------------------------------------------------ LEDs

  lutlens_leds #(
    .PeriodBits(LedPeriodBits)
  ) u_leds (
    .aclk,
    .aresetn,
    .frame_i(frame),
    .seen_i (seen),
    .error_i(error),
    .led_o
  );

  // ------------------------------------------------------------------ processing system

  // Outputs that nobody reads, and the pins of memory and processor, which are not the logic's, are
  // left open. Every input is driven: one that place and route leaves open reads as 1 on the 7 series.
  // verilog_format: off
  // verilator lint_off PINMISSING
  PS7 u_ps7 (
    // verilator lint_on PINMISSING
    .FCLKCLK(fclk),
    .FCLKRESETN(fclk_resetn),
    .IRQF2P({19'b0, irq}),
    .MAXIGP0ACLK(aclk),
    .MAXIGP0AWID(gp_awid), .MAXIGP0AWADDR(gp_awaddr), .MAXIGP0AWLEN(gp_awlen),
    .MAXIGP0AWSIZE(gp_awsize), .MAXIGP0AWBURST(gp_awburst), .MAXIGP0AWVALID(gp_awvalid),
    .MAXIGP0AWREADY(gp_awready), .MAXIGP0WDATA(gp_wdata), .MAXIGP0WSTRB(gp_wstrb),
    .MAXIGP0WVALID(gp_wvalid), .MAXIGP0WREADY(gp_wready), .MAXIGP0BID(gp_bid),
    .MAXIGP0BRESP(gp_bresp), .MAXIGP0BVALID(gp_bvalid), .MAXIGP0BREADY(gp_bready),
    .MAXIGP0ARID(gp_arid), .MAXIGP0ARADDR(gp_araddr), .MAXIGP0ARLEN(gp_arlen),
    .MAXIGP0ARSIZE(gp_arsize), .MAXIGP0ARBURST(gp_arburst), .MAXIGP0ARVALID(gp_arvalid),
    .MAXIGP0ARREADY(gp_arready), .MAXIGP0RID(gp_rid), .MAXIGP0RDATA(gp_rdata),
    .MAXIGP0RRESP(gp_rresp), .MAXIGP0RLAST(gp_rlast), .MAXIGP0RVALID(gp_rvalid),
    .MAXIGP0RREADY(gp_rready),
    // The port has AXI3's fields: 4 bits of length, 2 of size, 2 of lock. All beats are 64 bits wide.
    .SAXIHP0ACLK(aclk),
    .SAXIHP0AWID(hp_awid), .SAXIHP0AWADDR(hp_awaddr), .SAXIHP0AWLEN(hp_awlen[3:0]),
    .SAXIHP0AWSIZE(hp_awsize[1:0]), .SAXIHP0AWBURST(hp_awburst), .SAXIHP0AWLOCK({1'b0, hp_awlock}),
    .SAXIHP0AWCACHE(hp_awcache), .SAXIHP0AWPROT(hp_awprot), .SAXIHP0AWQOS(hp_awqos),
    .SAXIHP0AWVALID(hp_awvalid), .SAXIHP0AWREADY(hp_awready), .SAXIHP0WID(hp_wid),
    .SAXIHP0WDATA(hp_wdata), .SAXIHP0WSTRB(hp_wstrb), .SAXIHP0WLAST(hp_wlast),
    .SAXIHP0WVALID(hp_wvalid), .SAXIHP0WREADY(hp_wready), .SAXIHP0BID(hp_bid),
    .SAXIHP0BRESP(hp_bresp), .SAXIHP0BVALID(hp_bvalid), .SAXIHP0BREADY(hp_bready),
    .SAXIHP0ARID(hp_arid), .SAXIHP0ARADDR(hp_araddr), .SAXIHP0ARLEN(hp_arlen[3:0]),
    .SAXIHP0ARSIZE(hp_arsize[1:0]), .SAXIHP0ARBURST(hp_arburst), .SAXIHP0ARLOCK({1'b0, hp_arlock}),
    .SAXIHP0ARCACHE(hp_arcache), .SAXIHP0ARPROT(hp_arprot), .SAXIHP0ARQOS(hp_arqos),
    .SAXIHP0ARVALID(hp_arvalid), .SAXIHP0ARREADY(hp_arready), .SAXIHP0RID(hp_rid),
    .SAXIHP0RDATA(hp_rdata), .SAXIHP0RRESP(hp_rresp), .SAXIHP0RLAST(hp_rlast),
    .SAXIHP0RVALID(hp_rvalid), .SAXIHP0RREADY(hp_rready),
    // Not used.
    .DMA0ACLK('0), .DMA0DAREADY('0), .DMA0DRLAST('0), .DMA0DRVALID('0), .DMA1ACLK('0),
    .DMA1DAREADY('0), .DMA1DRLAST('0), .DMA1DRVALID('0), .DMA2ACLK('0), .DMA2DAREADY('0),
    .DMA2DRLAST('0), .DMA2DRVALID('0), .DMA3ACLK('0), .DMA3DAREADY('0), .DMA3DRLAST('0),
    .DMA3DRVALID('0), .EMIOCAN0PHYRX('0), .EMIOCAN1PHYRX('0), .EMIOENET0EXTINTIN('0),
    .EMIOENET0GMIICOL('0), .EMIOENET0GMIICRS('0), .EMIOENET0GMIIRXCLK('0), .EMIOENET0GMIIRXDV('0),
    .EMIOENET0GMIIRXER('0), .EMIOENET0GMIITXCLK('0), .EMIOENET0MDIOI('0), .EMIOENET1EXTINTIN('0),
    .EMIOENET1GMIICOL('0), .EMIOENET1GMIICRS('0), .EMIOENET1GMIIRXCLK('0), .EMIOENET1GMIIRXDV('0),
    .EMIOENET1GMIIRXER('0), .EMIOENET1GMIITXCLK('0), .EMIOENET1MDIOI('0), .EMIOI2C0SCLI('0),
    .EMIOI2C0SDAI('0), .EMIOI2C1SCLI('0), .EMIOI2C1SDAI('0), .EMIOPJTAGTCK('0), .EMIOPJTAGTDI('0),
    .EMIOPJTAGTMS('0), .EMIOSDIO0CDN('0), .EMIOSDIO0CLKFB('0), .EMIOSDIO0CMDI('0), .EMIOSDIO0WP('0),
    .EMIOSDIO1CDN('0), .EMIOSDIO1CLKFB('0), .EMIOSDIO1CMDI('0), .EMIOSDIO1WP('0), .EMIOSPI0MI('0),
    .EMIOSPI0SCLKI('0), .EMIOSPI0SI('0), .EMIOSPI0SSIN('0), .EMIOSPI1MI('0), .EMIOSPI1SCLKI('0),
    .EMIOSPI1SI('0), .EMIOSPI1SSIN('0), .EMIOSRAMINTIN('0), .EMIOTRACECLK('0), .EMIOUART0CTSN('0),
    .EMIOUART0DCDN('0), .EMIOUART0DSRN('0), .EMIOUART0RIN('0), .EMIOUART0RX('0), .EMIOUART1CTSN('0),
    .EMIOUART1DCDN('0), .EMIOUART1DSRN('0), .EMIOUART1RIN('0), .EMIOUART1RX('0),
    .EMIOUSB0VBUSPWRFAULT('0), .EMIOUSB1VBUSPWRFAULT('0), .EMIOWDTCLKI('0), .EVENTEVENTI('0),
    .FPGAIDLEN('0), .FTMDTRACEINCLOCK('0), .FTMDTRACEINVALID('0), .MAXIGP1ACLK('0),
    .MAXIGP1ARREADY('0), .MAXIGP1AWREADY('0), .MAXIGP1BVALID('0), .MAXIGP1RLAST('0),
    .MAXIGP1RVALID('0), .MAXIGP1WREADY('0), .SAXIACPACLK('0), .SAXIACPARVALID('0),
    .SAXIACPAWVALID('0), .SAXIACPBREADY('0), .SAXIACPRREADY('0), .SAXIACPWLAST('0),
    .SAXIACPWVALID('0), .SAXIGP0ACLK('0), .SAXIGP0ARVALID('0), .SAXIGP0AWVALID('0),
    .SAXIGP0BREADY('0), .SAXIGP0RREADY('0), .SAXIGP0WLAST('0), .SAXIGP0WVALID('0), .SAXIGP1ACLK('0),
    .SAXIGP1ARVALID('0), .SAXIGP1AWVALID('0), .SAXIGP1BREADY('0), .SAXIGP1RREADY('0),
    .SAXIGP1WLAST('0), .SAXIGP1WVALID('0), .SAXIHP0RDISSUECAP1EN('0), .SAXIHP0WRISSUECAP1EN('0),
    .SAXIHP1ACLK('0), .SAXIHP1ARVALID('0), .SAXIHP1AWVALID('0), .SAXIHP1BREADY('0),
    .SAXIHP1RDISSUECAP1EN('0), .SAXIHP1RREADY('0), .SAXIHP1WLAST('0), .SAXIHP1WRISSUECAP1EN('0),
    .SAXIHP1WVALID('0), .SAXIHP2ACLK('0), .SAXIHP2ARVALID('0), .SAXIHP2AWVALID('0),
    .SAXIHP2BREADY('0), .SAXIHP2RDISSUECAP1EN('0), .SAXIHP2RREADY('0), .SAXIHP2WLAST('0),
    .SAXIHP2WRISSUECAP1EN('0), .SAXIHP2WVALID('0), .SAXIHP3ACLK('0), .SAXIHP3ARVALID('0),
    .SAXIHP3AWVALID('0), .SAXIHP3BREADY('0), .SAXIHP3RDISSUECAP1EN('0), .SAXIHP3RREADY('0),
    .SAXIHP3WLAST('0), .SAXIHP3WRISSUECAP1EN('0), .SAXIHP3WVALID('0), .MAXIGP1BID('0),
    .MAXIGP1RID('0), .DMA0DRTYPE('0), .DMA1DRTYPE('0), .DMA2DRTYPE('0), .DMA3DRTYPE('0),
    .MAXIGP1BRESP('0), .MAXIGP1RRESP('0), .SAXIACPARBURST('0), .SAXIACPARLOCK('0),
    .SAXIACPARSIZE('0), .SAXIACPAWBURST('0), .SAXIACPAWLOCK('0), .SAXIACPAWSIZE('0),
    .SAXIGP0ARBURST('0), .SAXIGP0ARLOCK('0), .SAXIGP0ARSIZE('0), .SAXIGP0AWBURST('0),
    .SAXIGP0AWLOCK('0), .SAXIGP0AWSIZE('0), .SAXIGP1ARBURST('0), .SAXIGP1ARLOCK('0),
    .SAXIGP1ARSIZE('0), .SAXIGP1AWBURST('0), .SAXIGP1AWLOCK('0), .SAXIGP1AWSIZE('0),
    .SAXIHP1ARBURST('0), .SAXIHP1ARLOCK('0), .SAXIHP1ARSIZE('0), .SAXIHP1AWBURST('0),
    .SAXIHP1AWLOCK('0), .SAXIHP1AWSIZE('0), .SAXIHP2ARBURST('0), .SAXIHP2ARLOCK('0),
    .SAXIHP2ARSIZE('0), .SAXIHP2AWBURST('0), .SAXIHP2AWLOCK('0), .SAXIHP2AWSIZE('0),
    .SAXIHP3ARBURST('0), .SAXIHP3ARLOCK('0), .SAXIHP3ARSIZE('0), .SAXIHP3AWBURST('0),
    .SAXIHP3AWLOCK('0), .SAXIHP3AWSIZE('0), .EMIOTTC0CLKI('0), .EMIOTTC1CLKI('0), .SAXIACPARID('0),
    .SAXIACPARPROT('0), .SAXIACPAWID('0), .SAXIACPAWPROT('0), .SAXIACPWID('0), .SAXIGP0ARPROT('0),
    .SAXIGP0AWPROT('0), .SAXIGP1ARPROT('0), .SAXIGP1AWPROT('0), .SAXIHP1ARPROT('0),
    .SAXIHP1AWPROT('0), .SAXIHP2ARPROT('0), .SAXIHP2AWPROT('0), .SAXIHP3ARPROT('0),
    .SAXIHP3AWPROT('0), .FTMDTRACEINDATA('0), .FTMTF2PDEBUG('0), .MAXIGP1RDATA('0),
    .SAXIACPARADDR('0), .SAXIACPAWADDR('0), .SAXIGP0ARADDR('0), .SAXIGP0AWADDR('0),
    .SAXIGP0WDATA('0), .SAXIGP1ARADDR('0), .SAXIGP1AWADDR('0), .SAXIGP1WDATA('0),
    .SAXIHP1ARADDR('0), .SAXIHP1AWADDR('0), .SAXIHP2ARADDR('0), .SAXIHP2AWADDR('0),
    .SAXIHP3ARADDR('0), .SAXIHP3AWADDR('0), .DDRARB('0), .EMIOSDIO0DATAI('0), .EMIOSDIO1DATAI('0),
    .FCLKCLKTRIGN('0), .FTMDTRACEINATID('0), .FTMTF2PTRIG('0), .FTMTP2FTRIGACK('0),
    .SAXIACPARCACHE('0), .SAXIACPARLEN('0), .SAXIACPARQOS('0), .SAXIACPAWCACHE('0),
    .SAXIACPAWLEN('0), .SAXIACPAWQOS('0), .SAXIGP0ARCACHE('0), .SAXIGP0ARLEN('0), .SAXIGP0ARQOS('0),
    .SAXIGP0AWCACHE('0), .SAXIGP0AWLEN('0), .SAXIGP0AWQOS('0), .SAXIGP0WSTRB('0),
    .SAXIGP1ARCACHE('0), .SAXIGP1ARLEN('0), .SAXIGP1ARQOS('0), .SAXIGP1AWCACHE('0),
    .SAXIGP1AWLEN('0), .SAXIGP1AWQOS('0), .SAXIGP1WSTRB('0), .SAXIHP1ARCACHE('0), .SAXIHP1ARLEN('0),
    .SAXIHP1ARQOS('0), .SAXIHP1AWCACHE('0), .SAXIHP1AWLEN('0), .SAXIHP1AWQOS('0),
    .SAXIHP2ARCACHE('0), .SAXIHP2ARLEN('0), .SAXIHP2ARQOS('0), .SAXIHP2AWCACHE('0),
    .SAXIHP2AWLEN('0), .SAXIHP2AWQOS('0), .SAXIHP3ARCACHE('0), .SAXIHP3ARLEN('0), .SAXIHP3ARQOS('0),
    .SAXIHP3AWCACHE('0), .SAXIHP3AWLEN('0), .SAXIHP3AWQOS('0), .SAXIACPARUSER('0),
    .SAXIACPAWUSER('0), .SAXIGP0ARID('0), .SAXIGP0AWID('0), .SAXIGP0WID('0), .SAXIGP1ARID('0),
    .SAXIGP1AWID('0), .SAXIGP1WID('0), .SAXIHP1ARID('0), .SAXIHP1AWID('0), .SAXIHP1WID('0),
    .SAXIHP2ARID('0), .SAXIHP2AWID('0), .SAXIHP2WID('0), .SAXIHP3ARID('0), .SAXIHP3AWID('0),
    .SAXIHP3WID('0), .EMIOGPIOI('0), .SAXIACPWDATA('0), .SAXIHP1WDATA('0), .SAXIHP2WDATA('0),
    .SAXIHP3WDATA('0), .EMIOENET0GMIIRXD('0), .EMIOENET1GMIIRXD('0), .SAXIACPWSTRB('0),
    .SAXIHP1WSTRB('0), .SAXIHP2WSTRB('0), .SAXIHP3WSTRB('0)
  );
  // verilog_format: on

  logic unused_bits;

  assign unused_bits = ^{fclk[3:1], fclk_resetn[3:1], hp_awlen[7:4], hp_awsize[2], hp_arlen[7:4],
                         hp_arsize[2]};
endmodule
