// Holds the beats of whole images in block RAM, and gives each image once for every pass.
//
// Room is for two images: one at work, and the next. Latency: two clocks.

module lutlens_replay #(
  // Of the number of an image's beats.
  parameter int unsigned CountBits = 7
) (
  input  logic                 aclk,
  input  logic                 aresetn,
  // Settings; change only while nothing is held.
  input  logic [          3:0] last_pass_i,   // passes of an image, minus one
  input  logic [CountBits-1:0] beats_i,       // of an image
  // Beats; there must be room.
  output logic                 room_o,
  input  logic                 write_i,
  input  logic [         63:0] write_data_i,
  // The next one; stays until it is read.
  output logic                 valid_o,
  output logic [         63:0] data_o,
  input  logic                 read_i
);
  // At least a block RAM's.
  localparam int unsigned AddressBits = (CountBits + 1 > 9) ? CountBits + 1 : 9;

  (* ram_style = "block" *)
  logic [63:0] memory[1 << AddressBits];
  logic [AddressBits:0] write_q;
  logic [AddressBits:0] image_q;  // the first beat of the image that is read
  logic [AddressBits:0] fetch_q;
  logic [CountBits-1:0] beat_q;
  logic [3:0] pass_q;
  logic fetch;  // the next beat takes the place of the one that is read
  logic last_beat;
  logic last_pass;

  assign fetch     = write_q != fetch_q && (!valid_o || read_i);
  assign last_beat = beat_q == beats_i - 1'b1;
  assign last_pass = pass_q == last_pass_i;
  assign room_o    = write_q - image_q < (AddressBits + 1)'({beats_i, 1'b0});

  always_ff @(posedge aclk) begin
    if (write_i) memory[write_q[AddressBits-1:0]] <= write_data_i;
  end

  always_ff @(posedge aclk) begin
    if (fetch) data_o <= memory[fetch_q[AddressBits-1:0]];
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      write_q <= '0;
      image_q <= '0;
      fetch_q <= '0;
      beat_q  <= '0;
      pass_q  <= '0;
      valid_o <= 1'b0;
    end else begin
      if (write_i) write_q <= write_q + 1'b1;
      if (fetch) valid_o <= 1'b1;
      else if (read_i) valid_o <= 1'b0;
      if (fetch) begin
        fetch_q <= (last_beat && !last_pass) ? image_q : fetch_q + 1'b1;
        beat_q  <= last_beat ? '0 : beat_q + 1'b1;
        if (last_beat) pass_q <= last_pass ? '0 : pass_q + 1'b1;
        if (last_beat && last_pass) image_q <= fetch_q + 1'b1;
      end
    end
  end
endmodule
