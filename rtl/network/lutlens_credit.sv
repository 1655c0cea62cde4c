// Says in time when a queue's room gets scarce. Nothing that is on its way to a queue can wait: when
// `room_o` falls, at most `Reserve` more words may come.

module lutlens_credit #(
  parameter int unsigned Depth   = 16,
  parameter int unsigned Reserve = 8
) (
  input  logic aclk,
  input  logic aresetn,
  // A word comes, a word has left.
  input  logic take_i,
  input  logic free_i,
  output logic room_o
);
  localparam int unsigned CountBits = $clog2(Depth + 1);

  if (Reserve >= Depth) begin : gen_check_reserve
    $error("Depth must be more than Reserve");
  end

  logic [CountBits-1:0] count_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      count_q <= '0;
      room_o  <= 1'b0;
    end else begin
      if (take_i && !free_i) count_q <= count_q + 1'b1;
      else if (free_i && !take_i) count_q <= count_q - 1'b1;
      room_o <= count_q <= CountBits'(Depth - Reserve);
    end
  end
endmodule
