// Runs a generated network over images, LANES of them at a time.
#include <stdlib.h>
#include <string.h>

#include "lanes.h"

enum { BYTES = LANES / 8, SCORE_BITS = 16 };

// Bits of one position after another, `channels` each: a map of the input or of a stage's output.
struct map {
  lanes *bits;
  int rows, columns, channels;
};

static size_t map_size(const struct map *map) {
  return (size_t)map->rows * map->columns * map->channels;
}

static lanes *allocate(size_t words) {
  return aligned_alloc(BYTES, (words + !words) * sizeof(lanes));
}

// Room that one block of lanes needs from its pixels to its scores.
struct workspace {
  struct map *map;  // one for each stage, and the input
  lanes *window, *node, *output;
  lanes *total;     // SCORE_BITS words for each output position and class
  uint8_t *packed;  // one row of pixels, compared, eight lanes in a byte
};

static void release(struct workspace *w) {
  for (int i = 0; w->map && i <= network.stages; i++) free(w->map[i].bits);
  free(w->map);
  free(w->window);
  free(w->node);
  free(w->output);
  free(w->total);
  free(w->packed);
}

static int prepare(struct workspace *w, int rows, int columns) {
  memset(w, 0, sizeof *w);
  w->map = calloc(network.stages + 1, sizeof *w->map);
  if (!w->map) return 0;
  int channels = network.channels * network.encoder_bits;
  size_t window = 0, node = 0, output = 0;
  w->map[0] = (struct map){.rows = rows, .columns = columns, .channels = channels};
  for (int i = 0; i < network.stages; i++) {
    const struct stage *s = &network.stage[i];
    rows = ((rows - s->window[0]) / s->stride[0] + 1) / s->pool[0];
    columns = ((columns - s->window[1]) / s->stride[1] + 1) / s->pool[1];
    w->map[i + 1] = (struct map){.rows = rows, .columns = columns, .channels = s->outputs};
    size_t bits = (size_t)s->window[0] * s->window[1] * s->channels;
    if (bits > window) window = bits;
    if ((size_t)s->nodes > node) node = s->nodes;
    if ((size_t)s->outputs > output) output = s->outputs;
  }
  int ready = 1;
  for (int i = 0; i <= network.stages; i++)
    ready &= (w->map[i].bits = allocate(map_size(&w->map[i]))) != NULL;
  ready &= (w->window = allocate(window)) != NULL;
  ready &= (w->node = allocate(node)) != NULL;
  // Also room for the carries of a popcount.
  ready &= (w->output = allocate(output)) != NULL;
  ready &= (w->total = allocate((size_t)rows * columns * network.classes * SCORE_BITS)) != NULL;
  ready &= (w->packed = malloc((size_t)w->map[0].columns * network.channels * BYTES)) != NULL;
  return ready;
}

// `value > threshold` of LANES images; image i begins at pixels + offset[i], its rows lie `pitch` bytes apart.
static void encode(const uint8_t *pixels, const int64_t *offset, ptrdiff_t pitch,
                   const uint8_t *threshold, uint8_t *restrict packed, struct map *map) {
  size_t length = (size_t)map->columns * network.channels;
  for (int row = 0; row < map->rows; row++) {
    for (int z = 0; z < network.encoder_bits; z++) {
      uint8_t level = threshold[z];
      for (int byte = 0; byte < BYTES; byte++) {
        uint8_t *restrict to = packed + byte * length;
        memset(to, 0, length);
        for (int bit = 0; bit < 8; bit++) {
          const uint8_t *restrict from = pixels + offset[8 * byte + bit] + row * pitch;
          for (size_t i = 0; i < length; i++) to[i] |= (from[i] > level) << bit;
        }
      }
      lanes *words = map->bits + row * length * network.encoder_bits + z;
      for (size_t i = 0; i < length; i++) {
        uint8_t *to = (uint8_t *)(words + i * network.encoder_bits);
        for (int byte = 0; byte < BYTES; byte++) to[byte] = packed[byte * length + i];
      }
    }
  }
}

static void run_stage(const struct stage *s, const struct map *in, const struct map *out,
                      struct workspace *w) {
  size_t row_bits = (size_t)s->window[1] * s->channels;
  size_t pitch = (size_t)in->columns * s->channels;
  for (int row = 0; row < out->rows * s->pool[0]; row++) {
    for (int column = 0; column < out->columns * s->pool[1]; column++) {
      const lanes *window =
          in->bits + row * s->stride[0] * pitch + (size_t)column * s->stride[1] * s->channels;
      if (row_bits != pitch) {
        for (int y = 0; y < s->window[0]; y++)
          memcpy(w->window + y * row_bits, window + y * pitch, row_bits * sizeof(lanes));
        window = w->window;
      }
      lanes *to = out->bits +
                  ((size_t)(row / s->pool[0]) * out->columns + column / s->pool[1]) * s->outputs;
      if (row % s->pool[0] || column % s->pool[1]) {
        s->fire(window, w->node, w->output);
        for (int i = 0; i < s->outputs; i++) to[i] |= w->output[i];
      } else {
        s->fire(window, w->node, to);
      }
    }
  }
}

static void run_stages(struct workspace *w) {
  for (int i = 0; i < network.stages; i++)
    run_stage(&network.stage[i], &w->map[i], &w->map[i + 1], w);
}

// Adds the number of ones among `count` words, lane by lane, to the binary number `total`, whose carries go
// through `room`. Full adders take three bits of a weight and return one, and one of twice the weight.
static void add_popcount(const lanes *bits, int count, lanes *room, lanes *total) {
  for (int weight = 0; weight < SCORE_BITS; weight++) {
    int carries = 0;
    lanes sum = total[weight];
    int i = 0;
    for (; i + 1 < count; i += 2) {
      lanes a = bits[i], b = bits[i + 1];
      lanes carry = lut3(0xE8, sum, a, b);
      sum = lut3(0x96, sum, a, b);
      room[carries++] = carry;
    }
    if (i < count) {
      lanes a = bits[i];
      room[carries++] = sum & a;
      sum ^= a;
    }
    total[weight] = sum;
    bits = room;
    count = carries;
  }
}

// Eight lanes of a bit plane as eight numbers.
static uint16_t spread[256][8];

__attribute__((constructor)) static void fill_spread(void) {
  for (int byte = 0; byte < 256; byte++)
    for (int bit = 0; bit < 8; bit++) spread[byte][bit] = byte >> bit & 1;
}

static void write_scores(const lanes *total, int vectors, int count, uint16_t *scores) {
  for (int i = 0; i < vectors; i++, total += SCORE_BITS) {
    for (int byte = 0; 8 * byte < count; byte++) {
      uint16_t number[8] = {0};
      for (int weight = 0; weight < SCORE_BITS; weight++) {
        const uint16_t *bit = spread[((const uint8_t *)&total[weight])[byte]];
        for (int lane = 0; lane < 8; lane++) number[lane] |= bit[lane] << weight;
      }
      for (int lane = 0; lane < 8 && 8 * byte + lane < count; lane++)
        scores[(size_t)(8 * byte + lane) * vectors + i] = number[lane];
    }
  }
}

// Scores `[count, output rows, output columns, classes]` of `count` images of rows x columns pixels,
// added over `passes` passes with thresholds `[passes, encoder bits]`. Returns 0, or -1 without memory.
int lutlens_scores(const uint8_t *pixels, const int64_t *offset, int64_t count, int64_t pitch,
                   int rows, int columns, const uint8_t *thresholds, int passes,
                   uint16_t *scores) {
  struct workspace w;
  int ready = prepare(&w, rows, columns);
  const struct map *last = &w.map[network.stages];
  for (int64_t start = 0; ready && start < count; start += LANES) {
    int filled = count - start < LANES ? count - start : LANES;
    int64_t origin[LANES];
    for (int i = 0; i < LANES; i++) origin[i] = offset[start + (i < filled ? i : filled - 1)];
    int vectors = last->rows * last->columns * network.classes;
    memset(w.total, 0, (size_t)vectors * SCORE_BITS * sizeof(lanes));
    for (int pass = 0; pass < passes; pass++) {
      encode(pixels, origin, pitch, thresholds + pass * network.encoder_bits, w.packed, &w.map[0]);
      run_stages(&w);
      for (int i = 0; i < vectors; i++)
        add_popcount(last->bits + (size_t)i * network.bits_per_class, network.bits_per_class,
                     w.output, w.total + (size_t)i * SCORE_BITS);
    }
    write_scores(w.total, vectors, filled, scores + (size_t)start * vectors);
  }
  release(&w);
  return ready ? 0 : -1;
}

// The stages alone: bit planes `[blocks, input bits, LANES]` to `[blocks, output bits, LANES]`.
int lutlens_stages(const lanes *input, lanes *output, int64_t blocks, int rows, int columns) {
  struct workspace w;
  int ready = prepare(&w, rows, columns);
  if (ready) {
    lanes *first = w.map[0].bits, *last = w.map[network.stages].bits;
    size_t in = map_size(&w.map[0]), out = map_size(&w.map[network.stages]);
    for (int64_t block = 0; block < blocks; block++) {
      w.map[0].bits = (lanes *)input + block * in;
      w.map[network.stages].bits = output + block * out;
      run_stages(&w);
    }
    w.map[0].bits = first;
    w.map[network.stages].bits = last;
  }
  release(&w);
  return ready ? 0 : -1;
}

int lutlens_lanes(void) { return LANES; }
