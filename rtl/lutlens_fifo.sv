// A small first-word-fall-through FIFO in distributed RAM.
//
// There is no full flag: the writer reserves room before it writes (see lutlens_frame_reader).
// Latency: a word written in one clock can be read in the next.

module lutlens_fifo #(
  parameter int unsigned Width = 65,
  parameter int unsigned Depth = 64
) (
  input  logic             aclk,
  input  logic             aresetn,
  // Forget the content.
  input  logic             clear_i,
  input  logic             write_i,
  input  logic [Width-1:0] write_data_i,
  // The oldest word; stays until it is read.
  output logic             valid_o,
  output logic [Width-1:0] data_o,
  input  logic             read_i
);
  localparam int unsigned AddressBits = $clog2(Depth);

  if (Depth < 2 || Depth != 1 << AddressBits) begin : gen_check_depth
    $error("Depth must be a power of two, at least 2");
  end

  (* ram_style = "distributed" *)
  logic [Width-1:0] memory[Depth];
  logic [AddressBits:0] write_q;
  logic [AddressBits:0] read_q;

  assign valid_o = write_q != read_q;
  assign data_o  = memory[read_q[AddressBits-1:0]];

  always_ff @(posedge aclk) begin
    if (write_i) memory[write_q[AddressBits-1:0]] <= write_data_i;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      write_q <= '0;
      read_q  <= '0;
    end else begin
      if (write_i) write_q <= write_q + 1'b1;
      if (valid_o && read_i) read_q <= read_q + 1'b1;
    end
  end
endmodule
