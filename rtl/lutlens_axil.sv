// AXI4-Lite slave in front of the register block, one access at a time.
//
// It is smaller than PeakRDL's own, which keeps two accesses in flight and passes byte enables on: they
// would cost a LUT for every register bit. AXI4-Lite lets a slave take every write as a whole word.
// Reads and writes that come together take turns. A read takes four clocks, a write as many.

module lutlens_axil (
  input  logic        aclk,
  input  logic        aresetn,
  input  logic [15:0] s_axil_awaddr,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  input  logic [31:0] s_axil_wdata,
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  output logic [ 1:0] s_axil_bresp,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  input  logic [15:0] s_axil_araddr,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  output logic [31:0] s_axil_rdata,
  output logic [ 1:0] s_axil_rresp,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready,
  // Register block: one request, then one acknowledge, in the same clock or later
  output logic        req_o,
  output logic        req_is_wr_o,
  output logic [15:0] addr_o,
  output logic [31:0] wr_data_o,
  input  logic        wr_ack_i,
  input  logic        rd_ack_i,
  input  logic [31:0] rd_data_i
);
  typedef enum logic [1:0] {
    StIdle,
    StRequest,
    StWait,
    StRespond
  } state_e;

  state_e state_q;
  logic   take_read;
  logic   take_write;
  logic   acknowledged;
  logic   accepted;

  assign take_write = state_q == StIdle && s_axil_awvalid && s_axil_wvalid &&
      !(s_axil_arvalid && req_is_wr_o);
  assign take_read = state_q == StIdle && s_axil_arvalid && !take_write;
  assign s_axil_awready = take_write;
  assign s_axil_wready = take_write;
  assign s_axil_arready = take_read;

  assign req_o = state_q == StRequest;
  assign acknowledged = req_is_wr_o ? wr_ack_i : rd_ack_i;

  assign s_axil_bvalid = state_q == StRespond && req_is_wr_o;
  assign s_axil_rvalid = state_q == StRespond && !req_is_wr_o;
  assign accepted = req_is_wr_o ? s_axil_bready : s_axil_rready;
  assign s_axil_bresp = '0;
  assign s_axil_rresp = '0;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q <= StIdle;
    end else begin
      unique case (state_q)
        StIdle:    if (take_read || take_write) state_q <= StRequest;
        StRequest: state_q <= acknowledged ? StRespond : StWait;
        StWait:    if (acknowledged) state_q <= StRespond;
        default:   if (accepted) state_q <= StIdle;
      endcase
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) req_is_wr_o <= 1'b0;
    else if (take_read || take_write) req_is_wr_o <= take_write;
    if (state_q == StIdle) begin
      addr_o    <= {take_write ? s_axil_awaddr[15:2] : s_axil_araddr[15:2], 2'b0};
      wr_data_o <= s_axil_wdata;
    end
    if (rd_ack_i) s_axil_rdata <= rd_data_i;
  end

  logic unused_bits;

  assign unused_bits = ^{s_axil_awaddr[1:0], s_axil_araddr[1:0]};
endmodule
