// Where in a ring a frame or a result lies: its number modulo the ring's slots, times their distance,
// a bit a clock, from the highest.

module lutlens_ring_slot #(
  parameter int unsigned Width = 29
) (
  input  logic             aclk,
  // Back to the highest bit
  input  logic             clear_i,
  input  logic             step_i,
  input  logic [     15:0] number_i,
  input  logic [     15:0] slots_i,   // a power of two
  input  logic [Width-1:0] stride_i,
  output logic [      3:0] bit_o,     // that the next step takes
  output logic [Width-1:0] offset_o   // when it has taken bit 0
);
  logic inside_q;  // this bit of the number is one of the slot's

  always_ff @(posedge aclk) begin
    if (clear_i) begin
      bit_o    <= '1;
      inside_q <= 1'b0;
      offset_o <= '0;
    end else if (step_i) begin
      bit_o    <= bit_o - 1'b1;
      inside_q <= inside_q || slots_i[bit_o];
      offset_o <= {offset_o[Width-2:0], 1'b0} + (inside_q && number_i[bit_o] ? stride_i : '0);
    end
  end
endmodule
