// Watches the PL's bus ports and counts what AXI, or an AXI3 port, does not allow.

module axi_checker (
  input logic        aclk,
  input logic        aresetn,
  input logic [ 5:0] awid,
  input logic [31:0] awaddr,
  input logic [ 7:0] awlen,
  input logic [ 2:0] awsize,
  input logic [ 1:0] awburst,
  input logic        awvalid,
  input logic        awready,
  input logic [ 5:0] wid,
  input logic [63:0] wdata,
  input logic [ 7:0] wstrb,
  input logic        wlast,
  input logic        wvalid,
  input logic        wready,
  input logic [ 5:0] arid,
  input logic [31:0] araddr,
  input logic [ 7:0] arlen,
  input logic [ 2:0] arsize,
  input logic [ 1:0] arburst,
  input logic        arvalid,
  input logic        arready,
  input logic        rlast,
  input logic        rvalid,
  input logic        rready,
  // Registers
  input logic [ 1:0] axil_bresp,
  input logic        axil_bvalid,
  input logic        axil_bready,
  input logic [31:0] axil_rdata,
  input logic [ 1:0] axil_rresp,
  input logic        axil_rvalid,
  input logic        axil_rready
);
  int violations;
  int reads_outstanding;
  int most_reads_outstanding;
  int write_beat;
  int writes_asked;
  int writes_given;

  function automatic void check(input logic holds, input string rule);
    if (!holds) begin
      $display("AXI rule broken at %0t: %s", $time, rule);
      violations++;
    end
  endfunction

  // A burst of 64-bit beats that an AXI3 port takes.
  function automatic void check_burst(input string name, input logic [31:0] address,
                                      input logic [7:0] length, input logic [2:0] size,
                                      input logic [1:0] burst);
    check(length < 16, {name, ": more than 16 beats"});
    check(size == 3 && burst == 2'b01, {name, ": not an incrementing burst of 64-bit beats"});
    check(address[2:0] == '0, {name, ": not aligned"});
    check(32'(address[11:0]) + 8 * (32'(length) + 1) <= 4096, {name, ": crosses 4 KiB"});
  endfunction

  logic held;  // the last clock was not a reset
  logic aw_waits, w_waits, ar_waits, b_waits, r_waits;
  logic [48:0] aw, aw_before;
  logic [78:0] w, w_before;
  logic [48:0] ar, ar_before;
  logic [ 1:0] b_before;
  logic [33:0] r_before;

  assign aw = {awid, awaddr, awlen, awsize};
  assign w  = {wid, wdata, wstrb, wlast};
  assign ar = {arid, araddr, arlen, arsize};

  always_ff @(posedge aclk) begin
    held      <= aresetn;
    aw_waits  <= awvalid && !awready;
    w_waits   <= wvalid && !wready;
    ar_waits  <= arvalid && !arready;
    b_waits   <= axil_bvalid && !axil_bready;
    r_waits   <= axil_rvalid && !axil_rready;
    aw_before <= aw;
    w_before  <= w;
    ar_before <= ar;
    b_before  <= axil_bresp;
    r_before  <= {axil_rdata, axil_rresp};
    if (aresetn && held) begin
      if (aw_waits) check(awvalid && aw == aw_before, "AW: changed while waiting");
      if (w_waits) check(wvalid && w == w_before, "W: changed while waiting");
      if (ar_waits) check(arvalid && ar == ar_before, "AR: changed while waiting");
      if (b_waits) check(axil_bvalid && axil_bresp == b_before, "B: changed while waiting");
      if (r_waits) begin
        check(axil_rvalid && {axil_rdata, axil_rresp} == r_before, "R: changed while waiting");
      end
      if (awvalid) check_burst("AW", awaddr, awlen, awsize, awburst);
      if (arvalid) check_burst("AR", araddr, arlen, arsize, arburst);
      if (awvalid) check(awid == '0, "AW: not the ID that WID has");
      if (wvalid) check(wid == '0 && wstrb == '1, "W: WID or WSTRB");
      if (wvalid) check(wlast == (write_beat == 32'(awlen)), "W: WLAST in the wrong beat");
      if (rvalid) check(rready, "R: no room was reserved");
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      reads_outstanding <= 0;
      write_beat        <= 0;
      writes_asked      <= 0;
      writes_given      <= 0;
    end else begin
      reads_outstanding <= reads_outstanding + 32'(arvalid && arready) -
          32'(rvalid && rready && rlast);
      if (reads_outstanding > most_reads_outstanding) most_reads_outstanding <= reads_outstanding;
      if (awvalid && awready) writes_asked <= writes_asked + 1;
      if (wvalid && wready) begin
        write_beat <= wlast ? 0 : write_beat + 1;
        if (wlast) writes_given <= writes_given + 1;
      end
      check(writes_given <= writes_asked + 1, "W: ahead of AW by more than a burst");
    end
  end
endmodule
