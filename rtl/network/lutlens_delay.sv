// Events (valid bits, ends of lines and frames), delayed by a number of clocks. Reset clears them.

module lutlens_delay #(
  parameter int unsigned Width  = 1,
  parameter int unsigned Clocks = 1
) (
  input  logic             aclk,
  input  logic             aresetn,
  input  logic [Width-1:0] events_i,
  output logic [Width-1:0] events_o
);
  if (Clocks < 1) begin : gen_check_clocks
    $error("Clocks must be at least 1");
  end

  logic [Clocks-1:0][Width-1:0] line_q;

  // What falls out at the end of the cast is what was delayed enough.
  always_ff @(posedge aclk) begin
    if (!aresetn) line_q <= '0;
    else line_q <= (Clocks * Width)'({line_q, events_i});
  end

  assign events_o = line_q[Clocks-1];
endmodule
