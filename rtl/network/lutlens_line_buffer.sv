// The earlier rows of a column, one word for every column of a line, in block RAM or in LUTs.
//
// A position (`valid_i`) reads its column's word, which is there one clock later; in that clock the
// word to put in its place is taken. Columns are numbered by a shift register with feedback, which
// costs a LUT where a counter costs one a bit: all that matters is that no two columns of a line
// share an address. The end of a line (`eol_i`, with or after its last position) starts again.
//
// Two positions that follow each other must not be of the same column.

module lutlens_line_buffer #(
  parameter int unsigned Width   = 1,
  // Positions in a line, at most.
  parameter int unsigned Columns = 640,
  // In LUTs, not in block RAM.
  parameter bit          InLuts  = 1'b0
) (
  input  logic             aclk,
  input  logic             aresetn,
  input  logic             valid_i,
  input  logic             eol_i,
  // Of the position one clock ago.
  output logic [Width-1:0] word_o,
  input  logic [Width-1:0] word_i
);
  localparam int unsigned AddressBits = (Columns < 4) ? 2 : $clog2(Columns);
  // The register visits all states but one; that one is only needed if all are.
  localparam bit AllStates = Columns == 2 ** AddressBits;
  localparam logic [12:0] Taps = taps(AddressBits);

  if (Columns < 1 || Columns > 8192) begin : gen_check_columns
    $error("Columns must be 1 to 8192");
  end

  // Feedback polynomials of maximal length.
  function automatic logic [12:0] taps(int unsigned bits);
    unique case (bits)
      2: return 13'h0003;
      3: return 13'h0006;
      4: return 13'h000c;
      5: return 13'h0014;
      6: return 13'h0030;
      7: return 13'h0060;
      8: return 13'h00b8;
      9: return 13'h0110;
      10: return 13'h0240;
      11: return 13'h0500;
      12: return 13'h0829;
      default: return 13'h100d;
    endcase
  endfunction

  logic [AddressBits-1:0] address_q;
  logic [AddressBits-1:0] written_q;
  logic                   feedback;
  logic                   valid_q;

  assign feedback = ^(address_q & Taps[AddressBits-1:0]) ^
      (AllStates && address_q[AddressBits-2:0] == '0);

  always_ff @(posedge aclk) begin
    if (!aresetn || eol_i) address_q <= '1;
    else if (valid_i) address_q <= {address_q[AddressBits-2:0], feedback};
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= 1'b0;
    else valid_q <= valid_i;
    written_q <= address_q;
  end

  if (InLuts) begin : gen_luts
    (* ram_style = "distributed" *)
    logic [Width-1:0] memory[2**AddressBits];

    always_ff @(posedge aclk) begin
      if (valid_i) word_o <= memory[address_q];
    end

    always_ff @(posedge aclk) begin
      if (valid_q) memory[written_q] <= word_i;
    end
  end else begin : gen_block
    (* ram_style = "block" *)
    logic [Width-1:0] memory[2**AddressBits];

    always_ff @(posedge aclk) begin
      if (valid_i) word_o <= memory[address_q];
    end

    always_ff @(posedge aclk) begin
      if (valid_q) memory[written_q] <= word_i;
    end
  end
endmodule
