// Binary look-up nodes with a smoothed gradient, forward and backward; the definition is in reference.py.
//
// All arrays are dense and row-major. Bits, addresses (uint8) and gradients (float) are [tile][row][64]: 64 samples of
// the batch lie side by side. Pin j of node n at position p reads row bases[p] + offsets[n][j]; a layer's output row
// is position * nodes + node. So a convolution is the same kernel, without unfolding its input.

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "table.h"
#include "threads.h"

namespace {

constexpr int HISTOGRAMS = 4;  // samples that may fall on one address without waiting for one another
constexpr int64_t NODES = 16;  // nodes of a task: their histograms fill half of a first-level cache

struct Layer {
    const int32_t* bases;
    const int32_t* offsets;
    int64_t positions, nodes, fan_in, rows, tiles;

    int64_t input(int64_t tile, int64_t position, int32_t offset) const {
        return (tile * rows + bases[position] + offset) * TILE;
    }
    int64_t output(int64_t tile, int64_t position, int64_t node) const {
        return ((tile * positions + position) * nodes + node) * TILE;
    }
    int64_t blocks() const { return (nodes + NODES - 1) / NODES; }
    template <class Body> void for_each_node(int64_t block, Body&& body) const {
        for (int64_t n = block * NODES; n < std::min(nodes, (block + 1) * NODES); n++) body(n);
    }
};

template <size_t... J> struct Pins {
    static constexpr int COUNT = sizeof...(J);

    static void forward(const Layer& layer, int64_t tile, int64_t p, int64_t n, const uint8_t* x, uint64_t bits,
                        uint8_t* address, uint8_t* y) {
        const uint8_t* pins[] = {x + layer.input(tile, p, layer.offsets[n * COUNT + J])...};
        const BitTable table(bits);
        const int64_t out = layer.output(tile, p, n);
        for (int b = 0; b < TILE; b += BYTES) {
            Bytes a = load_bytes(pins[0] + b);
            ((a = either_bytes(a, shift_bytes_left<J>(load_bytes(pins[J] + b)))), ...);
            if (address) store_bytes(address + out + b, a);
            store_bytes(y + out + b, table[a]);
        }
    }

    // Samples [begin, end) of a tile.
    static void input_gradient(const Layer& layer, int64_t tile, int begin, int end, const float* gradient,
                               const uint8_t* address, const float* slopes, float* to_x) {
        for (int64_t p = 0; p < layer.positions; p++) {
            for (int64_t n = 0; n < layer.nodes; n++) {
                const float* d = slopes + n * COUNT * SLOPES;
                const FloatTable tables[] = {FloatTable(d + J * SLOPES)...};
                float* pins[] = {to_x + layer.input(tile, p, layer.offsets[n * COUNT + J])...};
                const int64_t out = layer.output(tile, p, n);
                for (int b = begin; b < end; b += LANES) {
                    const Ints a = widen(address + out + b);
                    const Ints twice = either(a, shift_left<6>(a));
                    const Floats g = load(gradient + out + b);
                    (store(pins[J] + b, fma(g, tables[J][shift_right<J + 1>(twice)], load(pins[J] + b))), ...);
                }
            }
        }
    }

    template <int K>
    static void score_gradient(const Layer& layer, int64_t n, const float* gradient, const uint8_t* address,
                               const float* slopes, const uint8_t* x, const int32_t* candidates,
                               int64_t candidate_count, float* to_scores) {
        const FloatTable table(slopes + (n * COUNT + K) * SLOPES);
        candidates += (n * COUNT + K) * candidate_count;
        to_scores += (n * COUNT + K) * candidate_count;
        for (int64_t tile = 0; tile < layer.tiles; tile++) {
            for (int64_t p = 0; p < layer.positions; p++) {
                const int64_t out = layer.output(tile, p, n);
                Floats g[TILE / LANES], total = broadcast(0);
                for (int i = 0; i < TILE / LANES; i++) {
                    const Ints a = widen(address + out + i * LANES);
                    const Ints twice = either(a, shift_left<6>(a));
                    g[i] = mul(load(gradient + out + i * LANES), table[shift_right<K + 1>(twice)]);
                    total = add(total, g[i]);
                }
                const float all = sum(total);
                for (int64_t c = 0; c < candidate_count; c++) {
                    const uint8_t* bits = x + layer.input(tile, p, candidates[c]);
                    Floats product = broadcast(0);
                    for (int i = 0; i < TILE / LANES; i++)
                        product = fma(to_floats(widen(bits + i * LANES)), g[i], product);
                    to_scores[c] += 2 * sum(product) - all;
                }
            }
        }
    }

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

using Histograms = float[HISTOGRAMS][ENTRIES];

// Scalar: a scatter has to be taken apart by address anyway.
void add_by_address(const float* g, const uint8_t* a, Histograms& histogram) {
    for (int b = 0; b < TILE; b += 8) {
        uint64_t eight;
        std::memcpy(&eight, a + b, 8);
        for (int i = 0; i < 8; i++) histogram[i % HISTOGRAMS][eight >> (8 * i) & 255] += g[b + i];
    }
}

void table_gradient(const Layer& layer, int64_t block, bool smooth, const float* gradient, const uint8_t* address,
                    float* to_tables) {
    alignas(64) Histograms histograms[NODES] = {};
    for (int64_t tile = 0; tile < layer.tiles; tile++)
        for (int64_t p = 0; p < layer.positions; p++)
            layer.for_each_node(block, [&](int64_t n) {
                const int64_t out = layer.output(tile, p, n);
                add_by_address(gradient + out, address + out, histograms[n % NODES]);
            });
    const int64_t entries = int64_t{1} << layer.fan_in;
    layer.for_each_node(block, [&](int64_t n) {
        Table total(histograms[n % NODES][0]);
        for (int i = 1; i < HISTOGRAMS; i++) {
            const Table part(histograms[n % NODES][i]);
            for (int k = 0; k < Table::VECTORS; k++) total.v[k] = add(total.v[k], part.v[k]);
        }
        if (smooth) total.smooth();
        alignas(64) float all[ENTRIES];
        total.store_to(all);
        float* to_table = to_tables + n * entries;
        std::copy(all, all + entries, to_table);
        for (int64_t k = entries; k < ENTRIES; k++) to_table[k & (entries - 1)] += all[k];
    });
}

}  // namespace

extern "C" {

const char* lutlens_simd() { return LUTLENS_SIMD; }

// tables [node][2**fan_in] to bits [node]: bit a is set where the entry that is looked up is greater than zero, the
// smoothed one if `smooth`, else the table's own.
void lutlens_harden(int64_t nodes, int64_t fan_in, int64_t smooth, const float* tables, uint64_t* bits,
                    int64_t threads) {
    const Layer layer{nullptr, nullptr, 1, nodes, fan_in, 0, 0};
    const int entries = 1 << fan_in;
    const uint64_t used = entries == ENTRIES ? ~uint64_t{0} : (uint64_t{1} << entries) - 1;
    Pool::run(threads, layer.blocks(), [&](int64_t block) {
        layer.for_each_node(block, [&](int64_t n) {
            Table table = Table::repeated(tables + n * entries, entries);
            if (smooth) table.smooth();
            bits[n] = table.positive_bits() & used;
        });
    });
}

// x [tile][row][64] to y and, unless it is null, address, [tile][position][node][64].
void lutlens_forward(const int32_t* bases, int64_t positions, const int32_t* offsets, int64_t nodes, int64_t fan_in,
                     int64_t rows, int64_t tiles, const uint8_t* x, const uint64_t* bits, uint8_t* address,
                     uint8_t* y, int64_t threads) {
    const Layer layer{bases, offsets, positions, nodes, fan_in, rows, tiles};
    for_fan_in(fan_in, [&](auto pins) {
        // One position's nodes are a task; where there is one position only, a block of nodes.
        const int64_t blocks = positions == 1 ? layer.blocks() : 1;
        Pool::run(threads, tiles * positions * blocks, [&](int64_t task) {
            const int64_t tile = task / blocks / positions, p = task / blocks % positions;
            const int64_t first = blocks == 1 ? 0 : task % blocks * NODES;
            const int64_t last = blocks == 1 ? nodes : std::min(nodes, first + NODES);
            for (int64_t n = first; n < last; n++) pins.forward(layer, tile, p, n, x, bits[n], address, y);
        });
    });
}

// Each of to_x [tile][row][64], to_tables [node][2**fan_in] and to_scores [node][fan_in][candidate] may be null: it is
// not computed. No sum's order depends on the number of threads.
void lutlens_backward(const int32_t* bases, int64_t positions, const int32_t* offsets, int64_t nodes, int64_t fan_in,
                      int64_t rows, int64_t tiles, int64_t smooth, const float* gradient, const uint8_t* address,
                      const float* tables, const uint8_t* x, const int32_t* candidates, int64_t candidate_count,
                      float* to_x, float* to_tables, float* to_scores, int64_t threads) {
    const Layer layer{bases, offsets, positions, nodes, fan_in, rows, tiles};
    std::vector<float> slopes;
    if (to_x || to_scores) {
        slopes.resize(static_cast<size_t>(nodes * fan_in) * SLOPES);
        Pool::run(threads, layer.blocks(), [&](int64_t block) {
            layer.for_each_node(block, [&](int64_t n) {
                alignas(64) float all[6 * SLOPES];
                Table table = Table::repeated(tables + (n << fan_in), 1 << fan_in);
                table.smooth();
                table.slopes_to(all);
                std::copy(all, all + fan_in * SLOPES, slopes.data() + n * fan_in * SLOPES);
            });
        });
    }
    // Input gradients share rows, so that a task is a tile, or a part of one where tiles are fewer than threads.
    int64_t parts = 1;
    while (parts * tiles < threads && TILE / (2 * parts) >= 16) parts *= 2;
    const int64_t input_tasks = to_x ? tiles * parts : 0;
    for_fan_in(fan_in, [&](auto pins) {
        Pool::run(threads, input_tasks + layer.blocks(), [&](int64_t task) {
            if (task < input_tasks) {
                const int64_t tile = task / parts;
                const int begin = static_cast<int>(task % parts * (TILE / parts));
                const int end = begin + static_cast<int>(TILE / parts);
                for (int64_t r = tile * rows; r < (tile + 1) * rows; r++)
                    std::fill(to_x + r * TILE + begin, to_x + r * TILE + end, 0.0f);
                pins.input_gradient(layer, tile, begin, end, gradient, address, slopes.data(), to_x);
                return;
            }
            const int64_t block = task - input_tasks;
            if (to_tables) table_gradient(layer, block, smooth, gradient, address, to_tables);
            if (to_scores)
                layer.for_each_node(block, [&](int64_t n) {
                    const int64_t count = fan_in * candidate_count;
                    std::fill(to_scores + n * count, to_scores + (n + 1) * count, 0.0f);
                    pins.score_gradients(layer, n, gradient, address, slopes.data(), x, candidates, candidate_count,
                                         to_scores);
                });
        });
    });
}

}  // extern "C"
