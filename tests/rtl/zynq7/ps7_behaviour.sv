// The inside of the PS7 as tests see it; its head, with all 620 ports, is put before by the test.
//
// cocotb plays the processor at gp_* and the memory at hp_*, in AXI4's fields. What AXI3 has and
// AXI4 has not is made and checked here.

  logic        clock;
  logic        resetn;
  logic        clock_free;  // reset without a clock
  int          violations = 0;

  assign FCLKCLK    = {3'b0, clock};
  assign FCLKRESETN = {3'b0, resetn};

  // ------------------------------------------------------------------ processor

  logic [11:0] gp_awid, gp_bid, gp_arid, gp_rid;
  logic [31:0] gp_awaddr, gp_wdata, gp_araddr, gp_rdata;
  logic [7:0] gp_awlen, gp_arlen;
  logic [2:0] gp_awsize, gp_arsize;
  logic [3:0] gp_wstrb;
  logic [1:0] gp_awburst, gp_bresp, gp_arburst, gp_rresp;
  logic gp_awvalid, gp_awready, gp_wlast, gp_wvalid, gp_wready, gp_bvalid, gp_bready;
  logic gp_arvalid, gp_arready, gp_rlast, gp_rvalid, gp_rready;

  assign MAXIGP0AWID = gp_awid;
  assign MAXIGP0AWADDR = gp_awaddr;
  assign MAXIGP0AWLEN = gp_awlen[3:0];
  assign MAXIGP0AWSIZE = gp_awsize[1:0];
  assign MAXIGP0AWBURST = gp_awburst;
  assign MAXIGP0AWVALID = gp_awvalid;
  assign gp_awready = MAXIGP0AWREADY;
  assign MAXIGP0WDATA = gp_wdata;
  assign MAXIGP0WSTRB = gp_wstrb;
  assign MAXIGP0WLAST = gp_wlast;
  assign MAXIGP0WVALID = gp_wvalid;
  assign gp_wready = MAXIGP0WREADY;
  assign gp_bid = MAXIGP0BID;
  assign gp_bresp = MAXIGP0BRESP;
  assign gp_bvalid = MAXIGP0BVALID;
  assign MAXIGP0BREADY = gp_bready;
  assign MAXIGP0ARID = gp_arid;
  assign MAXIGP0ARADDR = gp_araddr;
  assign MAXIGP0ARLEN = gp_arlen[3:0];
  assign MAXIGP0ARSIZE = gp_arsize[1:0];
  assign MAXIGP0ARBURST = gp_arburst;
  assign MAXIGP0ARVALID = gp_arvalid;
  assign gp_arready = MAXIGP0ARREADY;
  assign gp_rid = MAXIGP0RID;
  assign gp_rdata = MAXIGP0RDATA;
  assign gp_rresp = MAXIGP0RRESP;
  assign gp_rlast = MAXIGP0RLAST;
  assign gp_rvalid = MAXIGP0RVALID;
  assign MAXIGP0RREADY = gp_rready;

  // ------------------------------------------------------------------ memory

  logic [5:0] hp_awid, hp_wid, hp_bid, hp_arid, hp_rid;
  logic [31:0] hp_awaddr, hp_araddr;
  logic [7:0] hp_awlen, hp_arlen, hp_wstrb;
  logic [2:0] hp_awsize, hp_arsize;
  logic [1:0] hp_awburst, hp_bresp, hp_arburst, hp_rresp;
  logic [63:0] hp_wdata, hp_rdata;
  logic hp_awvalid, hp_awready, hp_wlast, hp_wvalid, hp_wready, hp_bvalid, hp_bready;
  logic hp_arvalid, hp_arready, hp_rlast, hp_rvalid, hp_rready;

  assign hp_awid = SAXIHP0AWID;
  assign hp_awaddr = SAXIHP0AWADDR;
  assign hp_awlen = {4'b0, SAXIHP0AWLEN};
  assign hp_awsize = {1'b0, SAXIHP0AWSIZE};
  assign hp_awburst = SAXIHP0AWBURST;
  assign hp_awvalid = SAXIHP0AWVALID;
  assign SAXIHP0AWREADY = hp_awready;
  assign hp_wid = SAXIHP0WID;
  assign hp_wdata = SAXIHP0WDATA;
  assign hp_wstrb = SAXIHP0WSTRB;
  assign hp_wlast = SAXIHP0WLAST;
  assign hp_wvalid = SAXIHP0WVALID;
  assign SAXIHP0WREADY = hp_wready;
  assign SAXIHP0BID = hp_bid;
  assign SAXIHP0BRESP = hp_bresp;
  assign SAXIHP0BVALID = hp_bvalid;
  assign hp_bready = SAXIHP0BREADY;
  assign hp_arid = SAXIHP0ARID;
  assign hp_araddr = SAXIHP0ARADDR;
  assign hp_arlen = {4'b0, SAXIHP0ARLEN};
  assign hp_arsize = {1'b0, SAXIHP0ARSIZE};
  assign hp_arburst = SAXIHP0ARBURST;
  assign hp_arvalid = SAXIHP0ARVALID;
  assign SAXIHP0ARREADY = hp_arready;
  assign SAXIHP0RID = hp_rid;
  assign SAXIHP0RDATA = hp_rdata;
  assign SAXIHP0RRESP = hp_rresp;
  assign SAXIHP0RLAST = hp_rlast;
  assign SAXIHP0RVALID = hp_rvalid;
  assign hp_rready = SAXIHP0RREADY;

  // ------------------------------------------------------------------ what the ports do not allow

  int writes_asked = 0;
  int writes_begun = 0;

  function automatic void check(bit right, string rule);
    if (!right) begin
      violations++;
      $display("%m: %s", rule);
    end
  endfunction

  function automatic bit in_page(logic [31:0] address, logic [3:0] length);
    return 32'(address[11:0]) + 8 * (32'(length) + 1) <= 4096;
  endfunction

  always @(posedge clock) begin
    if (resetn) begin
      check(!$isunknown({SAXIHP0AWVALID, SAXIHP0WVALID, SAXIHP0ARVALID}), "HP0: valid is unknown");
      if (SAXIHP0AWVALID) begin
        check(SAXIHP0AWSIZE == 2'd3 && SAXIHP0AWBURST == 2'b01, "HP0: writes of 64 bits, INCR");
        check(in_page(SAXIHP0AWADDR, SAXIHP0AWLEN), "HP0: a write crosses 4 KiB");
        check(SAXIHP0AWLOCK == '0, "HP0: a locked write");
      end
      if (SAXIHP0ARVALID) begin
        check(SAXIHP0ARSIZE == 2'd3 && SAXIHP0ARBURST == 2'b01, "HP0: reads of 64 bits, INCR");
        check(in_page(SAXIHP0ARADDR, SAXIHP0ARLEN), "HP0: a read crosses 4 KiB");
        check(SAXIHP0ARLOCK == '0, "HP0: a locked read");
      end
      if (SAXIHP0WVALID) check(SAXIHP0WID == SAXIHP0AWID, "HP0: WID is not AWID");
      if (gp_awvalid) check(gp_awlen < 16, "GP0: the test asks for more than 16 beats");
      if (gp_arvalid) check(gp_arlen < 16, "GP0: the test asks for more than 16 beats");
    end
    check(DDRARB == '0 && FPGAIDLEN == 1'b0 && EMIOUSB0VBUSPWRFAULT == 1'b0, "inputs left open");
    check(MAXIGP0ACLK == clock && SAXIHP0ACLK == clock, "ports without the core's clock");
  end
