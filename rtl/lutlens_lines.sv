// Cuts an image's values into the words of its lines, where words do not come as they are needed.
//
// Words of ValuesIn values come without regard to lines, and leave as words of ValuesOut so that every line
// begins with one. What the last word of a line holds beyond the line is anything. No latency: what a line
// leaves over of a word waits in a register for the values behind it.

module lutlens_lines #(
  parameter int unsigned ValuesIn  = 8,
  parameter int unsigned ValuesOut = 8,
  // Of a value.
  parameter int unsigned ValueBits = 1,
  // Of an image, in values and in lines.
  parameter int unsigned Width     = 28,
  parameter int unsigned Height    = 28
) (
  input  logic                           aclk,
  input  logic                           aresetn,
  // An image begins with a word.
  input  logic [ ValuesIn*ValueBits-1:0] s_axis_tdata,
  input  logic                           s_axis_tvalid,
  output logic                           s_axis_tready,
  // tuser: last word of a line; tlast: last word of an image.
  output logic [ValuesOut*ValueBits-1:0] m_axis_tdata,
  output logic                           m_axis_tvalid,
  input  logic                           m_axis_tready,
  output logic                           m_axis_tuser,
  output logic                           m_axis_tlast
);
  // Values are counted in the largest steps that lines and words consist of.
  localparam int unsigned Step = common(Width, common(ValuesIn, ValuesOut));
  localparam int unsigned InSteps = ValuesIn / Step;
  localparam int unsigned OutSteps = ValuesOut / Step;
  localparam int unsigned RoomSteps = (InSteps > OutSteps) ? InSteps : OutSteps;
  localparam int unsigned Words = (Width + ValuesOut - 1) / ValuesOut;  // of a line
  localparam int unsigned RestSteps = (Width - (Words - 1) * ValuesOut) / Step;  // in its last word
  localparam int unsigned StepBits = Step * ValueBits;
  localparam int unsigned RoomBits = RoomSteps * StepBits;
  localparam int unsigned HeldBits = $clog2(RoomSteps + InSteps);
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

  logic [  RoomBits-1:0] room_q;  // what is held lies at its top
  logic [  HeldBits-1:0] held_q;  // steps of it that are still to come
  logic [ColumnBits-1:0] column_q;
  logic [   RowBits-1:0] row_q;
  logic [  HeldBits-1:0] needed;
  logic                  lacking;  // what is held is not enough
  logic                  enough;  // with another word it is
  logic                  take;
  logic                  give;

  assign m_axis_tuser = column_q == ColumnBits'(Words - 1);
  assign m_axis_tlast = m_axis_tuser && row_q == RowBits'(Height - 1);
  assign needed = m_axis_tuser ? HeldBits'(RestSteps) : HeldBits'(OutSteps);
  assign lacking = held_q < needed;
  assign enough = InSteps >= OutSteps || held_q + HeldBits'(InSteps) >= needed;
  assign m_axis_tvalid = !lacking || (s_axis_tvalid && enough);
  assign s_axis_tready = lacking && (m_axis_tready || !enough);
  assign take = s_axis_tvalid && s_axis_tready;
  assign give = m_axis_tvalid && m_axis_tready;

  always_comb begin
    m_axis_tdata = (ValuesOut * ValueBits)'(s_axis_tdata);
    for (int unsigned held = 1; held < RoomSteps; held++) begin
      if (held_q == HeldBits'(held)) begin
        m_axis_tdata = (ValuesOut * ValueBits)'(
            {s_axis_tdata, room_q} >> ((RoomSteps - held) * StepBits));
      end
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      held_q   <= '0;
      column_q <= '0;
      row_q    <= '0;
    end else begin
      if (give) begin
        column_q <= m_axis_tuser ? '0 : column_q + 1'b1;
        if (m_axis_tuser) row_q <= m_axis_tlast ? '0 : row_q + 1'b1;
      end
      if (give && m_axis_tlast) held_q <= '0;
      else held_q <= held_q + (take ? HeldBits'(InSteps) : '0) - (give ? needed : '0);
    end
    if (take) room_q <= RoomBits'({s_axis_tdata, room_q} >> (ValuesIn * ValueBits));
  end
endmodule
