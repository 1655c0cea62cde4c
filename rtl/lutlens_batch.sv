// From the pixels of single images to their records in memory: cores, writer.
//
// Images go to several cores in turn; their records come in the same order.

module lutlens_batch
  import lutlens_network_pkg::*;
  import lutlens_pkg::*;
#(
  parameter int unsigned Cores       = 1,
  parameter int unsigned RecordBytes = 32
) (
  input  logic                                         aclk,
  input  logic                                         aresetn,
  // The same, or a flush: forget every pixel and score.
  input  logic                                         datapath_resetn,
  // Settings
  input  logic           [      3:0]                   last_pass_i,      // passes, minus one
  input  logic           [     26:0]                   result_base_i,
  input  logic           [     15:0]                   result_slots_i,
  input  logic           [     15:0]                   result_tail_i,
  output logic           [     31:0]                   result_head_o,
  // Pixels for each core; see lutlens_core.
  input  logic           [Cores-1:0][8*PIXEL_BITS-1:0] thresholds_i,
  input  logic           [Cores-1:0][    8*VALUES-1:0] s_axis_tdata,
  input  logic           [Cores-1:0]                   s_axis_tvalid,
  output logic           [Cores-1:0]                   s_axis_tready,
  input  logic           [Cores-1:0]                   s_axis_tuser,
  input  logic           [Cores-1:0]                   s_axis_tlast,
  // Frame control
  input  logic                                         ring_clear_i,
  input  logic                                         hold_i,
  output writer_state_t                                writer_o,
  output logic                                         write_error_o,
  // The oldest frame at work, and whether a read failed of the one that is written
  input  logic           [     31:0]                   sequence_i,
  input  logic                                         read_error_i,
  output axi_write_req_t                               axi_write_o,
  input  axi_write_rsp_t                               axi_write_i
);
  // A record is written faster than several cores give them, but not acknowledged.
  localparam int unsigned Outstanding = (Cores > 1) ? 8 : 1;

  logic [Cores-1:0][15:0] core_tdata;
  logic [Cores-1:0]       core_tvalid;
  logic [Cores-1:0]       core_tready;
  logic [Cores-1:0]       core_tlast;
  logic [     15:0]       result_tdata;
  logic                   result_tvalid;
  logic                   result_tready;
  logic                   result_tlast;

  for (genvar i = 0; i < Cores; i++) begin : gen_core
    lutlens_core u_core (
      .aclk,
      .aresetn      (datapath_resetn),
      .last_pass_i,
      .thresholds_i (thresholds_i[i]),
      .s_axis_tdata (s_axis_tdata[i]),
      .s_axis_tvalid(s_axis_tvalid[i]),
      .s_axis_tready(s_axis_tready[i]),
      .s_axis_tuser (s_axis_tuser[i]),
      .s_axis_tlast (s_axis_tlast[i]),
      .m_axis_tdata (core_tdata[i]),
      .m_axis_tvalid(core_tvalid[i]),
      .m_axis_tready(core_tready[i]),
      .m_axis_tlast (core_tlast[i])
    );
  end

  if (Cores == 1) begin : gen_one_core
    assign result_tdata  = core_tdata;
    assign result_tvalid = core_tvalid;
    assign core_tready   = result_tready;
    assign result_tlast  = core_tlast;
  end else begin : gen_cores
    lutlens_collect #(
      .Cores(Cores)
    ) u_collect (
      .aclk,
      .aresetn      (datapath_resetn),
      .s_axis_tdata (core_tdata),
      .s_axis_tvalid(core_tvalid),
      .s_axis_tready(core_tready),
      .s_axis_tlast (core_tlast),
      .m_axis_tdata (result_tdata),
      .m_axis_tvalid(result_tvalid),
      .m_axis_tready(result_tready),
      .m_axis_tlast (result_tlast)
    );
  end

  lutlens_result_writer #(
    .RecordBytes(RecordBytes),
    .Outstanding(Outstanding)
  ) u_result_writer (
    .aclk,
    .aresetn,
    .result_base_i,
    .result_slots_i,
    .result_tail_i,
    .result_head_o,
    .ring_clear_i,
    .hold_i,
    .writer_o,
    .write_error_o,
    .sequence_i,
    .read_error_i,
    .s_axis_tdata (result_tdata),
    .s_axis_tvalid(result_tvalid),
    .s_axis_tready(result_tready),
    .s_axis_tlast (result_tlast),
    .axi_write_o,
    .axi_write_i
  );
endmodule
