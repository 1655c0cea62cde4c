// A node's real-valued table in registers, and the two butterflies over its six address bits; the equations are those
// of `smooth` and `slopes` in reference.py.
#pragma once

#include <utility>

#include "simd.h"

constexpr int ENTRIES = 64;    // a table of fewer inputs is repeated to fill them
constexpr int SLOPES = 32;     // D_j does not depend on input j

struct Table {
    static constexpr int VECTORS = ENTRIES / LANES;
    Floats v[VECTORS];

    explicit Table(const float* p) {
        for (int i = 0; i < VECTORS; i++) v[i] = load(p + i * LANES);
    }

    // From a table of `entries` entries, a power of two.
    static Table repeated(const float* p, int entries) {
        alignas(64) float all[ENTRIES];
        if (entries < ENTRIES)
            for (int i = 0; i < ENTRIES; i++) all[i] = p[i & (entries - 1)];
        // One way out: two tables to choose from would be copied through memory.
        return Table(entries < ENTRIES ? all : p);
    }

    void store_to(float* p) const {
        for (int i = 0; i < VECTORS; i++) store(p + i * LANES, v[i]);
    }

    uint64_t positive_bits() const {
        uint64_t bits = 0;
        for (int i = 0; i < VECTORS; i++) bits |= positive(v[i]) << (i * LANES);
        return bits;
    }

    // Every step of a butterfly treats the highest address bit and then makes it the lowest, by shuffling the two
    // halves together; six steps bring all bits back to their places.
    template <class Step> void butterfly(Step&& step) {
        for (int bit = 5; bit >= 0; bit--) {
            Floats next[VECTORS];
            for (int i = 0; i < VECTORS / 2; i++) {
                Floats low = v[i], high = v[i + VECTORS / 2];
                step(bit, i, low, high);
                interleave(low, high);
                next[2 * i] = low;
                next[2 * i + 1] = high;
            }
            for (int i = 0; i < VECTORS; i++) v[i] = next[i];
        }
    }

    // flip: p of reference.py.
    void smooth(float flip) {
        butterfly([flip](int, int, Floats& low, Floats& high) {
            const Floats change = mul(sub(high, low), broadcast(flip));
            low = add(low, change);
            high = sub(high, change);
        });
    }

    // Of a smoothed table: D_j of all inputs, [j][32]. Entry i of D_j is for the address whose bits j + 1, j + 2, ...
    // (modulo six) are those of i: the index is the address, written twice, shifted right by j + 1.
    void slopes_to(float* slopes, float flip) {
        butterfly([slopes, flip](int j, int i, Floats& low, Floats& high) {
            store(slopes + j * SLOPES + i * LANES, mul(sub(high, low), broadcast(1 / (1 - 2 * flip))));
        });
    }
};
