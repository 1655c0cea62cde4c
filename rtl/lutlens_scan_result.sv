// The result of one frame on its way to memory: beats of the map, windows, and what the header says.
//
// It holds one frame's result at a time: after the frame's last cell none of the next frame may come
// before `done_i`.

module lutlens_scan_result #(
  // Windows that are listed.
  parameter int unsigned Windows      = 256,
  // Of a margin.
  parameter int unsigned StrengthBits = 12
) (
  input  logic        aclk,
  input  logic        aresetn,
  // The result has been written; make room for the next one.
  input  logic        done_i,
  // Room for 16 cells, and a window with each
  output logic        room_o,
  // Cells; with the frame's last one, column and row are those of the map's last position.
  input  logic        cell_valid_i,
  input  logic [31:0] cell_i,
  input  logic [15:0] column_i,
  input  logic [15:0] row_i,
  input  logic        frame_last_i,
  input  logic        window_valid_i,
  input  logic [63:0] window_i,
  // Beats of the map, two cells each
  output logic [ 9:0] map_count_o,
  output logic        map_valid_o,
  output logic [63:0] map_data_o,
  input  logic        map_read_i,
  // Beats of the windows that are listed, once they are chosen
  output logic        chosen_o,
  output logic [10:0] window_count_o,
  output logic        window_valid_o,
  output logic [63:0] window_data_o,
  input  logic        window_read_i,
  // The frame's last cell has come; then the rest stays as it is until `done_i`.
  output logic        complete_o,
  output logic [15:0] columns_o,
  output logic [15:0] rows_o,
  output logic [15:0] listed_o,
  output logic [15:0] found_o
);
  localparam int unsigned MapDepth = 512;

  // ------------------------------------------------------------------ map

  logic        half_q;  // the lower cell of a beat is there
  logic [31:0] lower_q;
  logic        map_write;
  logic [63:0] map_beat;

  assign map_write = cell_valid_i && (half_q || frame_last_i);
  assign map_beat  = half_q ? {cell_i, lower_q} : {32'b0, cell_i};

  always_ff @(posedge aclk) begin
    if (!aresetn) half_q <= 1'b0;
    else if (cell_valid_i) half_q <= !map_write;
    if (cell_valid_i) lower_q <= cell_i;
  end

  lutlens_block_fifo #(
    .Width(64),
    .Depth(MapDepth)
  ) u_map (
    .aclk,
    .aresetn,
    .clear_i     (1'b0),
    .write_i     (map_write),
    .write_data_i(map_beat),
    .valid_o     (map_valid_o),
    .data_o      (map_data_o),
    .read_i      (map_read_i),
    .count_o     (map_count_o)
  );

  // ------------------------------------------------------------------ windows

  logic windows_room;

  lutlens_scan_strongest #(
    .Windows     (Windows),
    .StrengthBits(StrengthBits)
  ) u_windows (
    .aclk,
    .aresetn,
    .room_o    (windows_room),
    .window_valid_i,
    .window_i,
    .complete_i(complete_o),
    .done_i,
    .chosen_o,
    .listed_o,
    .count_o   (window_count_o),
    .valid_o   (window_valid_o),
    .data_o    (window_data_o),
    .read_i    (window_read_i)
  );

  always_ff @(posedge aclk) room_o <= windows_room && map_count_o < 10'(MapDepth - 16);

  always_ff @(posedge aclk) begin
    if (!aresetn || done_i) begin
      found_o <= '0;
    end else begin
      if (window_valid_i && found_o != '1) found_o <= found_o + 1'b1;
    end
  end

  // ------------------------------------------------------------------ end of the frame

  always_ff @(posedge aclk) begin
    if (!aresetn || done_i) complete_o <= 1'b0;
    else if (cell_valid_i && frame_last_i) complete_o <= 1'b1;
    if (cell_valid_i) begin
      columns_o <= column_i + 1'b1;
      rows_o    <= row_i + 1'b1;
    end
  end
endmodule
