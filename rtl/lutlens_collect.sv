// Collects the results of several cores in the order in which images were dealt out to them.

module lutlens_collect #(
  parameter int unsigned Cores = 2
) (
  input  logic                   aclk,
  input  logic                   aresetn,
  // A result's words from each core
  input  logic [Cores-1:0][15:0] s_axis_tdata,
  input  logic [Cores-1:0]       s_axis_tvalid,
  output logic [Cores-1:0]       s_axis_tready,
  input  logic [Cores-1:0]       s_axis_tlast,
  output logic [     15:0]       m_axis_tdata,
  output logic                   m_axis_tvalid,
  input  logic                   m_axis_tready,
  output logic                   m_axis_tlast
);
  localparam int unsigned CoreBits = $clog2(Cores);

  logic [CoreBits-1:0] core_q;  // whose turn it is

  assign m_axis_tdata  = s_axis_tdata[core_q];
  assign m_axis_tvalid = s_axis_tvalid[core_q];
  assign m_axis_tlast  = s_axis_tlast[core_q];
  assign s_axis_tready = Cores'(m_axis_tready) << core_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) core_q <= '0;
    else if (m_axis_tvalid && m_axis_tready && m_axis_tlast) core_q <= core_q + 1'b1;
  end
endmodule
