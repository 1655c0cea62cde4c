// Adds an image's scores over its passes, finds the best class and its margin over the second.
//
// The network gives a pass's scores in BEATS beats of Units classes (class c: beat c / Units, lane
// c % Units); they are taken one class a clock into one accumulator memory. After the last pass the
// memory is scanned twice, by one comparator: for the best score (the first of equal ones), and for
// the best of the other classes. Then the result leaves as 16-bit words: class, margin, and the score
// of every class. With a single class, which is an output that is a number, the margin is its score.
//
// Time from the last score to the first word: 2 * Classes + 2 clocks; meanwhile, and until the words
// have been taken, no scores are accepted. An image has one window position.

module lutlens_scorer #(
  parameter int unsigned Classes   = 10,
  // Of a class's score in one pass.
  parameter int unsigned ScoreBits = 6,
  // Classes in a beat.
  parameter int unsigned Units     = 1
) (
  input  logic                       aclk,
  input  logic                       aresetn,
  // Passes of an image, minus one. Changes only while no image is at work.
  input  logic [                3:0] last_pass_i,
  input  logic [Units*ScoreBits-1:0] s_axis_tdata,
  input  logic                       s_axis_tvalid,
  output logic                       s_axis_tready,
  output logic [               15:0] m_axis_tdata,
  output logic                       m_axis_tvalid,
  input  logic                       m_axis_tready,
  output logic                       m_axis_tlast
);
  localparam int unsigned MaxPasses = 16;
  localparam int unsigned SumBits = ScoreBits + $clog2(MaxPasses);
  localparam int unsigned ClassBits = (Classes > 1) ? $clog2(Classes) : 1;
  localparam int unsigned LaneBits = (Units > 1) ? $clog2(Units) : 1;

  if (Classes < 1 || Classes > 2044) begin : gen_check_classes
    $error("Classes must be 1 to 2044: a record of 4 KiB holds so many scores");
  end
  if (ScoreBits < 1 || SumBits > 16) begin : gen_check_score_bits
    $error("ScoreBits must be 1 to 12: a record holds a score, added over 16 passes, in 16 bits");
  end
  if (Units < 1 || Units > Classes) begin : gen_check_units
    $error("Units must be 1 to Classes");
  end

  typedef enum logic [2:0] {
    StAdd,     // take scores
    StBest,    // look for the best
    StKeep,    // keep it
    StSecond,  // look for the second
    StClass,   // give the class,
    StMargin,  // the margin,
    StScores   // and the scores
  } state_e;

  state_e                 state_q;
  logic   [          3:0] pass_q;
  logic   [ClassBits-1:0] class_q;  // the class that is looked at
  logic                   last_class;
  logic                   step;
  logic   [ LaneBits-1:0] lane_q;
  logic   [ScoreBits-1:0] score;

  (* ram_style = "distributed" *)
  logic   [  SumBits-1:0] sums                                    [Classes];
  logic   [  SumBits-1:0] sum;
  logic   [  SumBits-1:0] maximum_q;  // of this scan, so far
  logic   [  SumBits-1:0] best_q;
  logic   [ClassBits-1:0] best_class_q;

  // ------------------------------------------------------------------ states

  assign sum           = sums[class_q];
  assign last_class    = class_q == ClassBits'(Classes - 1);
  assign m_axis_tvalid = state_q inside {StClass, StMargin, StScores};
  assign m_axis_tlast  = state_q == StScores && last_class;

  always_comb begin
    if (state_q == StAdd) step = s_axis_tvalid;
    else if (m_axis_tvalid) step = m_axis_tready;
    else step = 1'b1;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q <= StAdd;
      class_q <= '0;
      pass_q  <= '0;
    end else if (step) begin
      if (state_q inside {StAdd, StBest, StSecond, StScores}) begin
        class_q <= last_class ? '0 : class_q + 1'b1;
      end
      unique case (state_q)
        StAdd: begin
          if (last_class) begin
            pass_q <= (pass_q == last_pass_i) ? '0 : pass_q + 1'b1;
            if (pass_q == last_pass_i) state_q <= StBest;
          end
        end
        StBest:   if (last_class) state_q <= StKeep;
        StKeep:   state_q <= StSecond;
        StSecond: if (last_class) state_q <= StClass;
        StClass:  state_q <= StMargin;
        StMargin: state_q <= StScores;
        default:  if (last_class) state_q <= StAdd;
      endcase
    end
  end

  // ------------------------------------------------------------------ accumulators

  if (Units == 1) begin : gen_one_unit
    assign lane_q = '0;
    assign s_axis_tready = state_q == StAdd;
  end else begin : gen_units
    logic last_lane;

    assign last_lane = last_class || lane_q == LaneBits'(Units - 1);
    assign s_axis_tready = state_q == StAdd && last_lane;

    always_ff @(posedge aclk) begin
      if (!aresetn) lane_q <= '0;
      else if (state_q == StAdd && step) lane_q <= last_lane ? '0 : lane_q + 1'b1;
    end
  end

  assign score = s_axis_tdata[lane_q*ScoreBits+:ScoreBits];

  always_ff @(posedge aclk) begin
    if (state_q == StAdd && s_axis_tvalid) begin
      sums[class_q] <= SumBits'(score) + (pass_q == '0 ? '0 : sum);
    end
  end

  // ------------------------------------------------------------------ the two scans

  logic larger;

  assign larger = sum > maximum_q;

  always_ff @(posedge aclk) begin
    if (state_q inside {StAdd, StKeep}) begin
      maximum_q <= '0;
    end else if (larger && (state_q == StBest ||
                            (state_q == StSecond && class_q != best_class_q))) begin
      maximum_q <= sum;
    end
    if (state_q == StAdd) best_class_q <= '0;
    else if (larger && state_q == StBest) best_class_q <= class_q;
    if (state_q == StKeep) best_q <= maximum_q;
  end

  always_comb begin
    unique case (state_q)
      StClass:  m_axis_tdata = 16'(best_class_q);
      StMargin: m_axis_tdata = 16'(best_q - maximum_q);
      default:  m_axis_tdata = 16'(sum);
    endcase
  end
endmodule
