// An array of registers in distributed RAM, of which the logic looks at one at a time.
//
// Software writes and reads it; the logic takes out an entry when its turn comes. The one read port
// serves the logic first: software's read waits.

module lutlens_settings_memory #(
  parameter int unsigned Width = 8,
  parameter int unsigned Depth = 16
) (
  input  logic                     aclk,
  input  logic                     aresetn,
  // Register accesses, as PeakRDL-regblock's external register file makes them.
  input  logic                     req_i,
  input  logic                     req_is_wr_i,
  input  logic [$clog2(Depth)-1:0] addr_i,
  input  logic [        Width-1:0] wr_data_i,
  output logic                     wr_ack_o,
  output logic                     rd_ack_o,
  output logic [        Width-1:0] rd_data_o,
  // Entry `index_i`, from the next clock until the next `load_i`.
  input  logic                     load_i,
  input  logic [$clog2(Depth)-1:0] index_i,
  output logic [        Width-1:0] entry_o
);
  if (Width < 1 || Width > 32) begin : gen_check_width
    $error("Width must be 1 to 32: an entry is a register");
  end

  (* ram_style = "distributed" *)
  logic [        Width-1:0] memory         [Depth];
  logic [$clog2(Depth)-1:0] read_address;
  logic [$clog2(Depth)-1:0] addr_q;
  logic                     read_pending_q;

  initial begin
    for (int unsigned i = 0; i < Depth; i++) memory[i] = '0;
  end

  assign read_address = load_i ? index_i : addr_q;
  assign rd_data_o    = memory[read_address];
  assign rd_ack_o     = read_pending_q && !load_i;
  assign wr_ack_o     = req_i && req_is_wr_i;

  always_ff @(posedge aclk) begin
    if (wr_ack_o) memory[addr_i] <= wr_data_i;
    if (load_i) entry_o <= rd_data_o;
    if (req_i) addr_q <= addr_i;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) read_pending_q <= 1'b0;
    else if (req_i && !req_is_wr_i) read_pending_q <= 1'b1;
    else if (rd_ack_o) read_pending_q <= 1'b0;
  end
endmodule
