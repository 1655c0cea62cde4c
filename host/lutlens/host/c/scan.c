// Runs any generated network over whole frames: a lane of a word is a position of the frame, its
// neighbours are the positions beside it, and stages are computed once for all windows.
//
// Maps are bit planes: one for each channel and each phase of the stride of the stage that reads it,
// so that the bits of neighbouring windows are neighbours. A plane is the rows of a grid, `pitch`
// bits each, a multiple of 8; windows of a whole plane are numbered alike, those that begin in the
// last columns or rows give bits that nobody reads.
#include <string.h>

#include "scores.h"

// The input of a stage, or, at the end, of the scores.
struct grid {
  int rows, columns;  // of the map
  int stride[2];      // of the stage that reads it
  int channels;
  size_t pitch;  // bits of a row of a plane
  size_t words;  // lanes that cover a plane
  size_t bytes;  // from one plane to the next
  uint8_t *planes;
};

// Room for a frame.
struct scan {
  const struct network *network;
  struct grid *grid;      // of each stage's input
  uint8_t *raw;           // planes of a stage's output before pooling
  uint8_t *line;          // bits of one row
  uint8_t *moved;         // a stage's input, moved left by 1, 2, ... bits
  lanes *window, *node, *output, *carry;
  lanes *total;           // SCORE_BITS words for each class, for each word of positions
  int rows, columns;      // of positions
};

// Windows reach so many bits to the right; what is beyond a byte is reached by its address.
static int moves(const struct stage *s) {
  int reach = (s->window[1] - 1) / s->stride[1];
  return reach < 7 ? reach : 7;
}

static struct grid grid_of(int rows, int columns, const struct stage *s) {
  struct grid g = {.rows = rows, .columns = columns, .channels = s->channels};
  memcpy(g.stride, s->stride, sizeof g.stride);
  size_t lines = (rows + s->stride[0] - 1) / s->stride[0];
  g.pitch = ((columns + s->stride[1] - 1) / s->stride[1] + 7) / 8 * 8;
  g.words = (lines * g.pitch + LANES - 1) / LANES;
  // A window of the last word reaches some rows further.
  g.bytes = (g.words + 2) * BYTES + (s->window[0] + 1) * g.pitch / 8;
  g.bytes = (g.bytes + BYTES - 1) / BYTES * BYTES;
  return g;
}

static size_t planes_of(const struct grid *g) {
  return (size_t)g->channels * g->stride[0] * g->stride[1];
}

static uint8_t *zeros(size_t size) { return calloc(size + BYTES, 1); }

static void release(struct scan *w) {
  for (int i = 0; w->grid && i < w->network->stages; i++) free(w->grid[i].planes);
  free(w->grid);
  free(w->raw);
  free(w->line);
  free(w->moved);
  free(w->window);
  free(w->node);
  free(w->output);
  free(w->carry);
  free(w->total);
}

static int prepare(struct scan *w, const struct network *network, int rows, int columns) {
  memset(w, 0, sizeof *w);
  w->network = network;
  w->grid = calloc(network->stages, sizeof *w->grid);
  if (!w->grid) return 0;
  int ready = (w->line = zeros((size_t)columns + BYTES)) != NULL;
  size_t raw = 0, moved = 0, window = 0, node = 0, output = 0;
  for (int i = 0; i < network->stages; i++) {
    const struct stage *s = &network->stage[i];
    struct grid *g = &w->grid[i];
    *g = grid_of(rows, columns, s);
    ready &= (g->planes = zeros(planes_of(g) * g->bytes)) != NULL;
    rows = ((rows - s->window[0]) / s->stride[0] + 1) / s->pool[0];
    columns = ((columns - s->window[1]) / s->stride[1] + 1) / s->pool[1];
    if (s->outputs * g->bytes > raw) raw = s->outputs * g->bytes;
    size_t copies = moves(s) * planes_of(g) * g->bytes;
    if (copies > moved) moved = copies;
    size_t bits = (size_t)s->window[0] * s->window[1] * s->channels;
    if (bits > window) window = bits;
    if ((size_t)s->nodes > node) node = s->nodes;
    if ((size_t)s->outputs > output) output = s->outputs;
  }
  w->rows = rows;
  w->columns = columns;
  ready &= (w->raw = zeros(raw)) != NULL;
  ready &= (w->moved = zeros(moved)) != NULL;
  ready &= (w->window = allocate(GROUP * window)) != NULL;
  ready &= (w->node = allocate(GROUP * node)) != NULL;
  ready &= (w->output = allocate(GROUP * output)) != NULL;
  ready &= (w->carry = allocate(output)) != NULL;
  size_t words = w->grid[network->stages - 1].words;
  ready &= (w->total = allocate(words * network->classes * SCORE_BITS)) != NULL;
  return ready;
}

static inline uint64_t load(const uint8_t *from) {
  uint64_t word;
  memcpy(&word, from, sizeof word);
  return word;
}

static inline void store(uint8_t *to, uint64_t word) { memcpy(to, &word, sizeof word); }

// The bits of `word` under `mask`, side by side.
static inline uint64_t gather(uint64_t word, uint64_t mask) {
#ifdef __BMI2__
  return __builtin_ia32_pext_di(word, mask);
#else
  uint64_t bits = 0;
  for (int n = 0; mask; mask &= mask - 1) bits |= (word >> __builtin_ctzll(mask) & 1) << n++;
  return bits;
#endif
}

// Every `step`-th of `count` bits, from bit `first` < `step` on. May write up to 8 bytes too many.
static void pick(const uint8_t *from, int count, int first, int step, uint8_t *to) {
  if (step == 1) {
    memcpy(to, from, (count + 7) / 8);
    return;
  }
  uint64_t comb = 0, bits = 0;
  for (int i = 0; i < 64; i += step) comb |= 1ull << i;
  int filled = 0;
  for (int begin = 0; begin < count; begin += 64) {
    uint64_t mask = first < 64 ? comb << first : 0;
    int more = __builtin_popcountll(mask);
    first += more * step - 64;
    uint64_t picked = gather(load(from + begin / 8), mask);
    bits |= picked << filled;
    filled += more;
    if (filled >= 64) {
      store(to, bits);
      to += 8;
      filled -= 64;
      bits = filled ? picked >> (more - filled) : 0;
    }
  }
  store(to, bits);
}

// Spreads a row of bits over the planes of one channel, by the phase of its columns.
static void lay(const struct grid *g, int channel, int row, const uint8_t *line, int columns,
                int pool) {
  int sy = g->stride[0], sx = g->stride[1];
  for (int x = 0; x < sx; x++) {
    size_t plane = (size_t)((row % sy) * sx + x) * g->channels + channel;
    pick(line, columns, x * pool, sx * pool, g->planes + plane * g->bytes + row / sy * g->pitch / 8);
  }
}

typedef uint8_t bytes __attribute__((vector_size(8), aligned(1), may_alias));

// Bit i of `to` becomes `from[i * step] > level`; may write up to 7 bits too many.
static void compare(const uint8_t *from, int count, int step, uint8_t level, uint8_t *to) {
  int i = 0;
  for (; step == 1 && i + 8 <= count; i += 8) {
    bytes above = (bytes)(*(const bytes *)(from + i) > level);
    uint64_t mask;
    memcpy(&mask, &above, sizeof mask);
    to[i / 8] = (mask & 0x8040201008040201u) * 0x0101010101010101u >> 56;
  }
  for (; i < count; i += 8) {
    to[i / 8] = 0;
    for (int bit = 0; bit < 8 && i + bit < count; bit++)
      to[i / 8] |= (from[(size_t)(i + bit) * step] > level) << bit;
  }
}

static void encode(struct scan *w, const uint8_t *pixels, ptrdiff_t pitch, const uint8_t *level) {
  const struct grid *g = &w->grid[0];
  int channels = w->network->channels, depth = w->network->encoder_bits;
  for (int row = 0; row < g->rows; row++)
    for (int c = 0; c < channels; c++)
      for (int z = 0; z < depth; z++) {
        compare(pixels + row * pitch + c, g->columns, channels, level[z], w->line);
        lay(g, c * depth + z, row, w->line, g->columns, 1);
      }
}

static void move_all(const struct grid *g, int by, uint8_t *to) {
  size_t size = planes_of(g) * g->bytes;
  for (size_t i = 0; i < size; i += 8)
    store(to + i, load(g->planes + i) >> by | load(g->planes + i + 8) << (64 - by));
}

// Copies the bits that the windows of one word of positions see.
static void copy_window(const struct stage *s, const struct grid *g, const uint8_t *const moved[8],
                        size_t word, lanes *window) {
  for (int dy = 0; dy < s->window[0]; dy++)
    for (int dx = 0; dx < s->window[1]; dx++) {
      int phase = dy % s->stride[0] * s->stride[1] + dx % s->stride[1];
      int right = dx / s->stride[1];
      const uint8_t *from = moved[right % 8] + (size_t)phase * g->channels * g->bytes +
                            word * BYTES + dy / s->stride[0] * g->pitch / 8 + right / 8;
      for (int c = 0; c < g->channels; c++, from += g->bytes) memcpy(window++, from, BYTES);
    }
}

// ORs pools of a stage's output and lays it out for the stage that reads it.
static void pool_planes(const struct stage *s, const struct grid *in, const struct grid *out,
                        struct scan *w) {
  int columns = (in->columns - s->window[1]) / s->stride[1] + 1;
  size_t length = in->pitch / 8;
  for (int c = 0; c < s->outputs; c++)
    for (int row = 0; row < out->rows; row++) {
      const uint8_t *from = w->raw + c * in->bytes + row * s->pool[0] * length;
      if (s->pool[0] > 1 || s->pool[1] > 1) {
        memset(w->line, 0, length);
        for (int dy = 0; dy < s->pool[0]; dy++)
          for (int dx = 0; dx < s->pool[1]; dx++)
            for (size_t i = 0; i < length; i++) {
              const uint8_t *at = from + dy * length + i + dx / 8;
              w->line[i] |= (at[0] | at[1] << 8) >> dx % 8;
            }
        from = w->line;
      }
      lay(out, c, row, from, columns, s->pool[1]);
    }
}

static void add_scores(struct scan *w, size_t word, const lanes *output) {
  const struct network *n = w->network;
  lanes *total = w->total + word * n->classes * SCORE_BITS;
  for (int c = 0; c < n->classes; c++)
    add_popcount(output + c * n->bits_per_class, n->bits_per_class, w->carry,
                 total + c * SCORE_BITS);
}

static void run_stage(struct scan *w, int i) {
  const struct stage *s = &w->network->stage[i];
  const struct grid *g = &w->grid[i];
  const uint8_t *moved[8] = {g->planes};
  for (int by = 1; by <= moves(s); by++) {
    uint8_t *to = w->moved + (by - 1) * planes_of(g) * g->bytes;
    move_all(g, by, to);
    moved[by] = to;
  }
  size_t bits = (size_t)s->window[0] * s->window[1] * s->channels;
  for (size_t word = 0; word < g->words; word += GROUP) {
    int count = g->words - word < GROUP ? g->words - word : GROUP;
    struct firing firing[GROUP];
    for (int j = 0; j < count; j++) {
      firing[j] = (struct firing){
          .window = w->window + j * bits,
          .node = w->node + j * s->nodes,
          .output = w->output + j * s->outputs,
      };
      copy_window(s, g, moved, word + j, w->window + j * bits);
    }
    s->fire(firing, count);
    for (int j = 0; j < count; j++) {
      if (i == w->network->stages - 1) {
        add_scores(w, word + j, firing[j].output);
        continue;
      }
      for (int c = 0; c < s->outputs; c++)
        memcpy(w->raw + c * g->bytes + (word + j) * BYTES, &firing[j].output[c], BYTES);
    }
  }
  if (i < w->network->stages - 1) pool_planes(s, g, &w->grid[i + 1], w);
}

enum { SCORE = 0, MARGIN = 12, CLASS = 24, CELL_BITS = 32 };  // of a cell's bits, the lowest

// The cells of one word of positions, as bit planes: the class of the highest score, the first one
// of several that are equal, its distance to the second highest, and the score.
static void find_best(const struct network *n, const lanes *total, lanes *cell) {
  lanes best[SCORE_BITS], second[SCORE_BITS] = {ZEROS};
  memcpy(best, total, sizeof best);
  memset(second, 0, sizeof second);
  memset(cell, 0, CELL_BITS * sizeof *cell);
  for (int c = 1; c < n->classes; c++) {
    const lanes *score = total + c * SCORE_BITS;
    lanes first = ZEROS, next = ZEROS;  // whether it is above the best, above the second best
    for (int i = 0; i < SCORE_BITS; i++) {
      first = (score[i] & ~best[i]) | (~(score[i] ^ best[i]) & first);
      next = (score[i] & ~second[i]) | (~(score[i] ^ second[i]) & next);
    }
    for (int i = 0; i < SCORE_BITS; i++) {
      second[i] = mux(mux(second[i], score[i], next), best[i], first);
      best[i] = mux(best[i], score[i], first);
    }
    for (int i = CLASS; i < CELL_BITS; i++)
      cell[i] = c >> (i - CLASS) & 1 ? cell[i] | first : cell[i] & ~first;
  }
  lanes borrow = ZEROS;
  for (int i = 0; i < MARGIN - SCORE; i++) {
    cell[SCORE + i] = best[i];
    cell[MARGIN + i] = best[i] ^ second[i] ^ borrow;
    borrow = (~best[i] & second[i]) | (~(best[i] ^ second[i]) & borrow);
  }
}

// Eight lanes of bit planes as eight numbers.
static void gather_lanes(const lanes *plane, int planes, int byte, uint32_t number[8]) {
  memset(number, 0, 8 * sizeof *number);
  for (int i = 0; i < planes; i++) {
    const uint16_t *bit = spread[((const uint8_t *)&plane[i])[byte]];
    for (int lane = 0; lane < 8; lane++) number[lane] |= (uint32_t)bit[lane] << i;
  }
}

// scores: `[rows, columns, classes]`, or NULL; cells: `[rows, columns]`, or NULL.
static void write_results(const struct scan *w, uint16_t *scores, uint32_t *cells) {
  const struct network *n = w->network;
  const struct grid *g = &w->grid[n->stages - 1];
  for (size_t word = 0; word < g->words; word++) {
    const lanes *total = w->total + word * n->classes * SCORE_BITS;
    lanes cell[CELL_BITS];
    if (cells) find_best(n, total, cell);
    for (int byte = 0; byte < BYTES; byte++) {
      int row = (word * LANES + 8 * byte) / g->pitch;
      int column = (word * LANES + 8 * byte) % g->pitch;
      if (row >= w->rows) return;
      int count = w->columns - column < 8 ? w->columns - column : 8;
      size_t position = (size_t)row * w->columns + column;
      uint32_t number[8];
      if (cells && count > 0) {
        gather_lanes(cell, CELL_BITS, byte, number);
        memcpy(cells + position, number, count * sizeof *number);
      }
      for (int c = 0; scores && c < n->classes; c++) {
        gather_lanes(total + c * SCORE_BITS, SCORE_BITS, byte, number);
        for (int lane = 0; lane < count; lane++)
          scores[(position + lane) * n->classes + c] = number[lane];
      }
    }
  }
}

// Scans a frame of rows x columns pixels, its rows `pitch` bytes apart; adds `passes` passes with
// thresholds `[passes, encoder bits]`. Writes scores `[output rows, output columns, classes]` if not
// NULL, and cells without the last axis if not NULL: class << 24 | margin << 12 | score. 0, or -1
// without memory.
int lutlens_scan(const struct network *network, const uint8_t *pixels, int64_t pitch, int rows,
                 int columns, const uint8_t *thresholds, int passes, uint16_t *scores,
                 uint32_t *cells) {
  struct scan w;
  int ready = prepare(&w, network, rows, columns);
  if (ready) {
    size_t words = w.grid[network->stages - 1].words;
    memset(w.total, 0, words * network->classes * SCORE_BITS * sizeof(lanes));
    for (int pass = 0; pass < passes; pass++) {
      encode(&w, pixels, pitch, thresholds + pass * network->encoder_bits);
      for (int i = 0; i < network->stages; i++) run_stage(&w, i);
    }
    write_results(&w, scores, cells);
  }
  release(&w);
  return ready ? 0 : -1;
}
