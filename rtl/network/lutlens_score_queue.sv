// Marks the last beat of a frame, and keeps beats until they are taken.
//
// Nothing before this queue can wait. So it says in time when room gets scarce (`room_o`): from then
// on, at most `Reserve` more beats may come.
//
// Whether a beat is its frame's last one is known only when the frame has ended, so the newest beat is
// held until another one or the end of the frame comes.

module lutlens_score_queue #(
  parameter int unsigned Width   = 6,
  parameter int unsigned Depth   = 64,
  parameter int unsigned Reserve = 32
) (
  input  logic             aclk,
  input  logic             aresetn,
  output logic             room_o,
  input  logic             valid_i,
  // Last beat of its position.
  input  logic             last_i,
  input  logic [Width-1:0] data_i,
  // At least one clock after the frame's last beat, and before the next frame's first one is taken.
  input  logic             eof_i,
  output logic [Width-1:0] m_axis_tdata,
  output logic             m_axis_tvalid,
  input  logic             m_axis_tready,
  output logic             m_axis_tuser,
  output logic             m_axis_tlast
);
  localparam int unsigned CountBits = $clog2(Depth + 1);

  if (Reserve >= Depth) begin : gen_check_reserve
    $error("Depth must be more than Reserve");
  end

  logic             held_q;
  logic [Width-1:0] data_q;
  logic             last_q;
  logic             write;
  logic             read;

  assign write = held_q && (valid_i || eof_i);
  assign read  = m_axis_tvalid && m_axis_tready;

  always_ff @(posedge aclk) begin
    if (!aresetn) held_q <= 1'b0;
    else held_q <= valid_i || (held_q && !eof_i);
    if (valid_i) begin
      data_q <= data_i;
      last_q <= last_i;
    end
  end

  lutlens_fifo #(
    .Width(Width + 2),
    .Depth(Depth)
  ) u_fifo (
    .aclk,
    .aresetn,
    .clear_i     (1'b0),
    .write_i     (write),
    .write_data_i({eof_i, last_q, data_q}),
    .valid_o     (m_axis_tvalid),
    .data_o      ({m_axis_tlast, m_axis_tuser, m_axis_tdata}),
    .read_i      (m_axis_tready)
  );

  logic [CountBits-1:0] count_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      count_q <= '0;
      room_o  <= 1'b0;
    end else begin
      if (write && !read) count_q <= count_q + 1'b1;
      else if (read && !write) count_q <= count_q - 1'b1;
      room_o <= count_q <= CountBits'(Depth - Reserve);
    end
  end
endmodule
