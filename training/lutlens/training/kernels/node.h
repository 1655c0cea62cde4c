// What a node does in 64 samples at one position, forward and backward; the definition is in reference.py.
//
// Pin j of node n at position p reads row bases[p] + offsets[n][j]; a layer's output row is position * nodes + node. So a
// convolution is the same as a dense layer, without unfolding its input. tables are [node][2**fan_in].
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "step.h"
#include "table.h"
#include "threads.h"

namespace {

constexpr int64_t NODES = 32;  // nodes of a task: their histograms and gradients fill half of a first-level cache

struct Layer : Step {
    int64_t tiles;

    int64_t input(int64_t tile, int64_t position, int32_t offset) const {
        return (tile * inputs + bases[position] + offset) * TILE;
    }
    int64_t output(int64_t tile, int64_t position, int64_t node) const {
        return ((tile * positions + position) * nodes + node) * TILE;
    }
    int64_t blocks() const { return (nodes + NODES - 1) / NODES; }
    int64_t scores() const { return nodes * fan_in * candidate_count; }
    template <class Body> void for_each_node(int64_t block, Body&& body) const {
        for (int64_t n = block * NODES; n < std::min(nodes, (block + 1) * NODES); n++) body(n);
    }
};

// The index of slopes is a part of it: table.h.
Ints address_twice(const uint8_t* signals) {
    const Ints signal = widen(signals);
    return either(both(signal, ENTRIES - 1), shift_left<6>(signal));
}

// In its functions x, y, to_x and gradient point to what belongs to one position: rows from the base on, nodes from 0 on.
template <size_t... J> struct Pins {
    static constexpr int COUNT = sizeof...(J);

    static void forward(const Layer& layer, int64_t n, const uint8_t* x, uint64_t bits, uint8_t* y) {
        const uint8_t* pins[] = {x + layer.offsets[n * COUNT + J] * TILE...};
        const BitTable table(bits);
        uint8_t* out = y + n * TILE;
        for (int b = 0; b < TILE; b += BYTES) {
            Bytes a{};
            ((a = either_bytes(a, both_bytes(shift_bytes_right<7 - J>(load_bytes(pins[J] + b)), 1 << J))), ...);
            store_bytes(out + b, either_bytes(a, table[a]));
        }
    }

    // Adds to to_x, samples [begin, end).
    static void input_gradient(const Layer& layer, int begin, int end, const float* gradient, const uint8_t* y,
                               const float* slopes, float* to_x) {
        for (int64_t n = 0; n < layer.nodes; n++) {
            const float* d = slopes + n * COUNT * SLOPES;
            const FloatTable tables[] = {FloatTable(d + J * SLOPES)...};
            float* pins[] = {to_x + layer.offsets[n * COUNT + J] * TILE...};
            for (int b = begin; b < end; b += LANES) {
                const Ints twice = address_twice(y + n * TILE + b);
                const Floats g = load(gradient + n * TILE + b);
                (store(pins[J] + b, fma(g, tables[J][shift_right<J + 1>(twice)], load(pins[J] + b))), ...);
            }
        }
    }

    template <int K>
    static void score_gradient(const Layer& layer, int64_t n, const float* gradient, const uint8_t* y,
                               const float* slopes, const uint8_t* x, float* to_scores) {
        const FloatTable table(slopes + (n * COUNT + K) * SLOPES);
        const int64_t first = (n * COUNT + K) * layer.candidate_count;
        Floats g[TILE / LANES], total = broadcast(0);
        for (int i = 0; i < TILE / LANES; i++) {
            const Ints twice = address_twice(y + n * TILE + i * LANES);
            g[i] = mul(load(gradient + n * TILE + i * LANES), table[shift_right<K + 1>(twice)]);
            total = add(total, g[i]);
        }
        const float all = sum(total);
        for (int64_t c = first; c < first + layer.candidate_count; c++) {
            const uint8_t* signals = x + layer.candidates[c] * TILE;
            Floats product = broadcast(0);
            for (int i = 0; i < TILE / LANES; i++)
                product = fma(to_floats(shift_right<7>(widen(signals + i * LANES))), g[i], product);
            to_scores[c] += 2 * sum(product) - all;
        }
    }

    // Adds to to_scores [node][fan_in][candidate], for node n.
    template <class... Arguments> static void score_gradients(Arguments... arguments) {
        (score_gradient<J>(arguments...), ...);
    }
};

template <size_t... J> Pins<J...> make_pins(std::index_sequence<J...>) { return {}; }

// Calls body(Pins<0, ..., fan_in - 1>) for a fan-in of 1 to 6.
template <class Body> void for_fan_in(int64_t fan_in, Body&& body) {
    switch (fan_in) {
        case 1: return body(make_pins(std::make_index_sequence<1>{}));
        case 2: return body(make_pins(std::make_index_sequence<2>{}));
        case 3: return body(make_pins(std::make_index_sequence<3>{}));
        case 4: return body(make_pins(std::make_index_sequence<4>{}));
        case 5: return body(make_pins(std::make_index_sequence<5>{}));
        default: return body(make_pins(std::make_index_sequence<6>{}));
    }
}

// Sums of gradients by address.
using Histogram = float[ENTRIES];

// A tile of COUNT nodes. Scalar: a scatter has to be taken apart by address anyway. Several nodes in turn, so that a sum
// need not wait for the one before it.
template <int COUNT> void add_by_address(const float* g, const uint8_t* y, Histogram* histograms) {
    for (int b = 0; b < TILE; b += 8) {
        uint64_t eight[COUNT];
        for (int k = 0; k < COUNT; k++) {
            std::memcpy(&eight[k], y + k * TILE + b, 8);
            eight[k] &= 0x3f3f3f3f3f3f3f3f;
        }
        for (int i = 0; i < 8; i++)
            for (int k = 0; k < COUNT; k++) histograms[k][eight[k] >> (8 * i) & 255] += g[k * TILE + b + i];
    }
}

inline void add_by_address(int64_t count, const float* g, const uint8_t* y, Histogram* histograms) {
    int64_t n = 0;
    for (; n + 4 <= count; n += 4) add_by_address<4>(g + n * TILE, y + n * TILE, histograms + n);
    for (; n < count; n++) add_by_address<1>(g + n * TILE, y + n * TILE, histograms + n);
}

// The gradient of node n's table.
inline void store_table_gradient(const Layer& layer, int64_t n, const Histogram& histogram) {
    const int64_t entries = int64_t{1} << layer.fan_in;
    Table total(histogram);
    if (layer.smooth) total.smooth(layer.flip);
    alignas(64) float all[ENTRIES];
    total.store_to(all);
    float* to_table = layer.to_tables + n * entries;
    std::copy(all, all + entries, to_table);
    for (int64_t k = entries; k < ENTRIES; k++) to_table[k & (entries - 1)] += all[k];
}

// D_j of all nodes, [node][fan_in][32].
inline FloatArray all_slopes(const Layer& layer, int64_t threads) {
    FloatArray slopes = float_array(layer.nodes * layer.fan_in * SLOPES);
    Pool::run(threads, layer.blocks(), [&](int64_t block) {
        layer.for_each_node(block, [&](int64_t n) {
            alignas(64) float all[6 * SLOPES];
            Table table = Table::repeated(layer.tables + (n << layer.fan_in), 1 << layer.fan_in);
            table.smooth(layer.flip);
            table.slopes_to(all, layer.flip);
            std::copy(all, all + layer.fan_in * SLOPES, &slopes[n * layer.fan_in * SLOPES]);
        });
    });
    return slopes;
}

}  // namespace
