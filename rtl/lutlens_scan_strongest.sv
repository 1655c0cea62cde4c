// Of a frame's windows those that are listed: the strongest, of equally strong ones the first, in the
// order in which they come.
//
// A bar rises while windows come. How many have each strength above it is counted in block RAM; when
// those are more than can be listed, the bar is raised to the weakest of them, a step in a clock without
// windows. What places they then leave belong to the first ones of those just at the
// bar; enough of them have come, so a window that is not above the bar when it comes is forgotten.
//
// The others are kept in order. When there are many, and when the frame is complete, each is looked at
// once more and stays if it still counts, a clock each.

module lutlens_scan_strongest #(
  // That are listed.
  parameter int unsigned Windows      = 256,
  // Of a margin.
  parameter int unsigned StrengthBits = 12
) (
  input  logic        aclk,
  input  logic        aresetn,
  // Room for 16 windows, which come within 32 clocks
  output logic        room_o,
  // Never in two successive clocks
  input  logic        window_valid_i,
  input  logic [63:0] window_i,
  // All of the frame's windows have come; stays until `done_i`.
  input  logic        complete_i,
  // Those that are listed have been read.
  input  logic        done_i,
  // From now on nothing but they can be read.
  output logic        chosen_o,
  output logic [15:0] listed_o,
  output logic [10:0] count_o,
  output logic        valid_o,
  output logic [63:0] data_o,
  input  logic        read_i
);
  // Kept: at least twice as many as stay, and what a block RAM holds.
  localparam int unsigned Depth = (Windows > 256) ? 2 << $clog2(Windows) : 512;
  localparam int unsigned Reserve = 32;
  localparam int unsigned KeptBits = $clog2(Depth + 1);
  localparam int unsigned CountBits = $clog2(Depth);
  // Where a window holds its margin.
  localparam int unsigned Margin = 44;

  if (Windows < 1 || Windows > 1024) begin : gen_check_windows
    $error("Windows must be 1 to 1024");
  end
  if (StrengthBits < 1 || StrengthBits > 12) begin : gen_check_strength_bits
    $error("StrengthBits must be 1 to 12: a cell's margin");
  end

  typedef logic [StrengthBits-1:0] strength_t;
  typedef logic [CountBits-1:0] count_t;

  typedef enum logic [1:0] {
    StClear,   // the counts that the last flush left
    StArrive,
    StSift,
    StChosen
  } state_e;

  state_e state_q;
  strength_t bar_q;
  logic [KeptBits-1:0] free_q;  // places that those above the bar leave; negative: too many
  logic raise;
  logic raised_q;
  logic arrived_q;
  logic settled;

  // ------------------------------------------------------------------ windows that may be listed

  strength_t strength;
  logic arrive;
  logic [KeptBits-1:0] kept;
  logic many;
  logic [4:0] settle_q;  // clocks without room, so that none is on its way
  strength_t kept_strength;
  logic look;
  logic stay;
  logic last_q;  // look before they are listed
  logic [KeptBits-1:0] left_q;  // to look at
  logic [KeptBits-1:0] equals_q;  // of those just at the bar, may still stay

  assign strength      = window_i[Margin+:StrengthBits];
  assign arrive        = window_valid_i && strength > bar_q;
  assign many          = kept >= KeptBits'(Depth - Reserve);
  assign settled       = settle_q == '1;
  assign room_o        = state_q == StArrive && !many;
  assign kept_strength = data_o[Margin+:StrengthBits];
  assign look          = state_q == StSift && valid_o && left_q != '0;
  assign stay          = kept_strength > bar_q || (kept_strength == bar_q && equals_q != '0);
  assign chosen_o      = state_q == StChosen;
  assign count_o       = 11'(kept);

  lutlens_block_fifo #(
    .Width(64),
    .Depth(Depth)
  ) u_kept (
    .aclk,
    .aresetn,
    .clear_i     (1'b0),
    .write_i     (arrive || (look && stay)),
    .write_data_i((state_q == StSift) ? data_o : window_i),
    .valid_o,
    .data_o,
    .read_i      (look || (chosen_o && read_i)),
    .count_o     (kept)
  );

  always_ff @(posedge aclk) begin
    if (!many) settle_q <= '0;
    else if (!settled) settle_q <= settle_q + 1'b1;
    if (state_q == StArrive) begin
      last_q   <= complete_i;
      left_q   <= kept;
      equals_q <= free_q;
    end else if (look) begin
      left_q <= left_q - 1'b1;
      if (kept_strength == bar_q && equals_q != '0) equals_q <= equals_q - 1'b1;
    end
    if (state_q == StSift) listed_o <= 16'(kept);
  end

  // ------------------------------------------------------------------ windows of each strength above the bar

  (* ram_style = "block" *)
  count_t    counts        [1 << StrengthBits];
  count_t    count_q;
  strength_t strength_q;
  logic      write;
  strength_t write_address;
  count_t    write_data;

  always_comb begin
    write_data = '0;
    if (arrived_q) begin
      write         = 1'b1;
      write_address = strength_q;
      write_data    = count_q + 1'b1;
    end else if (state_q == StSift) begin
      write         = look && last_q;
      write_address = kept_strength;
    end else begin
      write         = raised_q || state_q == StClear;
      write_address = bar_q;
    end
  end

  always_ff @(posedge aclk) begin
    if (write) counts[write_address] <= write_data;
  end

  always_ff @(posedge aclk) begin
    count_q    <= counts[window_valid_i ? strength : bar_q+1'b1];
    strength_q <= strength;
  end

  // ------------------------------------------------------------------ the bar

  logic quiet;  // all is counted that has come

  assign quiet = !window_valid_i && !arrived_q && !raised_q;
  assign raise = state_q == StArrive && !window_valid_i && !arrived_q && free_q[KeptBits-1] &&
      !(raised_q && count_q != '0);

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      state_q   <= StClear;
      bar_q     <= '0;
      free_q    <= KeptBits'(Windows);
      arrived_q <= 1'b0;
      raised_q  <= 1'b0;
    end else begin
      arrived_q <= arrive;
      raised_q  <= raise;
      if (arrived_q) free_q <= free_q - 1'b1;
      else if (raised_q) free_q <= free_q + KeptBits'(count_q);
      if (raise) bar_q <= bar_q + 1'b1;
      unique case (state_q)
        StClear: begin
          bar_q <= bar_q + 1'b1;
          if (bar_q == '1) state_q <= StArrive;
        end
        StArrive: if (quiet && !raise && (complete_i || settled)) state_q <= StSift;
        StSift:   if (left_q == '0) state_q <= last_q ? StChosen : StArrive;
        default: begin
          if (done_i) begin
            state_q <= StArrive;
            bar_q   <= '0;
            free_q  <= KeptBits'(Windows);
          end
        end
      endcase
    end
  end
endmodule
