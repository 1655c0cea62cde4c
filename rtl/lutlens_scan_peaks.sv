// From positions to the cells of the class map, and to the windows that are listed: the peaks of a row.
//
// A position's strength is its margin, or 0 if it shows the background. A peak is stronger than the
// position to its left, at least as big_enough as the one to its right, and not weaker than asked for. Two
// neighbours are never both peaks, so one window at most comes with a position: the one before it, or,
// at the end of a row, itself.
//
// Latency: two clocks.

module lutlens_scan_peaks (
  input  logic        aclk,
  input  logic        aresetn,
  // Settings
  input  logic [ 8:0] background_i,
  input  logic [11:0] min_margin_i,
  // A position
  input  logic        valid_i,
  input  logic [ 7:0] class_i,
  input  logic [11:0] score_i,
  input  logic [11:0] margin_i,
  input  logic        row_last_i,
  input  logic        frame_last_i,
  // Its cell
  output logic        cell_valid_o,
  output logic [31:0] cell_o,
  output logic [15:0] column_o,
  output logic [15:0] row_o,
  output logic        frame_last_o,
  // A window, not after the cell of its row's last position
  output logic        window_valid_o,
  output logic [63:0] window_o
);
  // ------------------------------------------------------------------ strength

  logic        valid_q;
  logic        row_last_q;
  logic        frame_last_q;
  logic [31:0] cell_q;
  logic [11:0] strength_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= 1'b0;
    else valid_q <= valid_i;
    row_last_q   <= row_last_i;
    frame_last_q <= frame_last_i;
    cell_q       <= {class_i, margin_i, score_i};
    strength_q   <= ({1'b0, class_i} == background_i) ? '0 : margin_i;
  end

  // ------------------------------------------------------------------ peaks

  // What came before in this row
  logic [11:0] strength_before_q;
  logic [31:0] cell_before_q;
  logic [15:0] column_before_q;
  logic        candidate_q;  // is a peak, unless this one is stronger
  logic [15:0] column_q;
  logic [15:0] row_q;
  logic        rises;
  logic        big_enough;
  logic        was_peak;
  logic        is_peak;

  assign rises    = strength_q > strength_before_q;
  assign big_enough   = strength_q >= min_margin_i;
  assign was_peak = candidate_q && !rises;
  assign is_peak  = row_last_q && rises && big_enough;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      strength_before_q <= '0;
      candidate_q       <= 1'b0;
      column_q          <= '0;
      row_q             <= '0;
    end else if (valid_q) begin
      strength_before_q <= row_last_q ? '0 : strength_q;
      candidate_q       <= !row_last_q && rises && big_enough;
      column_q          <= row_last_q ? '0 : column_q + 1'b1;
      if (row_last_q) row_q <= frame_last_q ? '0 : row_q + 1'b1;
    end
  end

  always_ff @(posedge aclk) begin
    if (valid_q) begin
      cell_before_q   <= cell_q;
      column_before_q <= column_q;
    end
    if (!aresetn) begin
      cell_valid_o   <= 1'b0;
      window_valid_o <= 1'b0;
    end else begin
      cell_valid_o   <= valid_q;
      window_valid_o <= valid_q && (was_peak || is_peak);
    end
    cell_o <= cell_q;
    column_o <= column_q;
    row_o <= row_q;
    frame_last_o <= frame_last_q;
    window_o <= {was_peak ? cell_before_q : cell_q, row_q, was_peak ? column_before_q : column_q};
  end
endmodule
