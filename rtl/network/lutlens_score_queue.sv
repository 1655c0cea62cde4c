// Marks the ends of rows and of the frame, and keeps beats until they are taken.
//
// Whether a position is the last one of its row is known only when the line has ended, and of the frame
// only when that has. So a position is held until the next one comes or the frame has ended.

module lutlens_score_queue #(
  parameter int unsigned Width     = 6,
  parameter int unsigned Beats     = 1,
  // Room for so many; at most Reserve may come after `room_o` has fallen.
  parameter int unsigned Positions = 16,
  parameter int unsigned Reserve   = 8
) (
  input  logic             aclk,
  input  logic             aresetn,
  output logic             room_o,
  input  logic             valid_i,
  // First and last beat of a position.
  input  logic             first_i,
  input  logic             last_i,
  input  logic [Width-1:0] data_i,
  // Ends of line and frame: after the first beat of the last position before, and not after the first
  // beat of the next position.
  input  logic             eol_i,
  input  logic             eof_i,
  output logic [Width-1:0] m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready,
  output logic [      1:0] m_axis_tuser,
  output logic             m_axis_tlast
);
  logic write_mark;
  logic read_beat;
  logic read_mark;

  // ------------------------------------------------------------------ marks of a position

  logic held_q;
  logic row_q;
  logic row_ends;
  logic mark_valid;
  logic last_of_row;
  logic last_of_frame;

  assign write_mark = held_q && (first_i || eof_i);
  assign row_ends   = eol_i || row_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) held_q <= 1'b0;
    else held_q <= first_i || (held_q && !eof_i);
    row_q <= row_ends && held_q && !write_mark;
  end

  lutlens_fifo #(
    .Width(2),
    .Depth(Positions)
  ) u_marks (
    .aclk,
    .aresetn,
    .clear_i     (1'b0),
    .write_i     (write_mark),
    .write_data_i({eof_i, row_ends}),
    .valid_o     (mark_valid),
    .data_o      ({last_of_frame, last_of_row}),
    .read_i      (read_mark)
  );

  // ------------------------------------------------------------------ beats

  logic beat_valid;
  logic last;

  lutlens_fifo #(
    .Width(Width + 1),
    .Depth(Positions << $clog2(Beats))
  ) u_beats (
    .aclk,
    .aresetn,
    .clear_i     (1'b0),
    .write_i     (valid_i),
    .write_data_i({last_i, data_i}),
    .valid_o     (beat_valid),
    .data_o      ({last, m_axis_tdata}),
    .read_i      (read_beat)
  );

  assign m_axis_tvalid = beat_valid && mark_valid;
  assign m_axis_tuser  = {last_of_row, last};
  assign m_axis_tlast  = last_of_frame && last;
  assign read_beat     = m_axis_tvalid && m_axis_tready;
  assign read_mark     = read_beat && last;

  lutlens_credit #(
    .Depth  (Positions),
    .Reserve(Reserve)
  ) u_credit (
    .aclk,
    .aresetn,
    .take_i(first_i),
    .free_i(read_mark),
    .room_o
  );
endmodule
