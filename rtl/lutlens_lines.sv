// Cuts an image's pixels into lines, where a line is no whole number of words.
//
// Words of Pixels pixels come without regard to lines, and leave so that every line begins with one.
// What the last word of a line holds beyond the line is anything. No latency: what a line leaves over
// of a word waits in a register for the pixels behind it.

module lutlens_lines #(
  parameter int unsigned Pixels    = 8,
  // Of a pixel.
  parameter int unsigned PixelBits = 1,
  // Of an image.
  parameter int unsigned Width     = 28,
  parameter int unsigned Height    = 28
) (
  input  logic                        aclk,
  input  logic                        aresetn,
  // An image begins with a word.
  input  logic [Pixels*PixelBits-1:0] s_axis_tdata,
  input  logic                        s_axis_tvalid,
  output logic                        s_axis_tready,
  // tuser: last word of a line; tlast: last word of an image.
  output logic [Pixels*PixelBits-1:0] m_axis_tdata,
  output logic                        m_axis_tvalid,
  input  logic                        m_axis_tready,
  output logic                        m_axis_tuser,
  output logic                        m_axis_tlast
);
  // Pixels are counted in the largest steps that lines and words consist of.
  localparam int unsigned Step = common(Width, Pixels);
  localparam int unsigned WordSteps = Pixels / Step;
  localparam int unsigned Words = (Width + Pixels - 1) / Pixels;  // of a line
  localparam int unsigned RestSteps = (Width - (Words - 1) * Pixels) / Step;  // in its last word
  localparam int unsigned StepBits = Step * PixelBits;
  localparam int unsigned HeldBits = $clog2(WordSteps + 1);
  localparam int unsigned ColumnBits = (Words > 1) ? $clog2(Words) : 1;
  localparam int unsigned RowBits = (Height > 1) ? $clog2(Height) : 1;

  function automatic int unsigned common(int unsigned a, int unsigned b);
    int unsigned rest;
    while (b != 0) begin
      rest = a % b;
      a    = b;
      b    = rest;
    end
    return a;
  endfunction

  logic [Pixels*PixelBits-1:0] word_q;
  logic [        HeldBits-1:0] held_q;  // steps of it that are still to come
  logic [      ColumnBits-1:0] column_q;
  logic [         RowBits-1:0] row_q;
  logic [        HeldBits-1:0] needed;
  logic                        take;  // what is held is not enough
  logic                        step;

  assign m_axis_tuser = column_q == ColumnBits'(Words - 1);
  assign m_axis_tlast = m_axis_tuser && row_q == RowBits'(Height - 1);
  assign needed = m_axis_tuser ? HeldBits'(RestSteps) : HeldBits'(WordSteps);
  assign take = held_q < needed;
  assign m_axis_tvalid = !take || s_axis_tvalid;
  assign s_axis_tready = take && m_axis_tready;
  assign step = m_axis_tvalid && m_axis_tready;

  always_comb begin
    m_axis_tdata = s_axis_tdata;
    for (int unsigned held = 1; held < WordSteps; held++) begin
      if (held_q == HeldBits'(held)) begin
        m_axis_tdata = (Pixels * PixelBits)'(
            {s_axis_tdata, word_q} >> ((WordSteps - held) * StepBits));
      end
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      held_q   <= '0;
      column_q <= '0;
      row_q    <= '0;
    end else if (step) begin
      column_q <= m_axis_tuser ? '0 : column_q + 1'b1;
      if (m_axis_tuser) row_q <= m_axis_tlast ? '0 : row_q + 1'b1;
      if (m_axis_tlast) held_q <= '0;
      else held_q <= held_q + (take ? HeldBits'(WordSteps) : '0) - needed;
    end
    if (step && take) word_q <= s_axis_tdata;
  end
endmodule
