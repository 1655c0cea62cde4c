// Deals images out to several cores in turn.
//
// An image is read from memory once; for its passes the core's `lutlens_replay` gives it again.

module lutlens_deal #(
  parameter int unsigned Cores     = 2,
  // Of the number of an image's beats.
  parameter int unsigned CountBits = 7
) (
  input  logic                       aclk,
  input  logic                       aresetn,
  // Settings; change only while no image is at work.
  input  logic [          3:0]       last_pass_i,    // passes of an image, minus one
  input  logic [CountBits-1:0]       beats_i,        // of an image
  // From the frame reader
  input  logic                       beat_valid_i,
  output logic                       beat_ready_o,
  input  logic [         63:0]       beat_data_i,
  input  logic                       beat_error_i,
  // To the cores
  output logic [    Cores-1:0]       beat_valid_o,
  input  logic [    Cores-1:0]       beat_ready_i,
  output logic [    Cores-1:0][63:0] beat_data_o,
  // One clock, with an image's first beat
  output logic                       frame_first_o,
  // One clock, with its last; `frame_error_o` then says that one of its beats came with an error.
  output logic                       frame_last_o,
  output logic                       frame_error_o
);
  localparam int unsigned CoreBits = $clog2(Cores);

  if (Cores < 2 || Cores != 1 << CoreBits) begin : gen_check_cores
    $error("Cores must be a power of two, at least 2");
  end

  logic [ CoreBits-1:0] core_q;  // whose turn it is
  logic [CountBits-1:0] beat_q;
  logic                 error_q;
  logic [    Cores-1:0] room;
  logic                 take;

  assign beat_ready_o  = room[core_q];
  assign take          = beat_valid_i && beat_ready_o;
  assign frame_first_o = take && beat_q == '0;
  assign frame_last_o  = take && beat_q == beats_i - 1'b1;
  assign frame_error_o = error_q || beat_error_i;

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      core_q  <= '0;
      beat_q  <= '0;
      error_q <= 1'b0;
    end else if (take) begin
      if (frame_last_o) core_q <= core_q + 1'b1;
      beat_q  <= frame_last_o ? '0 : beat_q + 1'b1;
      error_q <= frame_error_o && !frame_last_o;
    end
  end

  for (genvar i = 0; i < Cores; i++) begin : gen_core
    lutlens_replay #(
      .CountBits(CountBits)
    ) u_replay (
      .aclk,
      .aresetn,
      .last_pass_i,
      .beats_i,
      .room_o      (room[i]),
      .write_i     (take && core_q == CoreBits'(i)),
      .write_data_i(beat_data_i),
      .valid_o     (beat_valid_o[i]),
      .data_o      (beat_data_o[i]),
      .read_i      (beat_ready_i[i])
    );
  end
endmodule
