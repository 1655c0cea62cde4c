// The encoder thresholds of all passes, in distributed RAM.
//
// Software writes and reads them as registers; the unpacker takes out those of the pass that begins.
// The one read port serves the unpacker first: software's read waits.

module lutlens_thresholds #(
  parameter int unsigned PixelBits = 1
) (
  input  logic                   aclk,
  input  logic                   aresetn,
  // Register accesses, as PeakRDL-regblock's external register file makes them.
  input  logic                   req_i,
  input  logic                   req_is_wr_i,
  input  logic [            3:0] addr_i,
  input  logic [8*PixelBits-1:0] wr_data_i,
  output logic                   wr_ack_o,
  output logic                   rd_ack_o,
  output logic [8*PixelBits-1:0] rd_data_o,
  // The thresholds of `pass_i`, from the next clock until the next `load_i`.
  input  logic                   load_i,
  input  logic [            3:0] pass_i,
  output logic [8*PixelBits-1:0] thresholds_o
);
  localparam int unsigned Passes = 16;

  if (PixelBits < 1 || PixelBits > 4) begin : gen_check_bits
    $error("PixelBits must be 1 to 4: that many bytes fit in a register");
  end

  (* ram_style = "distributed" *)
  logic [8*PixelBits-1:0] memory         [Passes];
  logic [            3:0] read_address;
  logic [            3:0] addr_q;
  logic                   read_pending_q;

  initial begin
    for (int unsigned pass = 0; pass < Passes; pass++) memory[pass] = '0;
  end

  assign read_address = load_i ? pass_i : addr_q;
  assign rd_data_o    = memory[read_address];
  assign rd_ack_o     = read_pending_q && !load_i;
  assign wr_ack_o     = req_i && req_is_wr_i;

  always_ff @(posedge aclk) begin
    if (wr_ack_o) memory[addr_i] <= wr_data_i;
    if (load_i) thresholds_o <= rd_data_o;
    if (req_i) addr_q <= addr_i;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) read_pending_q <= 1'b0;
    else if (req_i && !req_is_wr_i) read_pending_q <= 1'b1;
    else if (rd_ack_o) read_pending_q <= 1'b0;
  end
endmodule
