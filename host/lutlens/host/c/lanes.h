// A machine word of many lanes, one frame in each, and look-up tables over such words.
#ifndef LUTLENS_LANES_H
#define LUTLENS_LANES_H

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define LANES 512
#elif defined(__AVX2__)
#define LANES 256
#else
#define LANES 128
#endif

typedef uint64_t lanes __attribute__((vector_size(LANES / 8), may_alias));

#define ZEROS ((lanes){0})
#define ONES (~ZEROS)
// Bit `x0 + 2 * x1` of the table that the name ends in.
#define lut2_0(x0, x1) ZEROS
#define lut2_1(x0, x1) ~(x0 | x1)
#define lut2_2(x0, x1) (x0 & ~x1)
#define lut2_3(x0, x1) ~x1
#define lut2_4(x0, x1) (x1 & ~x0)
#define lut2_5(x0, x1) ~x0
#define lut2_6(x0, x1) (x0 ^ x1)
#define lut2_7(x0, x1) ~(x0 & x1)
#define lut2_8(x0, x1) (x0 & x1)
#define lut2_9(x0, x1) ~(x0 ^ x1)
#define lut2_a(x0, x1) x0
#define lut2_b(x0, x1) (x0 | ~x1)
#define lut2_c(x0, x1) x1
#define lut2_d(x0, x1) (x1 | ~x0)
#define lut2_e(x0, x1) (x0 | x1)
#define lut2_f(x0, x1) ONES

// lut3(high, low, x0, x1, x2): bit `x0 + 2 * x1 + 4 * x2` of the table 0x<high><low>, two digits.
// mux(low, high, select): `select ? high : low`, lane by lane.
#if defined(__AVX512F__)
#if defined(__clang__)
#include <immintrin.h>
#define ternary(table, x0, x1, x2) \
  ((lanes)_mm512_ternarylogic_epi64((__m512i)(x2), (__m512i)(x1), (__m512i)(x0), (table)))
#else
// What the intrinsic expands to; GCC takes half a second a file to read the header of them all.
typedef long long quads __attribute__((vector_size(64)));
#define ternary(table, x0, x1, x2)                                                        \
  ((lanes)__builtin_ia32_pternlogq512_mask((quads)(x2), (quads)(x1), (quads)(x0), (table), \
                                           (unsigned char)-1))
#endif
#define lut3(high, low, x0, x1, x2) ternary(0x##high##low, x0, x1, x2)
#define mux(low, high, select) ternary(0xCA, low, high, select)
#else
static inline lanes mux(lanes low, lanes high, lanes select) {
  return low ^ (select & (low ^ high));
}
#define lut3(high, low, x0, x1, x2) mux(lut2_##low(x0, x1), lut2_##high(x0, x1), x2)
#endif

// One window of a stage, room for its nodes, and where its output bits go; of a recurrent stage, its state at
// this position and at the next one.
struct firing {
  const lanes *window, *state;
  lanes *node, *output, *next;
};

// A stage of the network, for the engine.
struct stage {
  int window[2], stride[2], pool[2];  // rows, columns
  int channels, outputs;              // bits at a position of the input, of the output
  int nodes, state;
  void (*fire)(const struct firing *firing, int count);
};

struct network {
  int channels;  // of an image
  int encoder_bits, classes, bits_per_class, stages;
  const struct stage *stage;
};

#endif
