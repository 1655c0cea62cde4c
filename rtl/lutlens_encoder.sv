// Threshold encoder: 8-bit pixel to PixelBits bits; bit i is `pixel > thresholds[8*i +: 8]`.
//
// Latency: one clock.

module lutlens_encoder #(
  parameter int unsigned PixelBits = 1
) (
  input  logic                   aclk,
  input  logic                   aresetn,
  // Belongs to the pixel on the stream.
  input  logic [8*PixelBits-1:0] thresholds_i,
  input  logic [            7:0] s_axis_tdata,
  input  logic                   s_axis_tvalid,
  output logic                   s_axis_tready,
  input  logic                   s_axis_tuser,
  input  logic                   s_axis_tlast,
  output logic [  PixelBits-1:0] m_axis_tdata,
  output logic                   m_axis_tvalid,
  input  logic                   m_axis_tready,
  output logic                   m_axis_tuser,
  output logic                   m_axis_tlast
);
  if (PixelBits < 1 || PixelBits > 4) begin : gen_check_bits
    $error("PixelBits must be 1 to 4");
  end

  assign s_axis_tready = !m_axis_tvalid || m_axis_tready;

  always_ff @(posedge aclk) begin
    if (!aresetn) m_axis_tvalid <= 1'b0;
    else if (s_axis_tready) m_axis_tvalid <= s_axis_tvalid;
  end

  always_ff @(posedge aclk) begin
    if (s_axis_tready) begin
      m_axis_tuser <= s_axis_tuser;
      m_axis_tlast <= s_axis_tlast;
    end
  end

  for (genvar i = 0; i < PixelBits; i++) begin : gen_bit
    // A carry chain would take eight LUTs. Compared from the low end, two bits a LUT, it takes four.
    logic [7:0] threshold;
    logic greater_2_0, greater_4_0, greater_6_0, greater_7_0;

    assign threshold   = thresholds_i[8*i+:8];
    assign greater_2_0 = s_axis_tdata[2:0] > threshold[2:0];
    assign greater_4_0 = {s_axis_tdata[4:3], greater_2_0} > {threshold[4:3], 1'b0};
    assign greater_6_0 = {s_axis_tdata[6:5], greater_4_0} > {threshold[6:5], 1'b0};
    assign greater_7_0 = {s_axis_tdata[7], greater_6_0} > {threshold[7], 1'b0};

    always_ff @(posedge aclk) begin
      if (s_axis_tready) m_axis_tdata[i] <= greater_7_0;
    end
  end
endmodule
