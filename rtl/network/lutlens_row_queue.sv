// Keeps beats of a line until the stages behind take them, in block RAM.
//
// A stage with a stride in y fires on some lines only. Between those, the stages behind this queue go
// on with what it has kept; so they need fewer lanes. A beat of LanesIn positions leaves as LanesIn /
// LanesOut beats, the leftmost positions first, and these at least Pace clocks apart.
//
// Ends of lines and frames that come without a position are kept as beats without one.

module lutlens_row_queue #(
  // Of one position.
  parameter int unsigned Width    = 1,
  parameter int unsigned LanesIn  = 2,
  parameter int unsigned LanesOut = 1,
  parameter int unsigned Pace     = 1,
  // In beats of LanesIn; at most Reserve may come after `room_o` has fallen.
  parameter int unsigned Depth    = 64,
  parameter int unsigned Reserve  = 16
) (
  input  logic                      aclk,
  input  logic                      aresetn,
  output logic                      room_o,
  input  logic                      valid_i,
  input  logic                      eol_i,
  input  logic                      eof_i,
  input  logic [ LanesIn*Width-1:0] data_i,
  // The stages behind have room.
  input  logic                      room_i,
  output logic                      valid_o,
  output logic                      eol_o,
  output logic                      eof_o,
  output logic [LanesOut*Width-1:0] data_o
);
  localparam int unsigned Parts = LanesIn / LanesOut;
  localparam int unsigned AddressBits = $clog2(Depth);

  if (Depth < 2 || Depth != 1 << AddressBits) begin : gen_check_depth
    $error("Depth must be a power of two, at least 2");
  end
  if (Parts < 1 || Parts * LanesOut != LanesIn) begin : gen_check_lanes
    $error("LanesOut must divide LanesIn");
  end

  typedef struct packed {
    logic valid;
    logic eol;
    logic eof;
    logic [Parts-1:0][LanesOut*Width-1:0] data;
  } beat_t;

  logic write;
  logic fetch;
  logic step;
  logic leaves;

  // ------------------------------------------------------------------ memory

  (* ram_style = "block" *)
  beat_t memory[Depth];
  beat_t beat_q;
  logic [AddressBits-1:0] write_q;
  logic [AddressBits-1:0] read_q;
  logic [AddressBits:0] kept;
  logic loaded_q;

  assign write = valid_i || eol_i || eof_i;
  assign fetch = kept != '0 && (!loaded_q || leaves);

  always_ff @(posedge aclk) begin
    if (write) memory[write_q] <= {valid_i, eol_i, eof_i, data_i};
  end

  always_ff @(posedge aclk) begin
    if (fetch) beat_q <= memory[read_q];
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      write_q  <= '0;
      read_q   <= '0;
      loaded_q <= 1'b0;
    end else begin
      if (write) write_q <= write_q + 1'b1;
      if (fetch) read_q <= read_q + 1'b1;
      loaded_q <= fetch || (loaded_q && !leaves);
    end
  end

  lutlens_credit #(
    .Depth  (Depth),
    .Reserve(Reserve)
  ) u_credit (
    .aclk,
    .aresetn,
    .take_i (write),
    .free_i (fetch),
    .count_o(kept),
    .room_o
  );

  // ------------------------------------------------------------------ parts of a beat

  logic last_part;
  logic rested;

  assign step   = loaded_q && room_i && rested;
  assign leaves = step && last_part;

  always_ff @(posedge aclk) begin
    valid_o <= aresetn && step && beat_q.valid;
    eol_o   <= aresetn && leaves && beat_q.eol;
    eof_o   <= aresetn && leaves && beat_q.eof;
  end

  lutlens_countdown #(
    .Count(Pace - 1)
  ) u_rest (
    .aclk,
    .aresetn,
    .step_i   (1'b1),
    .restart_i(step && beat_q.valid),
    .over_o   (rested)
  );

  if (Parts == 1) begin : gen_whole
    assign last_part = 1'b1;

    always_ff @(posedge aclk) data_o <= beat_q.data;
  end else begin : gen_parts
    logic [$clog2(Parts)-1:0] part_q;

    assign last_part = part_q == $clog2(Parts)'(Parts - 1);

    always_ff @(posedge aclk) data_o <= beat_q.data[part_q];

    always_ff @(posedge aclk) begin
      if (!aresetn) part_q <= '0;
      else if (step) part_q <= part_q + 1'b1;
    end
  end
endmodule
