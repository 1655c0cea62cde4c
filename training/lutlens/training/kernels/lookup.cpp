// Binary look-up nodes with a smoothed gradient, forward and backward; the definition is in reference.py.
//
// All arrays are dense and row-major. Activations are [row][batch]; pin j of node n at position p reads row
// bases[p] + offsets[n][j]. Outputs, their gradients and addresses are [position][node][batch].

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "simd.h"
#include "threads.h"

namespace {

constexpr int ENTRIES = 64;     // tables of fewer inputs are repeated to fill 64 entries
constexpr int SLOPES = 32;      // D_j does not depend on input j
constexpr float FLIP = 0.25f;   // p of reference.py
constexpr int HISTOGRAMS = 8;   // samples that may fall on one address without waiting for one another
constexpr int64_t SLICE = 64;   // samples of a task's slice of the batch, at least
constexpr int64_t NODES = 8;    // nodes of a task: their histograms fill half of a first-level cache

struct Layer {
    const int32_t* bases;
    const int32_t* offsets;
    int64_t positions, nodes, fan_in, batch;

    int64_t at(int64_t position, int64_t node) const { return (position * nodes + node) * batch; }
};

// One step of a butterfly of constant geometry: it treats the highest address bit, and makes it the lowest.
void smooth(float* table) {
    float other[ENTRIES];
    for (int bit = 0; bit < 6; bit++) {
        for (int i = 0; i < ENTRIES / 2; i++) {
            float low = table[i], high = table[i + ENTRIES / 2];
            other[2 * i] = (1 - FLIP) * low + FLIP * high;
            other[2 * i + 1] = FLIP * low + (1 - FLIP) * high;
        }
        std::copy(other, other + ENTRIES, table);
    }
}

// D_j of all six inputs, [j][32]; entry i of D_j is for the address whose bits j + 1, j + 2, ... (modulo six) are
// those of i, so that the index is the doubled address shifted right by j + 1.
void slopes_of(const float* smoothed, float* slopes) {
    float table[ENTRIES], other[ENTRIES];
    std::copy(smoothed, smoothed + ENTRIES, table);
    for (int j = 5; j >= 0; j--) {
        for (int i = 0; i < ENTRIES / 2; i++) {
            float low = table[i], high = table[i + ENTRIES / 2];
            slopes[j * SLOPES + i] = (high - low) / (1 - 2 * FLIP);
            other[2 * i] = low;
            other[2 * i + 1] = high;
        }
        std::copy(other, other + ENTRIES, table);
    }
}

template <int FAN_IN>
void forward_node(const Layer& layer, int64_t p, int64_t n, const float* rows, uint64_t bits, uint8_t* address,
                  float* output) {
    const float* pins[FAN_IN];
    for (int j = 0; j < FAN_IN; j++)
        pins[j] = rows + (layer.bases[p] + layer.offsets[n * FAN_IN + j]) * layer.batch;
    uint8_t* a_row = address + layer.at(p, n);
    float* y_row = output + layer.at(p, n);
    BitTable table(bits);
    for_each_vector(layer.batch, [&](int64_t b, auto... mask) {
        Floats sum = load(pins[0] + b, mask...);
        for (int j = 1; j < FAN_IN; j++)
            sum = fma(load(pins[j] + b, mask...), broadcast(static_cast<float>(1 << j)), sum);
        Ints a = truncate(sum, (1 << FAN_IN) - 1);
        store_bytes(a_row + b, a, mask...);
        store(y_row + b, table[a], mask...);
    });
}

template <int FAN_IN, int J>
inline void add_pins(const FloatTable* tables, Floats g, Ints twice, float* const* pins, int64_t b, auto... mask) {
    if constexpr (J < FAN_IN) {
        Floats d = tables[J][shift_right<J + 1>(twice)];
        store(pins[J] + b, fma(g, d, load(pins[J] + b, mask...)), mask...);
        add_pins<FAN_IN, J + 1>(tables, g, twice, pins, b, mask...);
    }
}

template <int FAN_IN, size_t... J>
void input_gradient_slice(const Layer& layer, int64_t begin, int64_t end, const float* gradient,
                          const uint8_t* address, const float* slopes, float* to_rows,
                          std::index_sequence<J...>) {
    for (int64_t p = 0; p < layer.positions; p++) {
        for (int64_t n = 0; n < layer.nodes; n++) {
            const float* d = slopes + n * 6 * SLOPES;
            const FloatTable tables[] = {FloatTable(d + J * SLOPES)...};
            float* pins[] = {to_rows +
                             (layer.bases[p] + layer.offsets[n * FAN_IN + J]) * layer.batch + begin...};
            const float* g_row = gradient + layer.at(p, n) + begin;
            const uint8_t* a_row = address + layer.at(p, n) + begin;
            for_each_vector(end - begin, [&](int64_t b, auto... mask) {
                Ints twice = doubled(load_bytes(a_row + b, mask...));
                add_pins<FAN_IN, 0>(tables, load(g_row + b, mask...), twice, pins, b, mask...);
            });
        }
    }
}

using Histograms = float[HISTOGRAMS][ENTRIES];

// Scalar: a scatter has to be taken apart by address anyway.
void add_by_address(int64_t batch, const float* g, const uint8_t* a, Histograms& histogram) {
    int64_t b = 0;
    for (; b + HISTOGRAMS <= batch; b += HISTOGRAMS) {
        uint64_t eight;
        std::memcpy(&eight, a + b, 8);
        for (int i = 0; i < HISTOGRAMS; i++) histogram[i][eight >> (8 * i) & 255] += g[b + i];
    }
    for (int i = 0; b < batch; b++, i++) histogram[i][a[b]] += g[b];
}

void table_gradients(const Layer& layer, int64_t first, int64_t last, bool smoothed, const float* gradient,
                     const uint8_t* address, float* to_tables) {
    alignas(64) Histograms histograms[NODES] = {};
    for (int64_t p = 0; p < layer.positions; p++)
        for (int64_t n = first; n < last; n++)
            add_by_address(layer.batch, gradient + layer.at(p, n), address + layer.at(p, n), histograms[n - first]);
    const int64_t entries = int64_t{1} << layer.fan_in;
    for (int64_t n = first; n < last; n++) {
        float* total = histograms[n - first][0];
        for (int i = 1; i < HISTOGRAMS; i++)
            for (int k = 0; k < ENTRIES; k++) total[k] += histograms[n - first][i][k];
        if (smoothed) smooth(total);
        float* to_table = to_tables + n * entries;
        std::copy(total, total + entries, to_table);
        for (int64_t k = entries; k < ENTRIES; k++) to_table[k % entries] += total[k];
    }
}

template <int FAN_IN, size_t... J>
void score_gradient_node(const Layer& layer, int64_t n, const float* gradient, const uint8_t* address,
                         const float* slopes, const float* rows, const int32_t* candidates,
                         int64_t candidate_count, float* to_scores, float* scratch,
                         std::index_sequence<J...>) {
    const float* d = slopes + n * 6 * SLOPES;
    const FloatTable tables[] = {FloatTable(d + J * SLOPES)...};
    candidates += n * FAN_IN * candidate_count;
    to_scores += n * FAN_IN * candidate_count;
    std::fill(to_scores, to_scores + FAN_IN * candidate_count, 0.0f);
    for (int64_t p = 0; p < layer.positions; p++) {
        const float* g_row = gradient + layer.at(p, n);
        const uint8_t* a_row = address + layer.at(p, n);
        auto pin_gradient = [&](auto j) {
            Floats total = broadcast(0);
            for_each_vector(layer.batch, [&](int64_t b, auto... mask) {
                Ints twice = doubled(load_bytes(a_row + b, mask...));
                Floats g = mul(load(g_row + b, mask...), tables[j][shift_right<j + 1>(twice)]);
                store(scratch + b, g, mask...);
                total = add(total, g);
            });
            const float all = sum(total);
            for (int64_t c = 0; c < candidate_count; c++) {
                const float* x = rows + (layer.bases[p] + candidates[j * candidate_count + c]) * layer.batch;
                Floats product = broadcast(0);
                for_each_vector(layer.batch, [&](int64_t b, auto... mask) {
                    product = fma(load(x + b, mask...), load(scratch + b, mask...), product);
                });
                to_scores[j * candidate_count + c] += 2 * sum(product) - all;
            }
        };
        (pin_gradient(std::integral_constant<int, J>{}), ...);
    }
}

// Calls body(std::integral_constant<int, fan_in>) for a fan-in of 1 to 6.
template <class Body> void for_fan_in(int64_t fan_in, Body&& body) {
    switch (fan_in) {
        case 1: return body(std::integral_constant<int, 1>{});
        case 2: return body(std::integral_constant<int, 2>{});
        case 3: return body(std::integral_constant<int, 3>{});
        case 4: return body(std::integral_constant<int, 4>{});
        case 5: return body(std::integral_constant<int, 5>{});
        default: return body(std::integral_constant<int, 6>{});
    }
}

int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

}  // namespace

extern "C" {

const char* lutlens_simd() { return LUTLENS_SIMD; }

// tables [node][2**fan_in] to smoothed [node][64] and bits [node], bit a set where the entry that is looked up is > 0:
// the smoothed one if `smoothed_lookup`, else the table's own.
void lutlens_prepare(int64_t nodes, int64_t fan_in, int64_t smoothed_lookup, const float* tables, float* smoothed,
                     uint64_t* bits, int64_t threads) {
    const int64_t entries = int64_t{1} << fan_in;
    Pool::run(threads, ceil_div(nodes, NODES), [&](int64_t task) {
        for (int64_t n = task * NODES; n < std::min(nodes, (task + 1) * NODES); n++) {
            float* s = smoothed + n * ENTRIES;
            float table[ENTRIES];
            for (int k = 0; k < ENTRIES; k += entries)
                std::copy(tables + n * entries, tables + (n + 1) * entries, table + k);
            std::copy(table, table + ENTRIES, s);
            smooth(s);
            const float* looked_up = smoothed_lookup ? s : table;
            uint64_t word = 0;
            for (int k = 0; k < entries; k++) word |= uint64_t{looked_up[k] > 0} << k;
            bits[n] = word;
        }
    });
}

void lutlens_forward(const int32_t* bases, int64_t positions, const int32_t* offsets, int64_t nodes, int64_t fan_in,
                     int64_t batch, const float* rows, const uint64_t* bits, uint8_t* address, float* output,
                     int64_t threads) {
    const Layer layer{bases, offsets, positions, nodes, fan_in, batch};
    const int64_t blocks = ceil_div(nodes, NODES);
    for_fan_in(fan_in, [&](auto n_inputs) {
        Pool::run(threads, positions * blocks, [&](int64_t task) {
            const int64_t p = task / blocks, first = task % blocks * NODES;
            for (int64_t n = first; n < std::min(nodes, first + NODES); n++)
                forward_node<n_inputs>(layer, p, n, rows, bits[n], address, output);
        });
    });
}

// Each of to_rows [row][batch], to_tables [node][2**fan_in] and to_scores [node][fan_in][candidate] may be null: it is
// not computed. Every sum is in an order that does not depend on the number of threads.
void lutlens_backward(const int32_t* bases, int64_t positions, const int32_t* offsets, int64_t nodes, int64_t fan_in,
                      int64_t batch, int64_t smoothed_lookup, const float* gradient, const uint8_t* address,
                      const float* smoothed, const float* rows, int64_t row_count, const int32_t* candidates,
                      int64_t candidate_count, float* to_rows, float* to_tables, float* to_scores, int64_t threads) {
    const Layer layer{bases, offsets, positions, nodes, fan_in, batch};
    const int64_t blocks = ceil_div(nodes, NODES);
    std::vector<float> slopes;
    if (to_rows || to_scores) {
        slopes.resize(static_cast<size_t>(nodes) * 6 * SLOPES);
        Pool::run(threads, blocks, [&](int64_t task) {
            for (int64_t n = task * NODES; n < std::min(nodes, (task + 1) * NODES); n++)
                slopes_of(smoothed + n * ENTRIES, slopes.data() + n * 6 * SLOPES);
        });
    }
    const int64_t slice = std::max(SLICE, ceil_div(ceil_div(batch, threads), LANES) * LANES);
    const int64_t slices = to_rows ? ceil_div(batch, slice) : 0;
    for_fan_in(fan_in, [&](auto n_inputs) {
        constexpr auto pins = std::make_index_sequence<n_inputs>{};
        Pool::run(threads, slices + blocks, [&](int64_t task) {
            if (task < slices) {
                const int64_t begin = task * slice, end = std::min(batch, begin + slice);
                for (int64_t r = 0; r < row_count; r++)
                    std::fill(to_rows + r * batch + begin, to_rows + r * batch + end, 0.0f);
                input_gradient_slice<n_inputs>(layer, begin, end, gradient, address, slopes.data(), to_rows, pins);
                return;
            }
            const int64_t first = (task - slices) * NODES;
            std::vector<float> scratch(to_scores ? static_cast<size_t>(batch) : 0);
            const int64_t last = std::min(nodes, first + NODES);
            if (to_tables) table_gradients(layer, first, last, smoothed_lookup, gradient, address, to_tables);
            if (to_scores)
                for (int64_t n = first; n < last; n++)
                    score_gradient_node<n_inputs>(layer, n, gradient, address, slopes.data(), rows, candidates,
                                                  candidate_count, to_scores, scratch.data(), pins);
        });
    });
}

// OR over blocks of pool_rows x pool_columns positions: x [height][width][channels * batch] to
// y [height / pool_rows][width / pool_columns][channels * batch]; `size` is channels * batch.
void lutlens_pool(int64_t height, int64_t width, int64_t size, int64_t pool_rows, int64_t pool_columns, const float* x,
                  float* y, int64_t threads) {
    const int64_t rows = height / pool_rows, columns = width / pool_columns;
    Pool::run(threads, rows * columns, [&](int64_t task) {
        const float* corner = x + (task / columns * pool_rows * width + task % columns * pool_columns) * size;
        float* out = y + task * size;
        for_each_vector(size, [&](int64_t b, auto... mask) {
            Floats best = broadcast(0);
            for (int64_t i = 0; i < pool_rows; i++)
                for (int64_t j = 0; j < pool_columns; j++)
                    best = max(best, load(corner + (i * width + j) * size + b, mask...));
            store(out + b, best, mask...);
        });
    });
}

// The gradient to each of a block's bits, smoothed like a node's: the product of 1 - x over the others, bits read as
// probabilities p and 1 - p. to_x, like x, is zero where no block is.
void lutlens_pool_backward(int64_t height, int64_t width, int64_t size, int64_t pool_rows, int64_t pool_columns,
                           const float* x, const float* gradient, float* to_x, int64_t threads) {
    const int64_t rows = height / pool_rows, columns = width / pool_columns;
    if (rows * pool_rows < height || columns * pool_columns < width) std::fill(to_x, to_x + height * width * size, 0.0f);
    Pool::run(threads, rows * columns, [&](int64_t task) {
        const int64_t corner = (task / columns * pool_rows * width + task % columns * pool_columns) * size;
        const float* g = gradient + task * size;
        for_each_vector(size, [&](int64_t b, auto... mask) {
            Floats product = load(g + b, mask...);
            for (int64_t i = 0; i < pool_rows; i++)
                for (int64_t j = 0; j < pool_columns; j++)
                    product = mul(product, fma(load(x + corner + (i * width + j) * size + b, mask...),
                                               broadcast(2 * FLIP - 1), broadcast(1 - FLIP)));
            for (int64_t i = 0; i < pool_rows; i++)
                for (int64_t j = 0; j < pool_columns; j++) {
                    const int64_t at = corner + (i * width + j) * size + b;
                    Floats without = fma(load(x + at, mask...), broadcast(1 / FLIP - 1 / (1 - FLIP)),
                                         broadcast(1 / (1 - FLIP)));
                    store(to_x + at, mul(product, without), mask...);
                }
        });
    });
}

// Keeps freed memory: activations are some tens of megabytes that come and go every step, and handing pages back to the
// system and getting them again, zeroed, would take a good part of the time.
void lutlens_keep_memory() {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // extern "C"
