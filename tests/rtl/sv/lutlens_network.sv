// A stand-in for the generated network, for tests of everything around it: class c's score is the
// number of encoder bits that are set in the pixels c, c + CLASSES, c + 2 * CLASSES ... of the image.
//
// It behaves as the generated one does: it takes pixels while there is room for their scores, which
// come LATENCY clocks later, in BEATS beats of UNITS classes, from a FIFO.

module lutlens_network
  import lutlens_network_pkg::*;
(
  input  logic                        aclk,
  input  logic                        aresetn,
  input  logic [      PIXEL_BITS-1:0] s_axis_tdata,
  input  logic                        s_axis_tvalid,
  output logic                        s_axis_tready,
  input  logic                        s_axis_tuser,
  input  logic                        s_axis_tlast,
  output logic [UNITS*SCORE_BITS-1:0] m_axis_tdata,
  output logic                        m_axis_tvalid,
  input  logic                        m_axis_tready,
  output logic [                 1:0] m_axis_tuser,
  output logic                        m_axis_tlast
);
  localparam int Room = 2;

  typedef logic [BEATS*UNITS-1:0][SCORE_BITS-1:0] scores_t;

  scores_t counts;
  scores_t counts_next;
  scores_t fifo        [Room];
  int      pixel_class;
  int      column;
  int      due         [Room];  // clocks until the entry may leave
  int      used;
  int      beat;

  assign s_axis_tready = used < Room;
  assign m_axis_tvalid = used > 0 && due[0] == 0;
  assign m_axis_tuser  = {1'b1, beat == BEATS - 1};
  assign m_axis_tlast  = m_axis_tuser[0];
  assign m_axis_tdata  = fifo[0][beat*UNITS+:UNITS];

  always_comb begin
    counts_next = counts;
    counts_next[pixel_class] += SCORE_BITS'($countones(s_axis_tdata));
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      counts      <= '0;
      pixel_class <= 0;
      column      <= 0;
      used        <= 0;
      beat        <= 0;
    end else begin
      automatic int now = used;
      for (int i = 0; i < Room; i++) if (due[i] != 0) due[i] <= due[i] - 1;
      if (m_axis_tvalid && m_axis_tready) begin
        beat <= m_axis_tuser[0] ? 0 : beat + 1;
        if (m_axis_tuser[0]) begin
          for (int i = 0; i < Room - 1; i++) begin
            fifo[i] <= fifo[i+1];
            due[i]  <= (due[i+1] != 0) ? due[i+1] - 1 : 0;
          end
          now--;
        end
      end
      if (s_axis_tvalid && s_axis_tready) begin
        counts      <= s_axis_tlast ? '0 : counts_next;
        pixel_class <= (s_axis_tlast || pixel_class == CLASSES - 1) ? 0 : pixel_class + 1;
        column      <= s_axis_tuser ? 0 : column + 1;
        if (s_axis_tuser && column != IMAGE_WIDTH - 1) $error("tuser in column %0d", column);
        if (s_axis_tlast) begin
          fifo[now] <= counts_next;
          due[now]  <= LATENCY;
          now++;
        end
      end
      used <= now;
    end
  end
endmodule
