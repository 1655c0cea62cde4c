// Threshold encoder: 8-bit pixels to PixelBits bits each; bit i is `pixel > thresholds[8*i +: 8]`.
//
// A comparison in a carry chain takes eight LUTs. Split by a register, low five bits first, it takes
// four, and two levels of logic.
//
// Pixels lie beside each other with the leftmost one in the lowest bits. Latency: two clocks.

module lutlens_encoder #(
  parameter int unsigned PixelBits = 1,
  // A clock.
  parameter int unsigned Pixels    = 1
) (
  input  logic                        aclk,
  input  logic                        aresetn,
  // Belongs to the pixels on the stream.
  input  logic [     8*PixelBits-1:0] thresholds_i,
  input  logic [        8*Pixels-1:0] s_axis_tdata,
  input  logic                        s_axis_tvalid,
  output logic                        s_axis_tready,
  input  logic                        s_axis_tuser,
  input  logic                        s_axis_tlast,
  output logic [Pixels*PixelBits-1:0] m_axis_tdata,
  output logic                        m_axis_tvalid,
  input  logic                        m_axis_tready,
  output logic                        m_axis_tuser,
  output logic                        m_axis_tlast
);
  if (PixelBits < 1 || PixelBits > 4) begin : gen_check_bits
    $error("PixelBits must be 1 to 4");
  end

  logic                      valid_q;
  logic                      user_q;
  logic                      last_q;
  logic [PixelBits-1:0][2:0] threshold_high_q;

  assign s_axis_tready = !m_axis_tvalid || m_axis_tready;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      valid_q       <= 1'b0;
      m_axis_tvalid <= 1'b0;
    end else if (s_axis_tready) begin
      valid_q       <= s_axis_tvalid;
      m_axis_tvalid <= valid_q;
    end
  end

  always_ff @(posedge aclk) begin
    if (s_axis_tready) begin
      user_q       <= s_axis_tuser;
      last_q       <= s_axis_tlast;
      m_axis_tuser <= user_q;
      m_axis_tlast <= last_q;
      for (int unsigned i = 0; i < PixelBits; i++) threshold_high_q[i] <= thresholds_i[8*i+5+:3];
    end
  end

  for (genvar p = 0; p < Pixels; p++) begin : gen_pixel
    logic [7:0] pixel;
    logic [2:0] pixel_high_q;

    assign pixel = s_axis_tdata[8*p+:8];

    always_ff @(posedge aclk) begin
      if (s_axis_tready) pixel_high_q <= pixel[7:5];
    end

    for (genvar i = 0; i < PixelBits; i++) begin : gen_bit
      logic greater_low_q;

      always_ff @(posedge aclk) begin
        if (s_axis_tready) begin
          greater_low_q <= pixel[4:0] > thresholds_i[8*i+:5];
          m_axis_tdata[p*PixelBits+i] <=
              {pixel_high_q, greater_low_q} > {threshold_high_q[i], 1'b0};
        end
      end
    end
  end
endmodule
