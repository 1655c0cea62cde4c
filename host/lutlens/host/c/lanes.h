// A machine word of many lanes, one frame in each, and look-up tables over such words.
#ifndef LUTLENS_LANES_H
#define LUTLENS_LANES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 512
#elif defined(__AVX2__)
#define LANES 256
#else
#define LANES 128
#endif

typedef uint64_t lanes __attribute__((vector_size(LANES / 8), may_alias));

#define ZEROS ((lanes){0})
#define ONES (~ZEROS)
#define INLINE static inline __attribute__((always_inline))

// Bit `x0 + 2 * x1` of the table. The table is a constant, so that one case is left of the sixteen.
INLINE lanes lut2(unsigned table, lanes x0, lanes x1) {
  switch (table) {
    case 0: return ZEROS;
    case 1: return ~(x0 | x1);
    case 2: return x0 & ~x1;
    case 3: return ~x1;
    case 4: return x1 & ~x0;
    case 5: return ~x0;
    case 6: return x0 ^ x1;
    case 7: return ~(x0 & x1);
    case 8: return x0 & x1;
    case 9: return ~(x0 ^ x1);
    case 10: return x0;
    case 11: return x0 | ~x1;
    case 12: return x1;
    case 13: return x1 | ~x0;
    case 14: return x0 | x1;
    default: return ONES;
  }
}

// Bit `x0 + 2 * x1 + 4 * x2` of the table.
#if defined(__AVX512F__)
#define lut3(table, x0, x1, x2) \
  ((lanes)_mm512_ternarylogic_epi64((__m512i)(x2), (__m512i)(x1), (__m512i)(x0), (table)))
#else
INLINE lanes lut3(unsigned table, lanes x0, lanes x1, lanes x2) {
  lanes low = lut2(table & 15, x0, x1), high = lut2(table >> 4, x0, x1);
  return low ^ (x2 & (low ^ high));
}
#endif

#define mux(low, high, select) lut3(0xCA, low, high, select)

// A stage of the network, for the engine.
struct stage {
  int window[2], stride[2], pool[2];  // rows, columns
  int channels, outputs;              // bits at a position of the input, of the output
  int nodes;
  // Fires all nodes on one window. `node` is room for their outputs.
  void (*fire)(const lanes *window, lanes *node, lanes *output);
};

struct network {
  int channels;  // of an image
  int encoder_bits, classes, bits_per_class, stages;
  const struct stage *stage;
};

extern const struct network network;

#endif
