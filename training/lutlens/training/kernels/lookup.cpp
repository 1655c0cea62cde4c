// Layers of look-up nodes: forward, and backward where there is one position; for several, convolution.cpp.

#include <numeric>

#include "node.h"

namespace {

// gradients(tile, node, count) gives those of `count` nodes, [node][64].
template <class Gradients>
void table_gradient(const Layer& layer, int64_t block, const uint8_t* y, Gradients&& gradients) {
    alignas(64) Histogram histograms[NODES] = {};
    const int64_t first = block * NODES, count = std::min(NODES, layer.nodes - first);
    for (int64_t tile = 0; tile < layer.tiles; tile++)
        add_by_address(count, gradients(tile, first, count), y + layer.output(tile, 0, first), histograms);
    for (int64_t n = 0; n < count; n++) store_table_gradient(layer, first + n, histograms[n]);
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
            if (layer.smooth) table.smooth(layer.flip);
            bits[n] = table.positive_bits();
        });
    });
    return bits;
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
            const uint8_t* in = x + layer.input(tile, p, 0);
            uint8_t* out = y + layer.output(tile, p, 0);
            for (int64_t n = first; n < last; n++) pins.forward(layer, n, in, bits[n], out);
        });
    });
}

// No sum's order depends on the number of threads.
void dense_backward(const Step& step, int64_t tiles, const uint8_t* x, const uint8_t* y, const float* gradient, float* to_x,
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
                const int64_t tile = task / parts, out = layer.output(tile, 0, 0);
                const int begin = static_cast<int>(task % parts * (TILE / parts));
                const int end = begin + static_cast<int>(TILE / parts);
                for (int64_t r = tile * layer.inputs; r < (tile + 1) * layer.inputs; r++)
                    std::fill(to_x + r * TILE + begin, to_x + r * TILE + end, 0.0f);
                pins.input_gradient(layer, begin, end, gradient + out, y + out, slopes.get(),
                                    to_x + layer.input(tile, 0, 0));
                return;
            }
            const int64_t block = task - input_tasks;
            if (layer.to_tables)
                table_gradient(layer, block, y, [&](int64_t tile, int64_t n, int64_t) {
                    return gradient + layer.output(tile, 0, n);
                });
            if (layer.to_scores)
                layer.for_each_node(block, [&](int64_t n) {
                    const int64_t count = layer.fan_in * layer.candidate_count;
                    std::fill_n(layer.to_scores + n * count, count, 0.0f);
                    for (int64_t tile = 0; tile < tiles; tile++) {
                        const int64_t out = layer.output(tile, 0, 0);
                        pins.score_gradients(layer, n, gradient + out, y + out, slopes.get(),
                                             x + layer.input(tile, 0, 0), layer.to_scores);
                    }
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
        table_gradient(layer, block, y, [&](int64_t tile, int64_t first, int64_t count) {
            for (int64_t n = 0; n < count; n++)
                collect_input_gradient(upper, readers, tile, first + n, gradient, upper_y, slopes.get(),
                                       rows + n * TILE);
            return rows;
        });
    });
}
