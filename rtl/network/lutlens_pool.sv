// OR pooling over PoolX x PoolY positions that do not overlap. Latency: three clocks.
//
// A LUT a channel: the last PoolX columns, and what the line buffer remembers of the group's earlier
// lines, are combined at once. The group's columns end at PhaseX modulo PoolX, its lines at PhaseY
// modulo PoolY.

module lutlens_pool #(
  parameter int unsigned Channels = 1,
  parameter int unsigned PoolX    = 2,
  parameter int unsigned PoolY    = 2,
  parameter int unsigned PhaseX   = 0,
  parameter int unsigned PhaseY   = 0,
  // Pooled positions in a line, at most.
  parameter int unsigned Columns  = 320
) (
  input  logic                aclk,
  input  logic                aresetn,
  input  logic                valid_i,
  input  logic                eol_i,
  input  logic                eof_i,
  input  logic [Channels-1:0] data_i,
  output logic                valid_o,
  output logic                eol_o,
  output logic                eof_o,
  output logic [Channels-1:0] data_o
);
  // ------------------------------------------------------------------ events

  logic column, first, valid, eol;

  lutlens_strider #(
    .StrideX(PoolX),
    .PhaseX (PhaseX),
    .StrideY(PoolY),
    .PhaseY (PhaseY)
  ) u_strider (
    .aclk,
    .aresetn,
    .valid_i,
    .eol_i,
    .eof_i,
    .column_o(column),
    .first_o (first),
    .valid_o (valid),
    .eol_o   (eol)
  );

  lutlens_delay #(
    .Width (3),
    .Clocks(3)
  ) u_delay (
    .aclk,
    .aresetn,
    .events_i({valid, eol, eof_i}),
    .events_o({valid_o, eol_o, eof_o})
  );

  // ------------------------------------------------------------------ columns

  logic [      Channels-1:0] data_q;
  logic [PoolX-1:0][Channels-1:0] columns;
  logic [      Channels-1:0] line_or;

  always_ff @(posedge aclk) data_q <= data_i;

  for (genvar x = 0; x < PoolX; x++) begin : gen_column
    lutlens_window_column #(
      .Width(Channels)
    ) u_column (
      .aclk,
      .valid_i,
      .data_i(x == 0 ? data_q : columns[x == 0 ? 0 : x-1]),
      .data_o(columns[x])
    );
  end

  always_comb begin
    line_or = '0;
    for (int x = 0; x < PoolX; x++) line_or |= columns[x];
  end

  // ------------------------------------------------------------------ lines

  logic [Channels-1:0] group_or;

  if (PoolY == 1) begin : gen_one_line
    assign group_or = line_or;

    logic unused;
    assign unused = ^{column, first};
  end else begin : gen_lines
    logic [Channels-1:0] earlier;
    logic column_q, eol_q, first_q, first_q2;

    lutlens_line_buffer #(
      .Width  (Channels),
      .Columns(Columns)
    ) u_line_buffer (
      .aclk,
      .aresetn,
      .valid_i(column_q),
      .eol_i  (eol_q),
      .word_o (earlier),
      .word_i (group_or)
    );

    always_ff @(posedge aclk) begin
      column_q <= aresetn && column;
      eol_q    <= aresetn && eol_i;
      first_q  <= first;
      first_q2 <= first_q;
    end

    assign group_or = line_or | (earlier & {Channels{!first_q2}});
  end

  always_ff @(posedge aclk) data_o <= group_or;
endmodule
