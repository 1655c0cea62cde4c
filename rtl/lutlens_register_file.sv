// The registers, as the bus and as the rest of the PL see them.
//
// `settings_o` is what PeakRDL's register block gives; this module adds the bus, feeds in what the
// core reports, and forms the interrupt.

module lutlens_register_file
  import lutlens_registers_pkg::*;
#(
  parameter logic        [63:0] BuildId     = '0,
  parameter int unsigned        ImageWidth  = 28,
  parameter int unsigned        ImageHeight = 28,
  parameter int unsigned        Classes     = 10,
  parameter int unsigned        PixelBits   = 1,
  parameter int unsigned        Pixels      = 1,
  parameter int unsigned        Channels    = 1,
  parameter int unsigned        MaxWidth    = 640,
  parameter int unsigned        RecordBytes = 32
) (
  input  logic                 aclk,
  input  logic                 aresetn,
  input  logic          [15:0] s_axil_awaddr,
  input  logic                 s_axil_awvalid,
  output logic                 s_axil_awready,
  input  logic          [31:0] s_axil_wdata,
  input  logic                 s_axil_wvalid,
  output logic                 s_axil_wready,
  output logic          [ 1:0] s_axil_bresp,
  output logic                 s_axil_bvalid,
  input  logic                 s_axil_bready,
  input  logic          [15:0] s_axil_araddr,
  input  logic                 s_axil_arvalid,
  output logic                 s_axil_arready,
  output logic          [31:0] s_axil_rdata,
  output logic          [ 1:0] s_axil_rresp,
  output logic                 s_axil_rvalid,
  input  logic                 s_axil_rready,
  output lutlens__out_t        settings_o,
  output logic                 clear_counters_o,
  output logic                 irq_o,
  // State of the core
  input  logic                 busy_i,
  input  logic          [31:0] frame_tail_i,
  input  logic          [31:0] result_head_i,
  // Events, one clock each
  input  logic                 rings_cleared_i,
  input  logic                 record_written_i,
  input  logic                 read_error_i,
  input  logic                 write_error_i,
  input  logic                 timeout_i,
  input  logic                 wrong_size_i,
  // Registers that are kept elsewhere
  input  logic          [31:0] counter_value_i,
  input  logic                 thresholds_wr_ack_i,
  input  logic                 thresholds_rd_ack_i,
  input  logic          [31:0] thresholds_rd_data_i,
  // Only scan builds have them
  input  logic                 frame_sizes_wr_ack_i,
  input  logic                 frame_sizes_rd_ack_i,
  input  logic          [31:0] frame_sizes_rd_data_i
);
  logic                register_req;
  logic                register_req_is_wr;
  logic         [15:0] register_addr;
  logic         [31:0] register_wr_data;
  logic                register_wr_ack;
  logic                register_rd_ack;
  logic         [31:0] register_rd_data;
  logic                unused_stall_wr;
  logic                unused_stall_rd;
  logic                unused_rd_err;
  logic                unused_wr_err;
  lutlens__in_t        registers_in;
  logic                clear_errors;

  assign clear_errors = settings_o.CONTROL.clear_errors.value || rings_cleared_i;
  assign clear_counters_o = settings_o.CONTROL.clear_counters.value || rings_cleared_i;
  assign irq_o = (settings_o.IRQ_STATUS.result.value && settings_o.IRQ_ENABLE.result.value) ||
      (settings_o.IRQ_STATUS.error.value && settings_o.IRQ_ENABLE.error.value);

  assign registers_in.BUILD_ID_LOW.value.next = BuildId[31:0];
  assign registers_in.BUILD_ID_HIGH.value.next = BuildId[63:32];
  assign registers_in.IMAGE_WIDTH.value.next = 16'(ImageWidth);
  assign registers_in.IMAGE_HEIGHT.value.next = 16'(ImageHeight);
  assign registers_in.CLASSES.value.next = 16'(Classes);
  assign registers_in.ENCODER_BITS.value.next = 8'(PixelBits);
  assign registers_in.RECORD_BYTES.value.next = 16'(RecordBytes);
  assign registers_in.FEATURES.scan.next = 1'(SCAN);
  assign registers_in.FEATURES.pixels_per_clock.next = 4'(Pixels);
  assign registers_in.FEATURES.more_channels.next = 6'(Channels - 1);
  assign registers_in.MAX_WIDTH.value.next = 16'(MaxWidth);
  assign registers_in.STATUS.busy.next = busy_i;
  assign registers_in.STATUS.read_error.hwset = read_error_i;
  assign registers_in.STATUS.read_error.hwclr = clear_errors;
  assign registers_in.STATUS.write_error.hwset = write_error_i;
  assign registers_in.STATUS.write_error.hwclr = clear_errors;
  assign registers_in.STATUS.watchdog.hwset = timeout_i;
  assign registers_in.STATUS.watchdog.hwclr = clear_errors;
  assign registers_in.STATUS.frame_size.hwset = wrong_size_i;
  assign registers_in.STATUS.frame_size.hwclr = clear_errors;
  assign registers_in.IRQ_STATUS.result.hwset = record_written_i;
  assign registers_in.IRQ_STATUS.result.hwclr = rings_cleared_i;
  assign registers_in.IRQ_STATUS.error.hwset =
      read_error_i || write_error_i || timeout_i || wrong_size_i;
  assign registers_in.IRQ_STATUS.error.hwclr = rings_cleared_i;
  assign registers_in.FRAME_HEAD.value.hwclr = rings_cleared_i;
  assign registers_in.FRAME_TAIL.value.next = frame_tail_i;
  assign registers_in.RESULT_HEAD.value.next = result_head_i;
  assign registers_in.RESULT_TAIL.value.hwclr = rings_cleared_i;
  // Counters are read at once; writes have no effect.
  assign registers_in.COUNTERS.wr_ack = settings_o.COUNTERS.req && register_req_is_wr;
  assign registers_in.COUNTERS.rd_ack = settings_o.COUNTERS.req && !register_req_is_wr;
  assign registers_in.COUNTERS.rd_data = counter_value_i;
  assign registers_in.THRESHOLDS.wr_ack = thresholds_wr_ack_i;
  assign registers_in.THRESHOLDS.rd_ack = thresholds_rd_ack_i;
  assign registers_in.THRESHOLDS.rd_data = thresholds_rd_data_i;

  if (SCAN != 0) begin : gen_scan
    assign registers_in.MAX_POSITIONS.value.next = 32'(SCAN_POSITIONS);
    assign registers_in.MAX_WINDOWS.value.next   = 16'(SCAN_WINDOWS);
    assign registers_in.FRAME_SIZES.wr_ack       = frame_sizes_wr_ack_i;
    assign registers_in.FRAME_SIZES.rd_ack       = frame_sizes_rd_ack_i;
    assign registers_in.FRAME_SIZES.rd_data      = frame_sizes_rd_data_i;
  end else begin : gen_batch
    logic unused_bits;

    assign unused_bits = ^{frame_sizes_wr_ack_i, frame_sizes_rd_ack_i, frame_sizes_rd_data_i};
  end

  lutlens_axil u_axil (
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
    .req_o      (register_req),
    .req_is_wr_o(register_req_is_wr),
    .addr_o     (register_addr),
    .wr_data_o  (register_wr_data),
    .wr_ack_i   (register_wr_ack),
    .rd_ack_i   (register_rd_ack),
    .rd_data_i  (register_rd_data)
  );

  lutlens_registers u_registers (
    .clk                 (aclk),
    .rst_n               (aresetn),
    .s_cpuif_req         (register_req),
    .s_cpuif_req_is_wr   (register_req_is_wr),
    .s_cpuif_addr        (register_addr),
    .s_cpuif_wr_data     (register_wr_data),
    .s_cpuif_wr_biten    ('1),
    .s_cpuif_req_stall_wr(unused_stall_wr),
    .s_cpuif_req_stall_rd(unused_stall_rd),
    .s_cpuif_rd_ack      (register_rd_ack),
    .s_cpuif_rd_err      (unused_rd_err),
    .s_cpuif_rd_data     (register_rd_data),
    .s_cpuif_wr_ack      (register_wr_ack),
    .s_cpuif_wr_err      (unused_wr_err),
    .hwif_in             (registers_in),
    .hwif_out            (settings_o)
  );
endmodule
