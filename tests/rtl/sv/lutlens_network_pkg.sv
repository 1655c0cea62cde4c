// Parameters of the stand-in network; a test's build may define others.

`ifndef PIXEL_BITS
`define PIXEL_BITS 1
`define CLASSES 10
`define SCORE_BITS 7
`define UNITS 1
`define IMAGE_WIDTH 28
`define IMAGE_HEIGHT 28
`endif

/* verilator lint_off UNUSEDPARAM */

package lutlens_network_pkg;
  localparam int PIXELS = 1;
  localparam int CHANNELS = 1;
  localparam int VALUES = 1;
  localparam int PIXEL_BITS = `PIXEL_BITS;
  localparam int CLASSES = `CLASSES;
  localparam int SCORE_BITS = `SCORE_BITS;
  localparam int UNITS = `UNITS;
  localparam int BEATS = (CLASSES + UNITS - 1) / UNITS;
  localparam int MODULATOR = 0;
  localparam int MODULATOR_SWING = 256;
  localparam int MODULATOR_BYTES = 256;
  localparam logic [8*MODULATOR_BYTES-1:0] MODULATOR_TABLE = '0;
  localparam int IMAGE_WIDTH = `IMAGE_WIDTH;
  localparam int IMAGE_HEIGHT = `IMAGE_HEIGHT;
  localparam int MAX_WIDTH = 640;
  localparam logic [63:0] BUILD_ID = 64'h0123_4567_89ab_cdef;
  localparam int LATENCY = 24;
endpackage
