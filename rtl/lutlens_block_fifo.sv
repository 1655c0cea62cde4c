// A first-word-fall-through FIFO in block RAM.
//
// There is no full flag: the writer reserves room, or looks at `count_o`.
// Latency: a word written in one clock can be read two clocks later.

module lutlens_block_fifo #(
  parameter int unsigned Width = 65,
  parameter int unsigned Depth = 512
) (
  input  logic                       aclk,
  input  logic                       aresetn,
  // Forget the content.
  input  logic                       clear_i,
  input  logic                       write_i,
  input  logic [          Width-1:0] write_data_i,
  // The oldest word; stays until it is read.
  output logic                       valid_o,
  output logic [          Width-1:0] data_o,
  input  logic                       read_i,
  // Words inside.
  output logic [$clog2(Depth+1)-1:0] count_o
);
  localparam int unsigned AddressBits = $clog2(Depth);

  if (Depth < 2 || Depth != 1 << AddressBits) begin : gen_check_depth
    $error("Depth must be a power of two, at least 2");
  end

  (* ram_style = "block" *)
  logic [    Width-1:0] memory                                                [Depth];
  logic [AddressBits:0] write_q;
  logic [AddressBits:0] fetch_q;
  logic                 fetch;  // the next word takes the place of the oldest
  logic                 read;

  assign fetch = write_q != fetch_q && (!valid_o || read_i);
  assign read  = valid_o && read_i;

  always_ff @(posedge aclk) begin
    if (write_i) memory[write_q[AddressBits-1:0]] <= write_data_i;
  end

  always_ff @(posedge aclk) begin
    if (fetch) data_o <= memory[fetch_q[AddressBits-1:0]];
  end

  always_ff @(posedge aclk) begin
    if (!aresetn || clear_i) begin
      write_q <= '0;
      fetch_q <= '0;
      valid_o <= 1'b0;
      count_o <= '0;
    end else begin
      if (write_i) write_q <= write_q + 1'b1;
      if (fetch) fetch_q <= fetch_q + 1'b1;
      if (fetch) valid_o <= 1'b1;
      else if (read_i) valid_o <= 1'b0;
      if (write_i && !read) count_o <= count_o + 1'b1;
      else if (read && !write_i) count_o <= count_o - 1'b1;
    end
  end
endmodule
