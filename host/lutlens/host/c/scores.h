// What both ways of running a network share: room, and popcounts of many lanes at once.
#ifndef LUTLENS_SCORES_H
#define LUTLENS_SCORES_H

#include <stdlib.h>

#include "lanes.h"

enum {
  BYTES = LANES / 8,
  SCORE_BITS = 16,
  GROUP = 4,  // windows that a portion of nodes fires on before the next portion does
};

static inline lanes *allocate(size_t words) {
  return aligned_alloc(BYTES, (words + !words) * sizeof(lanes));
}

// Adds the number of ones among `count` words, lane by lane, to the binary number `total`, whose carries go
// through `room`. Full adders take three bits of a weight and return one, and one of twice the weight.
static inline void add_popcount(const lanes *bits, int count, lanes *room, lanes *total) {
  for (int weight = 0; weight < SCORE_BITS; weight++) {
    int carries = 0;
    lanes sum = total[weight];
    int i = 0;
    for (; i + 1 < count; i += 2) {
      lanes a = bits[i], b = bits[i + 1];
      lanes carry = lut3(e, 8, sum, a, b);
      sum = lut3(9, 6, sum, a, b);
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

#endif
