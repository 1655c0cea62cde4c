// Four LEDs that a passer-by can read: alive, working, seeing, wrong.
//
// Events of one clock become visible: such an LED is lit for one whole period of 2^PeriodBits clocks
// after a period in which there was an event; some 40 ms at 100 MHz.

module lutlens_leds #(
  parameter int unsigned PeriodBits = 22
) (
  input  logic       aclk,
  input  logic       aresetn,
  input  logic       frame_i,  // one clock: a result has reached the memory
  input  logic       seen_i,   // with frame_i: something was recognised in it
  input  logic       error_i,  // level
  output logic [3:0] led_o     // heartbeat, frame, seen, error
);
  // The heartbeat changes every 16 periods: 0.7 s at 100 MHz.
  logic [PeriodBits+4:0] time_q;
  logic                  period_end;
  logic                  frame_q;
  logic                  seen_q;

  assign period_end = time_q[PeriodBits-1:0] == '1;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      time_q  <= '0;
      frame_q <= 1'b0;
      seen_q  <= 1'b0;
      led_o   <= '0;
    end else begin
      time_q   <= time_q + 1'b1;
      frame_q  <= frame_i || (frame_q && !period_end);
      seen_q   <= (frame_i && seen_i) || (seen_q && !period_end);
      led_o[0] <= time_q[PeriodBits+4];
      if (period_end) led_o[2:1] <= {seen_q, frame_q};
      led_o[3] <= error_i;
    end
  end
endmodule
