// What has to be remembered of the frames between the unpacker and their record: when each one's first
// pixel went into its core, and whether it was read with an error. Frame n is entry n, modulo their number.

module lutlens_frame_table #(
  // Of the number of entries
  parameter int unsigned FrameBits = 4
) (
  input  logic                 aclk,
  // While high, the next frame to come is number `start_index_i`.
  input  logic                 flush_i,
  input  logic [FrameBits-1:0] start_index_i,
  input  logic [         31:0] cycles_i,
  // From what hands frames to the core
  input  logic                 frame_first_i,
  input  logic                 frame_last_i,
  input  logic                 frame_error_i,
  // Of the oldest frame
  input  logic [FrameBits-1:0] oldest_i,
  output logic [         31:0] start_cycles_o,
  // Of the frame whose record is written
  input  logic [FrameBits-1:0] index_i,
  output logic                 error_o
);
  (* ram_style = "distributed" *)
  logic [         31:0] start_cycles[1 << FrameBits];
  (* ram_style = "distributed" *)
  logic                 error       [1 << FrameBits];
  logic [FrameBits-1:0] index_q;

  assign start_cycles_o = start_cycles[oldest_i];
  assign error_o        = error[index_i];

  always_ff @(posedge aclk) begin
    if (flush_i) index_q <= start_index_i;
    else if (frame_last_i) index_q <= index_q + 1'b1;
    if (frame_first_i) start_cycles[index_q] <= cycles_i;
    // With the first pixels, too: where a network does not use the last rows, its record is ahead of them.
    if (frame_first_i || frame_last_i) error[index_q] <= frame_error_i;
  end
endmodule
