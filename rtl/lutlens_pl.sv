// The whole programmable logic of a lutlens overlay: registers, rings, core.
//
// Two bus ports fit the PS7 without converters: an AXI4-Lite slave for its general purpose master, and
// a 64-bit master for its high performance slave: bursts of at most 16 beats, WID driven, so AXI3
// takes them too. One clock domain. `lutlens_network` and `lutlens_network_pkg` are generated from a
// lutnet, `lutlens_registers` from lutlens.rdl.

module lutlens_pl
  import lutlens_network_pkg::*;
(
  input  logic        aclk,
  input  logic        aresetn,
  output logic        irq,
  // For people to see: one clock when a result has reached memory; then, whether anything was
  // recognised; an error since the last reset or CONTROL.clear_errors.
  output logic        frame_o,
  output logic        seen_o,
  output logic        error_o,
  // Registers
  input  logic [15:0] s_axil_awaddr,
  input  logic [ 2:0] s_axil_awprot,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  input  logic [31:0] s_axil_wdata,
  input  logic [ 3:0] s_axil_wstrb,
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  output logic [ 1:0] s_axil_bresp,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  input  logic [15:0] s_axil_araddr,
  input  logic [ 2:0] s_axil_arprot,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  output logic [31:0] s_axil_rdata,
  output logic [ 1:0] s_axil_rresp,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready,
  // Memory
  output logic [ 5:0] m_axi_awid,
  output logic [31:0] m_axi_awaddr,
  output logic [ 7:0] m_axi_awlen,
  output logic [ 2:0] m_axi_awsize,
  output logic [ 1:0] m_axi_awburst,
  output logic        m_axi_awlock,
  output logic [ 3:0] m_axi_awcache,
  output logic [ 2:0] m_axi_awprot,
  output logic [ 3:0] m_axi_awqos,
  output logic        m_axi_awvalid,
  input  logic        m_axi_awready,
  output logic [ 5:0] m_axi_wid,
  output logic [63:0] m_axi_wdata,
  output logic [ 7:0] m_axi_wstrb,
  output logic        m_axi_wlast,
  output logic        m_axi_wvalid,
  input  logic        m_axi_wready,
  input  logic [ 5:0] m_axi_bid,
  input  logic [ 1:0] m_axi_bresp,
  input  logic        m_axi_bvalid,
  output logic        m_axi_bready,
  output logic [ 5:0] m_axi_arid,
  output logic [31:0] m_axi_araddr,
  output logic [ 7:0] m_axi_arlen,
  output logic [ 2:0] m_axi_arsize,
  output logic [ 1:0] m_axi_arburst,
  output logic        m_axi_arlock,
  output logic [ 3:0] m_axi_arcache,
  output logic [ 2:0] m_axi_arprot,
  output logic [ 3:0] m_axi_arqos,
  output logic        m_axi_arvalid,
  input  logic        m_axi_arready,
  input  logic [ 5:0] m_axi_rid,
  input  logic [63:0] m_axi_rdata,
  input  logic [ 1:0] m_axi_rresp,
  input  logic        m_axi_rlast,
  input  logic        m_axi_rvalid,
  output logic        m_axi_rready
);
  localparam bit Scan = lutlens_registers_pkg::SCAN != 0;
  localparam int unsigned Cores = 32'(lutlens_registers_pkg::CORES);
  // Size of a record: the next power of two from 8 + 2 * CLASSES, at least 32.
  localparam int unsigned RecordUsed = 8 + 2 * CLASSES;
  localparam int unsigned RecordBytes = (RecordUsed > 32) ? 1 << $clog2(RecordUsed) : 32;

  // ------------------------------------------------------------------ registers

  lutlens_registers_pkg::lutlens__out_t                    settings;
  logic                                                    busy;
  logic                                 [            31:0] frame_tail;
  logic                                 [            31:0] result_head;
  logic                                                    rings_cleared;
  logic                                                    clear_counters;
  logic                                                    read_error;
  logic                                                    timeout;
  logic                                                    wrong_size;
  lutlens_pkg::writer_state_t                              writer;
  logic                                                    write_error;
  logic                                                    thresholds_wr_ack;
  logic                                                    thresholds_rd_ack;
  logic                                 [8*PIXEL_BITS-1:0] thresholds_rd_data;
  logic                                                    sizes_wr_ack;
  logic                                                    sizes_rd_ack;
  logic                                 [            31:0] sizes_rd_data;
  logic                                 [            31:0] cycles;
  logic                                 [            31:0] counter_value;

  lutlens_register_file #(
    .BuildId    (BUILD_ID),
    .ImageWidth (IMAGE_WIDTH),
    .ImageHeight(IMAGE_HEIGHT),
    .Classes    (CLASSES),
    .PixelBits  (PIXEL_BITS),
    .Pixels     (PIXELS),
    .Channels   (CHANNELS),
    .MaxWidth   (MAX_WIDTH),
    .RecordBytes(Scan ? 0 : RecordBytes)
  ) u_register_file (
    .aclk,
    .aresetn,
    .s_axil_awaddr,
    .s_axil_awvalid,
    .s_axil_awready,
    .s_axil_wdata,
    .s_axil_wvalid,
    .s_axil_wready,
    .s_axil_bresp,
    .s_axil_bvalid,
    .s_axil_bready,
    .s_axil_araddr,
    .s_axil_arvalid,
    .s_axil_arready,
    .s_axil_rdata,
    .s_axil_rresp,
    .s_axil_rvalid,
    .s_axil_rready,
    .settings_o           (settings),
    .clear_counters_o     (clear_counters),
    .irq_o                (irq),
    .busy_i               (busy),
    .frame_tail_i         (frame_tail),
    .result_head_i        (result_head),
    .rings_cleared_i      (rings_cleared),
    .record_written_i     (writer.record_written),
    .read_error_i         (read_error),
    .write_error_i        (write_error),
    .timeout_i            (timeout),
    .wrong_size_i         (wrong_size),
    .counter_value_i      (counter_value),
    .thresholds_wr_ack_i  (thresholds_wr_ack),
    .thresholds_rd_ack_i  (thresholds_rd_ack),
    .thresholds_rd_data_i (32'(thresholds_rd_data)),
    .frame_sizes_wr_ack_i (sizes_wr_ack),
    .frame_sizes_rd_ack_i (sizes_rd_ack),
    .frame_sizes_rd_data_i(sizes_rd_data)
  );

  // ------------------------------------------------------------------ frames to pixels

  logic                               frame_begun;
  logic                               frame_dropped;
  logic                               turn_next;
  logic                               writer_hold;
  logic                               overflow;
  logic [      2:0]                   scale;
  logic [     31:0]                   start_cycles;
  logic                               read_failed;
  logic                               datapath_resetn;
  logic [      3:0]                   last_pass;
  logic [Cores-1:0][8*PIXEL_BITS-1:0] thresholds;
  logic [Cores-1:0][    8*VALUES-1:0] pixel_tdata;
  logic [Cores-1:0]                   pixel_tvalid;
  logic [Cores-1:0]                   pixel_tready;
  logic [Cores-1:0]                   pixel_tuser;
  logic [Cores-1:0]                   pixel_tlast;

  if (Scan && CHANNELS != 1) begin : gen_check_channels
    $error("A scan build takes grey frames");
  end
  if (Scan && Cores != 1) begin : gen_check_cores
    $error("A scan build has one core: it adds a frame's scores in block RAM");
  end

  lutlens_frame_source #(
    .Scan (Scan),
    .Cores(Cores)
  ) u_frame_source (
    .aclk,
    .aresetn,
    .settings_i          (settings),
    .thresholds_wr_ack_o (thresholds_wr_ack),
    .thresholds_rd_ack_o (thresholds_rd_ack),
    .thresholds_rd_data_o(thresholds_rd_data),
    .sizes_wr_ack_o      (sizes_wr_ack),
    .sizes_rd_ack_o      (sizes_rd_ack),
    .sizes_rd_data_o     (sizes_rd_data),
    .frame_tail_o        (frame_tail),
    .busy_o              (busy),
    .ring_clear_o        (rings_cleared),
    .frame_begun_o       (frame_begun),
    .frame_dropped_o     (frame_dropped),
    .timeout_o           (timeout),
    .wrong_size_o        (wrong_size),
    .turn_next_o         (turn_next),
    .read_error_o        (read_error),
    .writer_hold_o       (writer_hold),
    .overflow_i          (overflow),
    .writer_i            (writer),
    .cycles_i            (cycles),
    .scale_o             (scale),
    .start_cycles_o      (start_cycles),
    .read_failed_o       (read_failed),
    .datapath_resetn_o   (datapath_resetn),
    .last_pass_o         (last_pass),
    .thresholds_o        (thresholds),
    .m_axis_tdata        (pixel_tdata),
    .m_axis_tvalid       (pixel_tvalid),
    .m_axis_tready       (pixel_tready),
    .m_axis_tuser        (pixel_tuser),
    .m_axis_tlast        (pixel_tlast),
    .m_axi_araddr,
    .m_axi_arlen         (m_axi_arlen[3:0]),
    .m_axi_arvalid,
    .m_axi_arready,
    .m_axi_rdata,
    .m_axi_rerror        (m_axi_rresp[1]),
    .m_axi_rlast,
    .m_axi_rvalid,
    .m_axi_rready
  );

  // ------------------------------------------------------------------ pixels to results

  lutlens_pkg::axi_write_req_t axi_write_req;
  lutlens_pkg::axi_write_rsp_t axi_write_rsp;

  if (Scan) begin : gen_scan
    lutlens_scan #(
      .Positions(lutlens_registers_pkg::SCAN_POSITIONS),
      .Windows  (lutlens_registers_pkg::SCAN_WINDOWS)
    ) u_scan (
      .aclk,
      .aresetn,
      .datapath_resetn,
      .last_pass_i    (last_pass),
      .background_i   (settings.BACKGROUND.value.value),
      .min_margin_i   (settings.MIN_MARGIN.value.value),
      .result_base_i  (settings.RESULT_BASE.value.value),
      .result_stride_i(settings.RESULT_STRIDE.value.value),
      .result_slots_i (settings.RESULT_SLOTS.value.value),
      .result_tail_i  (settings.RESULT_TAIL.value.value[15:0]),
      .result_head_o  (result_head),
      .thresholds_i   (thresholds),
      .s_axis_tdata   (pixel_tdata),
      .s_axis_tvalid  (pixel_tvalid),
      .s_axis_tready  (pixel_tready),
      .s_axis_tuser   (pixel_tuser),
      .s_axis_tlast   (pixel_tlast),
      .ring_clear_i   (rings_cleared),
      .hold_i         (writer_hold),
      .overflow_o     (overflow),
      .writer_o       (writer),
      .write_error_o  (write_error),
      .sequence_i     (frame_tail),
      .scale_i        (scale),
      .read_error_i   (read_failed),
      .axi_write_o    (axi_write_req),
      .axi_write_i    (axi_write_rsp)
    );
  end else begin : gen_batch
    logic unused_bits;

    lutlens_batch #(
      .Cores      (Cores),
      .RecordBytes(RecordBytes)
    ) u_batch (
      .aclk,
      .aresetn,
      .datapath_resetn,
      .last_pass_i   (last_pass),
      .result_base_i (settings.RESULT_BASE.value.value),
      .result_slots_i(settings.RESULT_SLOTS.value.value),
      .result_tail_i (settings.RESULT_TAIL.value.value[15:0]),
      .result_head_o (result_head),
      .thresholds_i  (thresholds),
      .s_axis_tdata  (pixel_tdata),
      .s_axis_tvalid (pixel_tvalid),
      .s_axis_tready (pixel_tready),
      .s_axis_tuser  (pixel_tuser),
      .s_axis_tlast  (pixel_tlast),
      .ring_clear_i  (rings_cleared),
      .hold_i        (writer_hold),
      .writer_o      (writer),
      .write_error_o (write_error),
      .sequence_i    (frame_tail),
      .read_error_i  (read_failed),
      .axi_write_o   (axi_write_req),
      .axi_write_i   (axi_write_rsp)
    );

    assign overflow = 1'b0;
    assign unused_bits = ^scale;
  end

  lutlens_counters u_counters (
    .aclk,
    .aresetn,
    .clear_i         (clear_counters),
    .turn_next_i     (turn_next && !rings_cleared),
    .frame_begun_i   (frame_begun),
    .record_written_i(writer.record_written),
    .frame_dropped_i (frame_dropped),
    .read_error_i    (read_error),
    .write_error_i   (write_error),
    .timeout_i       (timeout),
    .start_cycles_i  (start_cycles),
    .cycles_o        (cycles),
    .index_i         (settings.COUNTERS.addr[5:2]),
    .value_o         (counter_value)
  );

  assign frame_o = writer.record_written;
  assign seen_o  = writer.seen;

  always_ff @(posedge aclk) begin
    if (!aresetn || rings_cleared || settings.CONTROL.clear_errors.value) error_o <= 1'b0;
    else if (read_error || write_error || timeout || wrong_size) error_o <= 1'b1;
  end

  // ------------------------------------------------------------------ bus attributes

  assign m_axi_awaddr = axi_write_req.awaddr;
  assign m_axi_awlen = {4'b0, axi_write_req.awlen};
  assign m_axi_awvalid = axi_write_req.awvalid;
  assign m_axi_wdata = axi_write_req.wdata;
  assign m_axi_wlast = axi_write_req.wlast;
  assign m_axi_wvalid = axi_write_req.wvalid;
  assign m_axi_bready = axi_write_req.bready;
  assign axi_write_rsp = '{
          awready: m_axi_awready,
          wready: m_axi_wready,
          berror: m_axi_bresp[1],
          bvalid: m_axi_bvalid
      };

  // One ID everywhere, so that everything stays in order; whole 64-bit beats, incrementing addresses.
  assign m_axi_awid = '0;
  assign m_axi_awsize = 3'd3;
  assign m_axi_awburst = 2'b01;
  assign m_axi_awlock = 1'b0;
  assign m_axi_awcache = 4'b0011;
  assign m_axi_awprot = '0;
  assign m_axi_awqos = '0;
  assign m_axi_wid = '0;
  assign m_axi_wstrb = '1;
  assign m_axi_arid = '0;
  assign m_axi_arlen[7:4] = '0;
  assign m_axi_arsize = 3'd3;
  assign m_axi_arburst = 2'b01;
  assign m_axi_arlock = 1'b0;
  assign m_axi_arcache = 4'b0011;
  assign m_axi_arprot = '0;
  assign m_axi_arqos = '0;

  logic unused_bits;

  assign unused_bits = ^{s_axil_awprot, s_axil_arprot, s_axil_wstrb, m_axi_bid, m_axi_bresp[0],
                         m_axi_rid, m_axi_rresp[0], settings.FRAME_HEAD.value.value[31:16],
                         settings.RESULT_TAIL.value.value[31:16], settings.COUNTERS.addr[1:0],
                         settings.COUNTERS.wr_data, settings.COUNTERS.wr_biten,
                         settings.THRESHOLDS.addr[1:0], settings.THRESHOLDS.wr_biten,
                         settings.THRESHOLDS.wr_data};
endmodule
