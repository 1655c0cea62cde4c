// Adds the scores of a frame's positions over its passes; of the last pass's sums it finds, for every
// position, the best class, its score, and the margin over the second.
//
// The network gives a position's scores in beats of Units classes (class c: beat c / Units, lane
// c % Units). Beats come as fast as one a clock: sums are kept in block RAM, a word a beat, and a tree
// of comparisons takes a beat's lanes at once; what it finds is merged over the beats of a position.
//
// Nothing behind the input waits; positions of a frame's last pass are taken only while there is room
// for their results, and those of the next frame not before `frame_done_i`.
//
// A frame of more positions than can be added is not taken farther than that.
//
// Latency, from a position's last beat: 5 + log2(Units) clocks.

module lutlens_scan_scorer #(
  parameter int unsigned Classes   = 10,
  // Of a class's score in one pass.
  parameter int unsigned ScoreBits = 6,
  // Classes in a beat.
  parameter int unsigned Units     = 1,
  // Positions whose scores can be added.
  parameter int unsigned Positions = 4608
) (
  input  logic                       aclk,
  input  logic                       aresetn,
  // Passes of a frame, minus one. Changes only while no frame is at work.
  input  logic [                3:0] last_pass_i,
  // Scores; tuser: last beat of a position, last position of a row.
  input  logic [Units*ScoreBits-1:0] s_axis_tdata,
  input  logic                       s_axis_tvalid,
  output logic                       s_axis_tready,
  input  logic [                1:0] s_axis_tuser,
  input  logic                       s_axis_tlast,
  // Room for the results of 16 positions more
  input  logic                       room_i,
  // The last frame's result has been written, or given up.
  input  logic                       frame_done_i,
  // The oldest frame has more positions than can be added; stays until a reset.
  output logic                       overflow_o,
  // A position
  output logic                       valid_o,
  output logic [                7:0] class_o,
  output logic [               11:0] score_o,
  output logic [               11:0] margin_o,
  output logic                       row_last_o,
  output logic                       frame_last_o
);
  localparam int unsigned MaxPasses = 16;
  localparam int unsigned SumBits = ScoreBits + $clog2(MaxPasses);
  localparam int unsigned ClassBits = $clog2(Classes);
  localparam int unsigned Beats = (Classes + Units - 1) / Units;
  localparam int unsigned AddressBits = $clog2(Positions * Beats);
  localparam logic [AddressBits-1:0] LastAddress = AddressBits'(Positions * Beats - 1);
  localparam int unsigned Levels = $clog2(Units);

  if (Classes < 2 || Classes > 255) begin : gen_check_classes
    $error("Classes must be 2 to 255: a cell holds the class in a byte");
  end
  if (ScoreBits < 1 || SumBits > 12) begin : gen_check_score_bits
    $error("ScoreBits must be 1 to 8: a cell holds a score, added over 16 passes, in 12 bits");
  end
  if (Units < 1 || Units > Classes) begin : gen_check_units
    $error("Units must be 1 to Classes");
  end

  typedef struct packed {
    logic valid;
    logic last;        // beat of the position
    logic row_last;
    logic frame_last;
  } mark_t;

  typedef logic [Units-1:0][SumBits-1:0] sums_t;

  // ------------------------------------------------------------------ what is taken

  logic [3:0] pass_q;
  logic first_pass;
  logic last_pass;
  logic [2:0] settle_q;  // clocks until all sums of the pass before have been written
  logic row_ended_q;  // a clock between rows, so that windows never come in successive ones
  logic closed_q;  // the frame is complete, and its result not yet written
  logic overflow_q;  // the sums' memory is full, and more of the frame is to come
  logic take;

  assign first_pass = pass_q == '0;
  assign last_pass = pass_q == last_pass_i;
  assign s_axis_tready = settle_q == '0 && !row_ended_q && !overflow_q &&
      !(last_pass && (closed_q || !room_i));
  assign take = s_axis_tvalid && s_axis_tready;
  assign overflow_o = overflow_q && !closed_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      pass_q <= '0;
      settle_q <= '0;
      closed_q <= 1'b0;
      row_ended_q <= 1'b0;
    end else begin
      row_ended_q <= take && (&s_axis_tuser);
      if (take && s_axis_tlast) pass_q <= last_pass ? '0 : pass_q + 1'b1;
      if (take && s_axis_tlast) settle_q <= '1;
      else if (settle_q != '0) settle_q <= settle_q - 1'b1;
      if (take && s_axis_tlast && last_pass) closed_q <= 1'b1;
      else if (frame_done_i) closed_q <= 1'b0;
    end
  end

  // ------------------------------------------------------------------ sums: read, add, write back

  mark_t                       mark_q          [3];
  logic  [    AddressBits-1:0] read_address_q;
  logic  [    AddressBits-1:0] write_address_q;
  logic  [Units*ScoreBits-1:0] scores_q        [2];
  logic  [                1:0] first_pass_q;
  logic  [                2:0] last_pass_q;
  sums_t                       sums_before;
  sums_t                       sums_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      mark_q          <= '{default: '0};
      read_address_q  <= '0;
      write_address_q <= '0;
    end else begin
      mark_q[0] <= '{
          valid: take,
          last: s_axis_tuser[0],
          row_last: s_axis_tuser[1],
          frame_last: s_axis_tlast
      };
      mark_q[1] <= mark_q[0];
      mark_q[2] <= mark_q[1];
      if (take) read_address_q <= s_axis_tlast ? '0 : read_address_q + 1'b1;
      if (mark_q[2].valid) begin
        write_address_q <= mark_q[2].frame_last ? '0 : write_address_q + 1'b1;
      end
    end
  end

  always_ff @(posedge aclk) begin
    scores_q     <= '{s_axis_tdata, scores_q[0]};
    first_pass_q <= {first_pass_q[0], first_pass};
    last_pass_q  <= {last_pass_q[1:0], last_pass};
    for (int unsigned lane = 0; lane < Units; lane++) begin
      sums_q[lane] <= SumBits'(scores_q[1][lane*ScoreBits+:ScoreBits]) +
          (first_pass_q[1] ? '0 : sums_before[lane]);
    end
  end

  lutlens_scan_sums #(
    .Width(Units * SumBits),
    .Depth(Positions * Beats)
  ) u_sums (
    .aclk,
    .read_address_i (read_address_q),
    .read_data_o    (sums_before),
    .write_i        (mark_q[2].valid && !last_pass_q[2]),
    .write_address_i(write_address_q),
    .write_data_i   (sums_q)
  );

  // What is not added may be of any number.
  always_ff @(posedge aclk) begin
    if (!aresetn) overflow_q <= 1'b0;
    else if (take && !last_pass && !s_axis_tlast && read_address_q == LastAddress) begin
      overflow_q <= 1'b1;
    end
  end

  // ------------------------------------------------------------------ the best of a beat

  // Level 0 has the lanes, the last level one group of them all.
  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Groups = (Units + (1 << level) - 1) >> level;
    localparam int unsigned Half = (level == 0) ? 1 : 1 << (level - 1);
    localparam int unsigned Before = (level == 0) ? 0 : (Units + Half - 1) / Half;

    mark_t                             mark;
    logic  [Groups-1:0][  SumBits-1:0] best;
    logic  [Groups-1:0][ClassBits-1:0] lane;
    logic  [Groups-1:0][  SumBits-1:0] second;

    if (level == 0) begin : gen_lanes
      always_comb begin
        mark       = mark_q[2];
        mark.valid = mark_q[2].valid && last_pass_q[2];
      end

      for (genvar i = 0; i < Units; i++) begin : gen_lane
        // In the last beat some lanes may have no class.
        if ((Beats - 1) * Units + i < Classes) begin : gen_always
          assign best[i] = sums_q[i];
        end else begin : gen_masked
          assign best[i] = mark_q[2].last ? '0 : sums_q[i];
        end
        assign lane[i]   = ClassBits'(i);
        assign second[i] = '0;
      end
    end else begin : gen_groups
      always_ff @(posedge aclk) begin
        if (!aresetn) mark <= '0;
        else mark <= gen_level[level-1].mark;
      end

      for (genvar i = 0; i < Groups; i++) begin : gen_group
        logic [  SumBits-1:0] group_best;
        logic [ClassBits-1:0] group_lane;
        logic [  SumBits-1:0] group_second;

        if (2 * i + 1 < Before) begin : gen_pair
          lutlens_top_two #(
            .SumBits  (SumBits),
            .ClassBits(ClassBits)
          ) u_top_two (
            .a_best_i  (gen_level[level-1].best[2*i]),
            .a_class_i (gen_level[level-1].lane[2*i]),
            .a_second_i(gen_level[level-1].second[2*i]),
            .b_best_i  (gen_level[level-1].best[2*i+1]),
            .b_class_i (gen_level[level-1].lane[2*i+1]),
            .b_second_i(gen_level[level-1].second[2*i+1]),
            .best_o    (group_best),
            .class_o   (group_lane),
            .second_o  (group_second)
          );
        end else begin : gen_single
          assign group_best   = gen_level[level-1].best[2*i];
          assign group_lane   = gen_level[level-1].lane[2*i];
          assign group_second = gen_level[level-1].second[2*i];
        end

        always_ff @(posedge aclk) begin
          best[i]   <= group_best;
          lane[i]   <= group_lane;
          second[i] <= group_second;
        end
      end
    end
  end

  // ------------------------------------------------------------------ the best of a position

  mark_t                 mark;
  logic                  first_q;  // the next beat is a position's first
  logic  [ClassBits-1:0] class_base_q;  // the beat's first class
  logic  [  SumBits-1:0] best_q;
  logic  [ClassBits-1:0] class_q;
  logic  [  SumBits-1:0] second_q;
  logic  [  SumBits-1:0] best;
  logic  [ClassBits-1:0] class_best;
  logic  [  SumBits-1:0] second;
  logic                  complete_q;

  assign mark = gen_level[Levels].mark;

  lutlens_top_two #(
    .SumBits  (SumBits),
    .ClassBits(ClassBits)
  ) u_top_two (
    .a_best_i  (first_q ? '0 : best_q),
    .a_class_i (first_q ? '0 : class_q),
    .a_second_i(first_q ? '0 : second_q),
    .b_best_i  (gen_level[Levels].best[0]),
    .b_class_i (class_base_q + gen_level[Levels].lane[0]),
    .b_second_i(gen_level[Levels].second[0]),
    .best_o    (best),
    .class_o   (class_best),
    .second_o  (second)
  );

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      first_q      <= 1'b1;
      class_base_q <= '0;
      complete_q   <= 1'b0;
      valid_o      <= 1'b0;
    end else begin
      if (mark.valid) begin
        first_q      <= mark.last;
        class_base_q <= mark.last ? '0 : class_base_q + ClassBits'(Units);
      end
      complete_q <= mark.valid && mark.last;
      valid_o    <= complete_q;
    end
  end

  logic row_last_q;
  logic frame_last_q;

  always_ff @(posedge aclk) begin
    if (mark.valid) begin
      best_q       <= best;
      class_q      <= class_best;
      second_q     <= second;
      row_last_q   <= mark.row_last;
      frame_last_q <= mark.frame_last;
    end
    class_o      <= 8'(class_q);
    score_o      <= 12'(best_q);
    margin_o     <= 12'(best_q - second_q);
    row_last_o   <= row_last_q;
    frame_last_o <= frame_last_q;
  end
endmodule
