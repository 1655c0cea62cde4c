// Modulator: changes 8-bit pixels from pass to pass, so that passes under the same thresholds differ.
//
// A pixel and an offset, cut to 8 bits: u * Swing / 256 - Swing / 2, where u is the low byte of a shift
// register that steps eight times a pixel and begins anew with an image; or a matrix of 16x16 numbers,
// plus PassStep in every pass. Or a table's entry, for pixel and pass: what a delta-sigma modulator has there.
//
// Pixels lie beside each other with the leftmost one in the lowest bits. A line is whole beats. Latency: four
// clocks, with a table two.

module lutlens_modulator #(
  // 1: shift register, 2: matrix, 3: table.
  parameter int unsigned               Kind      = 1,
  // Of offsets: 1 to 256.
  parameter int unsigned               Swing     = 256,
  // Bytes of the matrix, row by row, or of the table, 256 for each pass.
  parameter int unsigned               Bytes     = 256,
  parameter logic        [8*Bytes-1:0] Table     = '0,
  // Of the thresholds, which travel with the pixels.
  parameter int unsigned               PixelBits = 1,
  // A clock: 1, 2, 4 or 8.
  parameter int unsigned               Pixels    = 1
) (
  input  logic                   aclk,
  input  logic                   aresetn,
  // Passes of an image, minus one. Changes only while no image is at work.
  input  logic [            3:0] last_pass_i,
  // Belongs to the pixels on the stream.
  input  logic [8*PixelBits-1:0] thresholds_i,
  input  logic [   8*Pixels-1:0] s_axis_tdata,
  input  logic                   s_axis_tvalid,
  output logic                   s_axis_tready,
  // With the last pixels of a line.
  input  logic                   s_axis_tuser,
  // With the last pixels of a pass.
  input  logic                   s_axis_tlast,
  output logic [8*PixelBits-1:0] thresholds_o,
  output logic [   8*Pixels-1:0] m_axis_tdata,
  output logic                   m_axis_tvalid,
  input  logic                   m_axis_tready,
  output logic                   m_axis_tuser,
  output logic                   m_axis_tlast
);
  localparam int unsigned Stages = (Kind == 3) ? 2 : 4;

  if (Kind < 1 || Kind > 3) begin : gen_check_kind
    $error("Kind must be 1 to 3");
  end
  if (Swing < 1 || Swing > 256) begin : gen_check_swing
    $error("Swing must be 1 to 256");
  end
  if (Bytes % 256 != 0 || Bytes < 256 || Bytes > 4096) begin : gen_check_bytes
    $error("Bytes must be 256 for each of 1 to 16 passes, or 256 of a matrix");
  end

  logic       advance;
  logic       accepted;
  logic       image_end;
  logic [3:0] pass_q;

  assign advance       = !m_axis_tvalid || m_axis_tready;
  assign s_axis_tready = advance;
  assign accepted      = s_axis_tvalid && s_axis_tready;
  assign image_end     = s_axis_tlast && pass_q == last_pass_i;

  always_ff @(posedge aclk) begin
    if (!aresetn) pass_q <= '0;
    else if (accepted && s_axis_tlast) pass_q <= image_end ? '0 : pass_q + 1;
  end

  // What goes along with the pixels, stage by stage.
  logic [Stages-1:0]                  valid_q;
  logic [Stages-1:0]                  user_q;
  logic [Stages-1:0]                  last_q;
  logic [Stages-1:0][8*PixelBits-1:0] thresholds_q;

  always_ff @(posedge aclk) begin
    if (!aresetn) valid_q <= '0;
    else if (advance) valid_q <= {valid_q[Stages-2:0], s_axis_tvalid};
  end

  always_ff @(posedge aclk) begin
    if (advance) begin
      user_q       <= {user_q[Stages-2:0], s_axis_tuser};
      last_q       <= {last_q[Stages-2:0], s_axis_tlast};
      thresholds_q <= {thresholds_q[Stages-2:0], thresholds_i};
    end
  end

  assign m_axis_tvalid = valid_q[Stages-1];
  assign m_axis_tuser  = user_q[Stages-1];
  assign m_axis_tlast  = last_q[Stages-1];
  assign thresholds_o  = thresholds_q[Stages-1];

  if (Kind == 3) begin : gen_table
    localparam int unsigned AddressBits = $clog2(Bytes);

    for (genvar p = 0; p < Pixels; p++) begin : gen_pixel
      (* rom_style = "block" *)
      logic [ 7:0] rom         [Bytes];
      logic [11:0] address;
      logic [ 7:0] read_q;
      logic        unused_bits;

      // A pass at a time: Yosys unrolls no loop of 4,096.
      for (genvar k = 0; k < Bytes / 256; k++) begin : gen_pass
        initial begin
          for (int unsigned i = 0; i < 256; i++) rom[256*k+i] = Table[8*(256*k+i)+:8];
        end
      end

      assign address     = {pass_q, s_axis_tdata[8*p+:8]};
      assign unused_bits = ^address;

      always_ff @(posedge aclk) begin
        if (advance) begin
          read_q               <= rom[address[AddressBits-1:0]];
          m_axis_tdata[8*p+:8] <= read_q;
        end
      end
    end
  end else begin : gen_offset
    logic [8*Pixels-1:0] numbers;
    logic [8*Pixels-1:0] numbers_q;
    logic [         7:0] phase;
    logic [         7:0] phase_q;

    always_ff @(posedge aclk) begin
      if (advance) begin
        numbers_q <= numbers;
        phase_q   <= phase;
      end
    end

    if (Kind == 1) begin : gen_shift_register
      localparam logic [15:0] Seed = 16'hace1;
      localparam logic [15:0] Taps = 16'hb400;

      logic [    15:0]       state_q;
      logic [Pixels:0][15:0] states;

      // A pixel's steps.
      function automatic logic [15:0] stepped(logic [15:0] state);
        stepped = state;
        for (int unsigned i = 0; i < 8; i++) stepped = (stepped >> 1) ^ (stepped[0] ? Taps : '0);
      endfunction

      assign states[0] = state_q;
      assign phase     = '0;

      for (genvar p = 0; p < Pixels; p++) begin : gen_state
        assign states[p+1]     = stepped(states[p]);
        assign numbers[8*p+:8] = states[p][7:0];
      end

      always_ff @(posedge aclk) begin
        if (!aresetn) state_q <= Seed;
        else if (accepted) state_q <= image_end ? Seed : states[Pixels];
      end
    end else begin : gen_matrix
      localparam logic [7:0] PassStep = 8'd158;
      localparam int unsigned Words = 256 / Pixels;
      localparam int unsigned ColumnBits = $clog2(16 / Pixels);

      logic [  8*Pixels-1:0] rom      [Words];
      logic [           3:0] row_q;
      logic [ColumnBits-1:0] column_q;

      initial begin
        for (int unsigned i = 0; i < Words; i++) rom[i] = Table[8*Pixels*i+:8*Pixels];
      end

      assign numbers = rom[{row_q, column_q}];

      always_ff @(posedge aclk) begin
        if (!aresetn) begin
          row_q    <= '0;
          column_q <= '0;
          phase    <= '0;
        end else if (accepted) begin
          column_q <= (s_axis_tuser || s_axis_tlast) ? '0 : column_q + 1;
          if (s_axis_tlast) begin
            row_q <= '0;
            phase <= image_end ? '0 : phase + PassStep;
          end else if (s_axis_tuser) begin
            row_q <= row_q + 1;
          end
        end
      end
    end

    for (genvar p = 0; p < Pixels; p++) begin : gen_pixel
      logic        [ 2:0][7:0] pixel_q;
      logic        [ 7:0]      number_q;
      logic        [16:0]      scaled;
      logic signed [ 9:0]      offset_q;
      logic signed [ 9:0]      sum;
      logic                    unused_bits;

      assign scaled      = number_q * 9'(Swing);
      assign sum         = signed'({2'b0, pixel_q[2]}) + offset_q;
      assign unused_bits = ^scaled[7:0];

      always_ff @(posedge aclk) begin
        if (advance) begin
          pixel_q              <= {pixel_q[1:0], s_axis_tdata[8*p+:8]};
          number_q             <= numbers_q[8*p+:8] + phase_q;
          offset_q             <= signed'({1'b0, scaled[16:8]}) - 10'(Swing / 2);
          m_axis_tdata[8*p+:8] <= sum[9] ? '0 : (sum[8] ? '1 : sum[7:0]);
        end
      end
    end
  end
endmodule
