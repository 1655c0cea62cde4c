// What has to be remembered of the frames between the unpacker and their record: when each one's first
// pixel went into the core, and whether it was read with an error. Frame n is entry n modulo 16.

module lutlens_frame_table (
  input  logic        aclk,
  // While high, the next frame to come is number `start_index_i`.
  input  logic        flush_i,
  input  logic [ 3:0] start_index_i,
  input  logic [31:0] cycles_i,
  // From the unpacker
  input  logic        frame_first_i,
  input  logic        frame_last_i,
  input  logic        frame_error_i,
  // Of the frame whose record is due
  input  logic [ 3:0] index_i,
  output logic [31:0] start_cycles_o,
  output logic        error_o
);
  (* ram_style = "distributed" *)
  logic [31:0] start_cycles[16];
  (* ram_style = "distributed" *)
  logic        error       [16];
  logic [ 3:0] index_q;

  assign start_cycles_o = start_cycles[index_i];
  assign error_o        = error[index_i];

  always_ff @(posedge aclk) begin
    if (flush_i) index_q <= start_index_i;
    else if (frame_last_i) index_q <= index_q + 1'b1;
    if (frame_first_i) start_cycles[index_q] <= cycles_i;
    if (frame_last_i) error[index_q] <= frame_error_i;
  end
endmodule
