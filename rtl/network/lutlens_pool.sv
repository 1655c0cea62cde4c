// OR pooling over PoolX x PoolY positions that do not overlap, Lanes of them a clock. Latency: three
// clocks.
//
// A LUT a channel: the last PoolX columns, and what the line buffer remembers of the group's earlier
// lines, are combined at once. The group's columns end at PhaseX modulo PoolX, its lines at PhaseY
// modulo PoolY.

module lutlens_pool #(
  parameter  int unsigned Channels = 1,
  // Either this or PoolX divides the other.
  parameter  int unsigned Lanes    = 1,
  parameter  int unsigned PoolX    = 2,
  parameter  int unsigned PoolY    = 2,
  parameter  int unsigned PhaseX   = 0,
  parameter  int unsigned PhaseY   = 0,
  // Beats of pooled positions in a line, at most.
  parameter  int unsigned Columns  = 320,
  // The line buffer is in LUTs, not in block RAM.
  parameter  bit          InLuts   = 1'b0,
  localparam int unsigned LanesOut = (Lanes > PoolX) ? Lanes / PoolX : 1
) (
  input  logic                              aclk,
  input  logic                              aresetn,
  input  logic                              valid_i,
  input  logic                              eol_i,
  input  logic                              eof_i,
  input  logic [   Lanes-1:0][Channels-1:0] data_i,
  output logic                              valid_o,
  output logic                              eol_o,
  output logic                              eof_o,
  output logic [LanesOut-1:0][Channels-1:0] data_o
);
  // The first lane at which a group ends, and the beats that the groups of a beat reach back to.
  localparam int unsigned End = PhaseX % Lanes;
  localparam int unsigned Beats = (PoolX - 1 - End + Lanes - 1) / Lanes + 1;

  if (Lanes % PoolX != 0 && PoolX % Lanes != 0) begin : gen_check_lanes
    $error("Lanes must divide PoolX, or PoolX must divide Lanes");
  end

  // ------------------------------------------------------------------ events

  logic column_passes;
  logic line_passes;

  lutlens_phase #(
    .Stride((PoolX > Lanes) ? PoolX / Lanes : 1),
    .Phase (PhaseX / Lanes)
  ) u_x (
    .aclk,
    .aresetn,
    .step_i   (valid_i),
    .restart_i(eol_i),
    .passes_o (column_passes)
  );

  lutlens_phase #(
    .Stride(PoolY),
    .Phase (PhaseY)
  ) u_y (
    .aclk,
    .aresetn,
    .step_i   (eol_i),
    .restart_i(eof_i),
    .passes_o (line_passes)
  );

  lutlens_delay #(
    .Width (3),
    .Clocks(3)
  ) u_delay (
    .aclk,
    .aresetn,
    .events_i({valid_i && column_passes && line_passes, eol_i && line_passes, eof_i}),
    .events_o({valid_o, eol_o, eof_o})
  );

  // ------------------------------------------------------------------ columns

  logic [      Lanes-1:0][Channels-1:0]               data_q;
  logic [   LanesOut-1:0][Channels-1:0]               line_or;
  // The oldest beat first.
  logic [      Beats-1:0][   Lanes-1:0][Channels-1:0] beats;
  logic [Beats*Lanes-1:0][Channels-1:0]               columns;

  always_ff @(posedge aclk) data_q <= data_i;

  for (genvar i = 0; i < Beats; i++) begin : gen_beat
    lutlens_window_column #(
      .Width(Lanes * Channels)
    ) u_beat (
      .aclk,
      .valid_i,
      .data_i(i == Beats - 1 ? data_q : beats[i==Beats-1?0 : i+1]),
      .data_o(beats[i])
    );
  end

  assign columns = beats;

  always_comb begin
    line_or = '0;
    for (int i = 0; i < LanesOut; i++) begin
      for (int x = 0; x < PoolX; x++) begin
        line_or[i] |= columns[(Beats-1)*Lanes+End+i*PoolX-x];
      end
    end
  end

  logic unused;
  assign unused = ^columns;

  // ------------------------------------------------------------------ lines

  logic [LanesOut-1:0][Channels-1:0] group_or;

  if (PoolY == 1) begin : gen_one_line
    assign group_or = line_or;
  end else begin : gen_lines
    logic [LanesOut-1:0][Channels-1:0] earlier;
    logic column_q, eol_q;
    // The line is the first one of its group. (What a frame's first lines are, when they make no
    // whole group, does not matter.)
    logic first, first_q, first_q2;

    lutlens_line_buffer #(
      .Width  (LanesOut * Channels),
      .Columns(Columns),
      .InLuts (InLuts)
    ) u_line_buffer (
      .aclk,
      .aresetn,
      .valid_i(column_q),
      .eol_i  (eol_q),
      .word_o (earlier),
      .word_i (group_or)
    );

    always_ff @(posedge aclk) begin
      if (!aresetn || eof_i) first <= 1'b1;
      else if (eol_i) first <= line_passes;
      column_q <= aresetn && valid_i && column_passes;
      eol_q    <= aresetn && eol_i;
      first_q  <= first;
      first_q2 <= first_q;
    end

    assign group_or = line_or | (earlier & {LanesOut * Channels{!first_q2}});
  end

  always_ff @(posedge aclk) data_o <= group_or;
endmodule
