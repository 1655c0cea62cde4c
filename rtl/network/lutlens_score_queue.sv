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
  localparam int unsigned BeatBits = $clog2(Positions) + $clog2(Beats);
  localparam int unsigned PositionBits = $clog2(Positions);
  localparam int unsigned CountBits = $clog2(Positions + 1);

  if (Positions < 2 || Positions != 1 << PositionBits) begin : gen_check_positions
    $error("Positions must be a power of two, at least 2");
  end

  logic [CountBits-1:0] count;
  logic                 held_q;
  logic                 last;
  logic                 read_beat;
  logic                 read_position;

  // All positions but the one that is held. Beats come one a clock, so none of theirs is late.
  assign m_axis_tvalid = count > CountBits'(held_q);
  assign read_beat     = m_axis_tvalid && m_axis_tready;
  assign read_position = read_beat && last;

  lutlens_credit #(
    .Depth  (Positions),
    .Reserve(Reserve)
  ) u_credit (
    .aclk,
    .aresetn,
    .take_i (first_i),
    .free_i (read_position),
    .count_o(count),
    .room_o
  );

  // ------------------------------------------------------------------ beats

  (* ram_style = "distributed" *)
  logic [Width:0] beats[2**BeatBits];
  logic [BeatBits-1:0] write_q;
  logic [BeatBits-1:0] read_q;

  assign {last, m_axis_tdata} = beats[read_q];

  always_ff @(posedge aclk) begin
    if (valid_i) beats[write_q] <= {last_i, data_i};
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      write_q <= '0;
      read_q  <= '0;
    end else begin
      if (valid_i) write_q <= write_q + 1'b1;
      if (read_beat) read_q <= read_q + 1'b1;
    end
  end

  // ------------------------------------------------------------------ marks of a position

  (* ram_style = "distributed" *)
  logic [1:0] marks[Positions];
  logic [PositionBits-1:0] marked_q;
  logic [PositionBits-1:0] position_q;
  logic mark;
  logic row_q;
  logic row_ends;
  logic last_of_row;
  logic last_of_frame;

  assign {last_of_frame, last_of_row} = marks[position_q];

  always_ff @(posedge aclk) begin
    if (mark) marks[marked_q] <= {eof_i, row_ends};
  end

  assign mark         = held_q && (first_i || eof_i);
  assign row_ends     = eol_i || row_q;
  assign m_axis_tuser = {last_of_row, last};
  assign m_axis_tlast = last_of_frame && last;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      held_q     <= 1'b0;
      row_q      <= 1'b0;
      marked_q   <= '0;
      position_q <= '0;
    end else begin
      held_q <= first_i || (held_q && !eof_i);
      row_q  <= row_ends && held_q && !mark;
      if (mark) marked_q <= marked_q + 1'b1;
      if (read_position) position_q <= position_q + 1'b1;
    end
  end
endmodule
