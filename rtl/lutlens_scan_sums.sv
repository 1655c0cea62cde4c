// The sums of a frame's scores: block RAM with a read and a write port. Latency of a read: two clocks.

module lutlens_scan_sums #(
  parameter int unsigned Width = 60,
  parameter int unsigned Depth = 9216
) (
  input  logic                     aclk,
  input  logic [$clog2(Depth)-1:0] read_address_i,
  output logic [        Width-1:0] read_data_o,
  input  logic                     write_i,
  input  logic [$clog2(Depth)-1:0] write_address_i,
  input  logic [        Width-1:0] write_data_i
);
  (* ram_style = "block" *)
  logic [Width-1:0] memory [Depth];
  logic [Width-1:0] read_q;

  always_ff @(posedge aclk) begin
    if (write_i) memory[write_address_i] <= write_data_i;
  end

  always_ff @(posedge aclk) begin
    read_q      <= memory[read_address_i];
    read_data_o <= read_q;
  end
endmodule
