// Runs any generated network over images, LANES of them at a time.
#include <stdlib.h>
#include <string.h>

#include "scores.h"

enum {
  MAX_BATCH = 8,          // words of lanes in flight, to make a group where a stage has one window
  BATCH_BYTES = 1 << 19,  // but no more of them than a core's own cache holds
};

// Bits of one position after another, `channels` each: a map of the input or of a stage's output.
// Several of them, of `size` words each, one after another.
struct map {
  lanes *bits;
  int rows, columns, channels;
  size_t size;
};

// Room for what is between the pixels and the scores of a batch.
struct workspace {
  const struct network *network;
  int batch;
  struct map *map;  // of the input, and of each stage's output
  lanes *window, *node, *output;  // for each window of a group
  lanes *state;                   // of a recurrent stage, now and at the next position, for each word of the batch
  lanes *total;                   // SCORE_BITS words for each class of each output position
  uint8_t *packed;                // pixels, compared, eight lanes in a byte
};

static struct map map_of(int rows, int columns, int channels) {
  size_t size = (size_t)rows * columns * channels;
  return (struct map){.rows = rows, .columns = columns, .channels = channels, .size = size};
}

static void release(struct workspace *w) {
  for (int i = 0; w->map && i <= w->network->stages; i++) free(w->map[i].bits);
  free(w->map);
  free(w->window);
  free(w->node);
  free(w->output);
  free(w->state);
  free(w->total);
  free(w->packed);
}

static int prepare(struct workspace *w, const struct network *network, int rows, int columns) {
  memset(w, 0, sizeof *w);
  w->network = network;
  w->map = calloc(network->stages + 1, sizeof *w->map);
  if (!w->map) return 0;
  w->map[0] = map_of(rows, columns, network->channels * network->encoder_bits);
  size_t bytes = w->map[0].size * sizeof(lanes), window = 0, node = 0, output = 0, state = 0;
  for (int i = 0; i < network->stages; i++) {
    const struct stage *s = &network->stage[i];
    rows = ((rows - s->window[0]) / s->stride[0] + 1) / s->pool[0];
    columns = ((columns - s->window[1]) / s->stride[1] + 1) / s->pool[1];
    w->map[i + 1] = map_of(rows, columns, s->outputs);
    bytes += w->map[i + 1].size * sizeof(lanes);
    size_t bits = (size_t)s->window[0] * s->window[1] * s->channels;
    if (bits > window) window = bits;
    if ((size_t)s->nodes > node) node = s->nodes;
    if ((size_t)s->outputs > output) output = s->outputs;
    if ((size_t)s->state > state) state = s->state;
  }
  size_t batch = BATCH_BYTES / bytes;
  w->batch = batch < 1 ? 1 : batch > MAX_BATCH ? MAX_BATCH : batch;

  int ready = 1;
  for (int i = 0; i <= network->stages; i++)
    ready &= (w->map[i].bits = allocate(w->batch * w->map[i].size)) != NULL;
  ready &= (w->window = allocate(GROUP * window)) != NULL;
  ready &= (w->node = allocate(GROUP * node)) != NULL;
  ready &= (w->output = allocate(GROUP * output)) != NULL;
  ready &= (w->state = allocate(2 * w->batch * state)) != NULL;
  size_t vectors = (size_t)w->batch * rows * columns * network->classes;
  ready &= (w->total = allocate(vectors * SCORE_BITS)) != NULL;
  ready &= (w->packed = malloc((size_t)w->map[0].rows * w->map[0].columns * network->channels * BYTES)) != NULL;
  return ready;
}

typedef uint8_t bytes __attribute__((vector_size(16), aligned(1), may_alias));

// Bit b of to[i] becomes `from[b][i] > level`.
static void compare(const uint8_t *const from[8], size_t length, uint8_t level, uint8_t *to) {
  if (length < sizeof(bytes)) {
    for (size_t i = 0; i < length; i++) {
      to[i] = 0;
      for (int bit = 0; bit < 8; bit++) to[i] |= (from[bit][i] > level) << bit;
    }
    return;
  }
  for (size_t i = 0; i < length; i += sizeof(bytes)) {
    if (i > length - sizeof(bytes)) i = length - sizeof(bytes);  // the last ones, some of them again
    bytes packed = {0};
    for (int bit = 0; bit < 8; bit++)
      packed |= (bytes)(*(const bytes *)(from[bit] + i) > level) & (uint8_t)(1 << bit);
    *(bytes *)(to + i) = packed;
  }
}

// Encodes LANES images: image i begins at pixels + offset[i], its rows lie `pitch` bytes apart.
static void encode(const uint8_t *pixels, const int64_t *offset, ptrdiff_t pitch,
                   const uint8_t *threshold, const struct workspace *w, lanes *bits) {
  const struct map *map = &w->map[0];
  int depth = w->network->encoder_bits, rows = map->rows;
  size_t length = (size_t)map->columns * w->network->channels;
  if (pitch == (ptrdiff_t)length) {  // no gaps between rows: one long row
    length *= rows;
    rows = 1;
  }
  for (int row = 0; row < rows; row++) {
    for (int z = 0; z < depth; z++) {
      for (int byte = 0; byte < BYTES; byte++) {
        const uint8_t *from[8];
        for (int bit = 0; bit < 8; bit++)
          from[bit] = pixels + offset[8 * byte + bit] + row * pitch;
        compare(from, length, threshold[z], w->packed + byte * length);
      }
      lanes *words = bits + row * length * depth + z;
      for (size_t i = 0; i < length; i++) {
        uint8_t *to = (uint8_t *)(words + i * depth);
        for (int byte = 0; byte < BYTES; byte++) to[byte] = w->packed[byte * length + i];
      }
    }
  }
}

// Where the windows of a stage go that are to fire together.
struct group {
  struct firing firing[GROUP];
  lanes *pooled[GROUP];  // where the output is ORed to, if it is not written there at once
  int count;
};

static void fire(const struct stage *s, struct group *group) {
  s->fire(group->firing, group->count);
  for (int i = 0; i < group->count; i++)
    for (int c = 0; group->pooled[i] && c < s->outputs; c++)
      group->pooled[i][c] |= group->firing[i].output[c];
  group->count = 0;
}

static void run_stage(const struct stage *s, const struct map *in, const struct map *out,
                      struct workspace *w) {
  struct group group = {.count = 0};
  size_t row_bits = (size_t)s->window[1] * s->channels;
  size_t pitch = (size_t)in->columns * s->channels;
  for (int row = 0; row < w->batch * out->rows * s->pool[0]; row++) {
    int word = row / (out->rows * s->pool[0]), y = row % (out->rows * s->pool[0]);
    for (int x = 0; x < out->columns * s->pool[1]; x++) {
      const lanes *window = in->bits + word * in->size + y * s->stride[0] * pitch +
                            (size_t)x * s->stride[1] * s->channels;
      if (row_bits != pitch) {  // the window's rows have gaps between them
        lanes *copy = w->window + group.count * s->window[0] * row_bits;
        for (int dy = 0; dy < s->window[0]; dy++)
          memcpy(copy + dy * row_bits, window + dy * pitch, row_bits * sizeof(lanes));
        window = copy;
      }
      lanes *to = out->bits + word * out->size +
                  ((size_t)(y / s->pool[0]) * out->columns + x / s->pool[1]) * s->outputs;
      int first = y % s->pool[0] == 0 && x % s->pool[1] == 0;
      group.firing[group.count] = (struct firing){
          .window = window,
          .node = w->node + group.count * s->nodes,
          .output = first ? to : w->output + group.count * s->outputs,
      };
      group.pooled[group.count] = first ? NULL : to;
      if (++group.count == GROUP) fire(s, &group);
    }
  }
  if (group.count) fire(s, &group);
}

// Position after position, for all words of the batch; a row is one position.
static void run_recurrent_stage(const struct stage *s, const struct map *in, const struct map *out,
                                struct workspace *w) {
  struct group group = {.count = 0};
  size_t size = (size_t)w->batch * s->state, pitch = (size_t)in->columns * s->channels;
  lanes *state = w->state, *next = w->state + size;
  memset(state, 0, size * sizeof *state);
  for (int y = 0; y < out->rows; y++) {
    for (int word = 0; word < w->batch; word++) {
      group.firing[group.count] = (struct firing){
          .window = in->bits + word * in->size + y * s->stride[0] * pitch,
          .state = state + (size_t)word * s->state,
          .node = w->node + group.count * s->nodes,
          .output = out->bits + word * out->size + (size_t)y * s->outputs,
          .next = next + (size_t)word * s->state,
      };
      group.pooled[group.count] = NULL;
      if (++group.count == GROUP || word + 1 == w->batch) fire(s, &group);
    }
    lanes *last = state;
    state = next;
    next = last;
  }
}

static void run_stages(struct workspace *w) {
  for (int i = 0; i < w->network->stages; i++) {
    const struct stage *s = &w->network->stage[i];
    (s->state ? run_recurrent_stage : run_stage)(s, &w->map[i], &w->map[i + 1], w);
  }
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
// added over `passes` passes with thresholds `[passes, encoder bits]`. 0, or -1 without memory.
int lutlens_scores(const struct network *network, const uint8_t *pixels, const int64_t *offset,
                   int64_t count, int64_t pitch, int rows, int columns,
                   const uint8_t *thresholds, int passes, uint16_t *scores) {
  struct workspace w;
  int ready = prepare(&w, network, rows, columns);
  for (int64_t start = 0; ready && start < count; start += (int64_t)w.batch * LANES) {
    const struct map *first = &w.map[0], *last = &w.map[network->stages];
    int64_t left = count - start;
    if (left < (int64_t)w.batch * LANES) w.batch = (left + LANES - 1) / LANES;
    int vectors = last->rows * last->columns * network->classes;
    memset(w.total, 0, (size_t)w.batch * vectors * SCORE_BITS * sizeof(lanes));
    for (int pass = 0; pass < passes; pass++) {
      for (int word = 0; word < w.batch; word++) {
        int64_t origin[LANES];  // lanes that are left over repeat the last image
        for (int64_t lane = 0, i = start + word * LANES; lane < LANES; lane++, i++)
          origin[lane] = offset[i < count ? i : count - 1];
        encode(pixels, origin, pitch, thresholds + pass * network->encoder_bits, &w,
               first->bits + word * first->size);
      }
      run_stages(&w);
      for (size_t i = 0; i < (size_t)w.batch * vectors; i++)
        add_popcount(last->bits + i * network->bits_per_class, network->bits_per_class, w.output,
                     w.total + i * SCORE_BITS);
    }
    for (int word = 0; word < w.batch; word++) {
      int64_t done = (int64_t)word * LANES;
      write_scores(w.total + (size_t)word * vectors * SCORE_BITS, vectors,
                   left - done < LANES ? left - done : LANES, scores + (start + done) * vectors);
    }
  }
  release(&w);
  return ready ? 0 : -1;
}

// The stages alone: bit planes `[words, input bits, LANES]` to `[words, output bits, LANES]`.
int lutlens_stages(const struct network *network, const lanes *input, lanes *output, int64_t words,
                   int rows, int columns) {
  struct workspace w;
  int ready = prepare(&w, network, rows, columns);
  if (ready) {
    struct map *first = &w.map[0], *last = &w.map[network->stages];
    lanes *const own_first = first->bits, *const own_last = last->bits;
    for (int64_t done = 0; done < words; done += w.batch) {
      if (words - done < w.batch) w.batch = words - done;
      first->bits = (lanes *)input + done * first->size;
      last->bits = output + done * last->size;
      run_stages(&w);
    }
    first->bits = own_first;
    last->bits = own_last;
  }
  release(&w);
  return ready ? 0 : -1;
}

int lutlens_lanes(void) { return LANES; }
