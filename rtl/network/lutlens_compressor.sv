// Adds bits of weight 1, 2 and 4, at most six: one LUT for each bit of the sum. Latency: one clock.

module lutlens_compressor #(
  parameter int unsigned Ones    = 6,
  parameter int unsigned Twos    = 0,
  parameter int unsigned Fours   = 0,
  // Bits of the sum that can be other than zero.
  parameter int unsigned SumBits = 3
) (
  input  logic                         aclk,
  // Fours, twos, ones, from the top.
  input  logic [Ones+Twos+Fours-1:0] bits_i,
  output logic [        SumBits-1:0] sum_o
);
  localparam int unsigned Inputs = Ones + Twos + Fours;

  if (Inputs < 1 || Inputs > 6) begin : gen_check_inputs
    $error("One to six bits can be added");
  end

  // Bit `position` of the sum, for each address.
  function automatic logic [2**Inputs-1:0] sum_table(int unsigned position);
    for (int unsigned address = 0; address < 2 ** Inputs; address++) begin
      int unsigned sum = 0;
      for (int unsigned i = 0; i < Inputs; i++) begin
        if (address[i]) sum += (i < Ones) ? 1 : (i < Ones + Twos) ? 2 : 4;
      end
      sum_table[address] = 1'(sum >> position);
    end
  endfunction

  for (genvar i = 0; i < SumBits; i++) begin : gen_bit
    lutlens_node #(
      .Inputs(Inputs),
      .Table (sum_table(i))
    ) u_node (
      .aclk,
      .in_i (bits_i),
      .out_o(sum_o[i])
    );
  end
endmodule
