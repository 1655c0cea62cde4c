// The best class of two groups, its score, and the best score of all the other classes. No latency.
//
// Of equal scores the one of group a, which has the lower classes, is the best. A group of no classes
// has the scores 0.

module lutlens_top_two #(
  parameter int unsigned SumBits   = 10,
  parameter int unsigned ClassBits = 4
) (
  input  logic [  SumBits-1:0] a_best_i,
  input  logic [ClassBits-1:0] a_class_i,
  input  logic [  SumBits-1:0] a_second_i,
  input  logic [  SumBits-1:0] b_best_i,
  input  logic [ClassBits-1:0] b_class_i,
  input  logic [  SumBits-1:0] b_second_i,
  output logic [  SumBits-1:0] best_o,
  output logic [ClassBits-1:0] class_o,
  output logic [  SumBits-1:0] second_o
);
  logic b_wins;

  assign b_wins  = b_best_i > a_best_i;
  assign best_o  = b_wins ? b_best_i : a_best_i;
  assign class_o = b_wins ? b_class_i : a_class_i;

  // Three comparisons beside each other are faster than two behind each other.
  always_comb begin
    if (b_wins) second_o = (a_best_i > b_second_i) ? a_best_i : b_second_i;
    else second_o = (b_best_i > a_second_i) ? b_best_i : a_second_i;
  end
endmodule
