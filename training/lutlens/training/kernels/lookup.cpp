// Binary look-up nodes with a smoothed gradient, forward and backward; the definition is in reference.py.
//
// Pin j of node n at position p reads row bases[p] + offsets[n][j]; a layer's output row is position * nodes + node. So a
// convolution is the same kernel, without unfolding its input. tables are [node][2**fan_in].

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <type_traits>
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
    template <class Body> void for_each_node(int64_t block, Body&& body) const {
        for (int64_t n = block * NODES; n < std::min(nodes, (block + 1) * NODES); n++) body(n);
    }
};

// The index of slopes is a part of it: table.h.
Ints address_twice(const uint8_t* signals) {
    const Ints signal = widen(signals);
    return either(both(signal, ENTRIES - 1), shift_left<6>(signal));
}

template <size_t... J> struct Pins {
    static constexpr int COUNT = sizeof...(J);

    static void forward(const Layer& layer, int64_t tile, int64_t p, int64_t n, const uint8_t* x, uint64_t bits,
                        uint8_t* y) {
        const uint8_t* pins[] = {x + layer.input(tile, p, layer.offsets[n * COUNT + J])...};
        const BitTable table(bits);
        uint8_t* out = y + layer.output(tile, p, n);
        for (int b = 0; b < TILE; b += BYTES) {
            Bytes a{};
            ((a = either_bytes(a, both_bytes(shift_bytes_right<7 - J>(load_bytes(pins[J] + b)), 1 << J))), ...);
            store_bytes(out + b, either_bytes(a, table[a]));
        }
    }

    // Samples [begin, end) of a tile.
    static void input_gradient(const Layer& layer, int64_t tile, int begin, int end, const float* gradient,
                               const uint8_t* y, const float* slopes, float* to_x) {
        for (int64_t p = 0; p < layer.positions; p++) {
            for (int64_t n = 0; n < layer.nodes; n++) {
                const float* d = slopes + n * COUNT * SLOPES;
                const FloatTable tables[] = {FloatTable(d + J * SLOPES)...};
                float* pins[] = {to_x + layer.input(tile, p, layer.offsets[n * COUNT + J])...};
                const int64_t out = layer.output(tile, p, n);
                for (int b = begin; b < end; b += LANES) {
                    const Ints twice = address_twice(y + out + b);
                    const Floats g = load(gradient + out + b);
                    (store(pins[J] + b, fma(g, tables[J][shift_right<J + 1>(twice)], load(pins[J] + b))), ...);
                }
            }
        }
    }

    template <int K>
    static void score_gradient(const Layer& layer, int64_t n, const float* gradient, const uint8_t* y,
                               const float* slopes, const uint8_t* x) {
        const FloatTable table(slopes + (n * COUNT + K) * SLOPES);
        const int32_t* candidates = layer.candidates + (n * COUNT + K) * layer.candidate_count;
        float* to_scores = layer.to_scores + (n * COUNT + K) * layer.candidate_count;
        for (int64_t tile = 0; tile < layer.tiles; tile++) {
            for (int64_t p = 0; p < layer.positions; p++) {
                const int64_t out = layer.output(tile, p, n);
                Floats g[TILE / LANES], total = broadcast(0);
                for (int i = 0; i < TILE / LANES; i++) {
                    const Ints twice = address_twice(y + out + i * LANES);
                    g[i] = mul(load(gradient + out + i * LANES), table[shift_right<K + 1>(twice)]);
                    total = add(total, g[i]);
                }
                const float all = sum(total);
                for (int64_t c = 0; c < layer.candidate_count; c++) {
                    const uint8_t* signals = x + layer.input(tile, p, candidates[c]);
                    Floats product = broadcast(0);
                    for (int i = 0; i < TILE / LANES; i++)
                        product = fma(to_floats(shift_right<7>(widen(signals + i * LANES))), g[i], product);
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

// gradients(tile, position, node, count) gives those of `count` nodes, [node][64].
template <class Gradients>
void table_gradient(const Layer& layer, int64_t block, const uint8_t* y, Gradients&& gradients) {
    alignas(64) Histogram histograms[NODES] = {};
    const int64_t first = block * NODES, count = std::min(NODES, layer.nodes - first);
    for (int64_t tile = 0; tile < layer.tiles; tile++)
        for (int64_t p = 0; p < layer.positions; p++) {
            const float* g = gradients(tile, p, first, count);
            const uint8_t* signals = y + layer.output(tile, p, first);
            int64_t n = 0;
            for (; n + 4 <= count; n += 4) add_by_address<4>(g + n * TILE, signals + n * TILE, histograms + n);
            for (; n < count; n++) add_by_address<1>(g + n * TILE, signals + n * TILE, histograms + n);
        }
    const int64_t entries = int64_t{1} << layer.fan_in;
    for (int64_t n = 0; n < count; n++) {
        Table total(histograms[n]);
        if (layer.smooth) total.smooth();
        alignas(64) float all[ENTRIES];
        total.store_to(all);
        float* to_table = layer.to_tables + (first + n) * entries;
        std::copy(all, all + entries, to_table);
        for (int64_t k = entries; k < ENTRIES; k++) to_table[k & (entries - 1)] += all[k];
    }
}

// The pins that read a row, of a layer with one position.
struct Readers {
    struct Pin {
        int32_t node, input;
    };
    std::vector<int32_t> first;  // of row r: pins[first[r]] to pins[first[r + 1] - 1]
    std::vector<Pin> pins;

    explicit Readers(const Layer& layer) : first(layer.inputs + 1), pins(layer.nodes * layer.fan_in) {
        const auto row = [&](int64_t pin) { return layer.bases[0] + layer.offsets[pin]; };
        for (size_t pin = 0; pin < pins.size(); pin++) first[row(pin)]++;
        std::partial_sum(first.begin(), first.end(), first.begin());
        for (int32_t node = layer.nodes - 1; node >= 0; node--)
            for (int32_t j = layer.fan_in - 1; j >= 0; j--) pins[--first[row(node * layer.fan_in + j)]] = {node, j};
    }
};

// The gradient of one row of a tile, collected from the nodes that read it, to to_row [64].
void collect_input_gradient(const Layer& layer, const Readers& readers, int64_t tile, int64_t row, const float* gradient,
                            const uint8_t* y, const float* slopes, float* to_row) {
    Floats sums[TILE / LANES] = {};
    for (int32_t i = readers.first[row]; i < readers.first[row + 1]; i++) {
        const auto [node, input] = readers.pins[i];
        const int64_t out = layer.output(tile, 0, node);
        const FloatTable table(slopes + (node * layer.fan_in + input) * SLOPES);
        for (int k = 0; k < TILE / LANES; k++) {
            const Ints twice = address_twice(y + out + k * LANES);
            sums[k] = fma(load(gradient + out + k * LANES), table[shift_right(twice, input + 1)], sums[k]);
        }
    }
    for (int k = 0; k < TILE / LANES; k++) store(to_row + k * LANES, sums[k]);
}

// The bits that are looked up: bit a is set where entry a is greater than zero, the smoothed one's if the layer smooths.
std::vector<uint64_t> harden(const Layer& layer, int64_t threads) {
    std::vector<uint64_t> bits(static_cast<size_t>(layer.nodes));
    const int entries = 1 << layer.fan_in;
    Pool::run(threads, layer.blocks(), [&](int64_t block) {
        layer.for_each_node(block, [&](int64_t n) {
            Table table = Table::repeated(layer.tables + n * entries, entries);
            if (layer.smooth) table.smooth();
            bits[n] = table.positive_bits();
        });
    });
    return bits;
}

// D_j of all nodes, [node][fan_in][32].
FloatArray all_slopes(const Layer& layer, int64_t threads) {
    FloatArray slopes = float_array(layer.nodes * layer.fan_in * SLOPES);
    Pool::run(threads, layer.blocks(), [&](int64_t block) {
        layer.for_each_node(block, [&](int64_t n) {
            alignas(64) float all[6 * SLOPES];
            Table table = Table::repeated(layer.tables + (n << layer.fan_in), 1 << layer.fan_in);
            table.smooth();
            table.slopes_to(all);
            std::copy(all, all + layer.fan_in * SLOPES, &slopes[n * layer.fan_in * SLOPES]);
        });
    });
    return slopes;
}

}  // namespace

void layer_forward(const Step& step, int64_t tiles, const uint8_t* x, uint8_t* y, int64_t threads) {
    const Layer layer{step, tiles};
    const std::vector<uint64_t> bits = harden(layer, threads);
    for_fan_in(layer.fan_in, [&](auto pins) {
        // One position's nodes are a task; where there is one position only, a block of nodes.
        const int64_t blocks = layer.positions == 1 ? layer.blocks() : 1;
        Pool::run(threads, tiles * layer.positions * blocks, [&](int64_t task) {
            const int64_t tile = task / blocks / layer.positions, p = task / blocks % layer.positions;
            const int64_t first = blocks == 1 ? 0 : task % blocks * NODES;
            const int64_t last = blocks == 1 ? layer.nodes : std::min(layer.nodes, first + NODES);
            for (int64_t n = first; n < last; n++) pins.forward(layer, tile, p, n, x, bits[n], y);
        });
    });
}

// No sum's order depends on the number of threads.
void layer_backward(const Step& step, int64_t tiles, const uint8_t* x, const uint8_t* y, const float* gradient, float* to_x,
                    int64_t threads) {
    const Layer layer{step, tiles};
    const auto slopes = to_x || layer.to_scores ? all_slopes(layer, threads) : nullptr;
    // Input gradients share rows, so that a task is a tile, or a part of one where tiles are fewer than threads.
    int64_t parts = 1;
    while (parts * tiles < threads && TILE / (2 * parts) >= 16) parts *= 2;
    const int64_t input_tasks = to_x ? tiles * parts : 0;
    for_fan_in(layer.fan_in, [&](auto pins) {
        Pool::run(threads, input_tasks + layer.blocks(), [&](int64_t task) {
            if (task < input_tasks) {
                const int64_t tile = task / parts;
                const int begin = static_cast<int>(task % parts * (TILE / parts));
                const int end = begin + static_cast<int>(TILE / parts);
                for (int64_t r = tile * layer.inputs; r < (tile + 1) * layer.inputs; r++)
                    std::fill(to_x + r * TILE + begin, to_x + r * TILE + end, 0.0f);
                pins.input_gradient(layer, tile, begin, end, gradient, y, slopes.get(), to_x);
                return;
            }
            const int64_t block = task - input_tasks;
            if (layer.to_tables)
                table_gradient(layer, block, y, [&](int64_t tile, int64_t p, int64_t n, int64_t) {
                    return gradient + layer.output(tile, p, n);
                });
            if (layer.to_scores)
                layer.for_each_node(block, [&](int64_t n) {
                    const int64_t count = layer.fan_in * layer.candidate_count;
                    std::fill_n(layer.to_scores + n * count, count, 0.0f);
                    pins.score_gradients(layer, n, gradient, y, slopes.get(), x);
                });
        });
    });
}

void table_gradient_through(const Step& upper_step, const Step& step, int64_t tiles, const uint8_t* upper_y,
                            const uint8_t* y, const float* gradient, int64_t threads) {
    const Layer upper{upper_step, tiles}, layer{step, tiles};
    const auto slopes = all_slopes(upper, threads);
    const Readers readers(upper);
    Pool::run(threads, layer.blocks(), [&](int64_t block) {
        alignas(64) float rows[NODES * TILE];
        table_gradient(layer, block, y, [&](int64_t tile, int64_t, int64_t first, int64_t count) {
            for (int64_t n = 0; n < count; n++)
                collect_input_gradient(upper, readers, tile, first + n, gradient, upper_y, slopes.get(),
                                       rows + n * TILE);
            return rows;
        });
    });
}
