// A cell of layers, unrolled through time: at every position it reads a window of the input and, behind it, its own
// output at the position before.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "simd.h"
#include "step.h"

namespace {

constexpr float SMALLEST = 1e-30f;  // length of a gradient

// What is kept of each position on the way forward: the cell's input, then the outputs of its layers, [tile][row][64].
struct Cell {
    const Step* steps;
    int64_t count, samples;
    int64_t tiles = (samples + TILE - 1) / TILE;
    int64_t inputs = steps[0].inputs, state = steps[count - 1].outputs, window = inputs - state;

    int64_t kept() const {
        int64_t rows = inputs;
        for (int64_t i = 0; i < count; i++) rows += steps[i].outputs;
        return tiles * rows * TILE;
    }
    // The input of the first layer, then the output of each.
    template <class Byte> std::vector<Byte*> signals(Byte* position) const {
        std::vector<Byte*> all = {position};
        int64_t rows = inputs;
        for (int64_t i = 0; i < count; i++) {
            all.push_back(all.back() + tiles * rows * TILE);
            rows = steps[i].outputs;
        }
        return all;
    }
    // Calls body(tile, first sample, samples of it).
    template <class Body> void for_each_tile(Body&& body) const {
        for (int64_t tile = 0; tile < tiles; tile++)
            body(tile, tile * TILE, std::min<int64_t>(TILE, samples - tile * TILE));
    }
};

// Adds the gradients of one position to the sums over all.
class Sums {
  public:
    explicit Sums(const Step& step) : step_(step), tables_(step.nodes << step.fan_in), scores_(score_count()) {}

    // The step, with room for the gradients of one position.
    Step once() {
        Step step = step_;
        if (step.to_tables) step.to_tables = tables_.data();
        if (step.to_scores) step.to_scores = scores_.data();
        return step;
    }
    void add() {
        if (step_.to_tables) add_to(step_.to_tables, tables_);
        if (step_.to_scores) add_to(step_.to_scores, scores_);
    }
    void clear() {
        if (step_.to_tables) std::fill_n(step_.to_tables, tables_.size(), 0.0f);
        if (step_.to_scores) std::fill_n(step_.to_scores, scores_.size(), 0.0f);
    }

  private:
    const Step& step_;
    std::vector<float> tables_, scores_;

    size_t score_count() const { return step_.to_scores ? step_.nodes * step_.fan_in * step_.candidate_count : 0; }
    static void add_to(float* sums, const std::vector<float>& once) {
        for (size_t i = 0; i < once.size(); i++) sums[i] += once[i];
    }
};

// Squares of the lengths of the 64 samples' columns of rows [64].
void squares(const float* rows, int64_t count, float* result) {
    std::fill_n(result, TILE, 0.0f);
    for (int64_t r = 0; r < count; r++)
        for (int i = 0; i < TILE; i++) result[i] += rows[r * TILE + i] * rows[r * TILE + i];
}

}  // namespace

extern "C" {

// x [tile][rows][64]; the window of position t begins at row t * pitch. kept: room for `times` positions. To the last
// layer's values y [position and row][sample].
void lutlens_unroll(const Step* steps, int64_t count, int64_t times, int64_t pitch, int64_t rows, int64_t samples,
                    const uint8_t* x, uint8_t* kept, float* y, int64_t threads) {
    const Cell cell{steps, count, samples};
    const uint8_t* before = nullptr;
    for (int64_t t = 0; t < times; t++, kept += cell.kept()) {
        const auto signals = cell.signals(kept);
        cell.for_each_tile([&](int64_t tile, int64_t, int64_t) {
            uint8_t* in = signals[0] + tile * cell.inputs * TILE;
            std::memcpy(in, x + (tile * rows + t * pitch) * TILE, cell.window * TILE);
            uint8_t* state = in + cell.window * TILE;
            if (before)
                std::memcpy(state, before + tile * cell.state * TILE, cell.state * TILE);
            else
                std::memset(state, 0, cell.state * TILE);
        });
        for (int64_t i = 0; i < count; i++) layer_forward(steps[i], cell.tiles, signals[i], signals[i + 1], threads);
        before = signals[count];
        cell.for_each_tile([&](int64_t tile, int64_t first, int64_t part) {
            for (int64_t r = 0; r < cell.state; r++)
                for (int64_t i = 0; i < part; i++)
                    y[(t * cell.state + r) * samples + first + i] = before[(tile * cell.state + r) * TILE + i] >> 7;
        });
    }
}

// gradient [position and row][sample]: that of y. to_x [tile][rows][64] may be null: it is not computed. Of a sample, the
// gradient of a state is cut to the length of that of the next state (program.py says why).
void lutlens_unroll_backward(const Step* steps, int64_t count, int64_t times, int64_t pitch, int64_t rows,
                             int64_t samples, uint8_t* kept, const float* gradient, float* to_x, int64_t threads) {
    const Cell cell{steps, count, samples};
    std::vector<Sums> sums(steps, steps + count);
    for (Sums& sum : sums) sum.clear();
    if (to_x) std::fill_n(to_x, cell.tiles * rows * TILE, 0.0f);
    FloatArray carried = float_array(cell.tiles * cell.state * TILE);
    std::fill_n(carried.get(), cell.tiles * cell.state * TILE, 0.0f);
    std::vector<float> lengths(cell.tiles * TILE);
    for (int64_t t = times - 1; t >= 0; t--) {
        FloatArray current = std::move(carried);
        cell.for_each_tile([&](int64_t tile, int64_t first, int64_t part) {
            float* all = &current[tile * cell.state * TILE];
            for (int64_t r = 0; r < cell.state; r++)
                for (int64_t i = 0; i < part; i++)
                    all[r * TILE + i] += gradient[(t * cell.state + r) * samples + first + i];
            squares(all, cell.state, &lengths[tile * TILE]);
        });
        const auto signals = cell.signals(kept + t * cell.kept());
        for (int64_t i = count - 1; i >= 0; i--) {
            const bool wanted = i > 0 || t > 0 || to_x;
            FloatArray to_in = wanted ? float_array(cell.tiles * steps[i].inputs * TILE) : nullptr;
            dense_backward(sums[i].once(), cell.tiles, signals[i], signals[i + 1], current.get(), to_in.get(), threads);
            sums[i].add();
            current = std::move(to_in);
        }
        carried = float_array(cell.tiles * cell.state * TILE);
        if (current) cell.for_each_tile([&](int64_t tile, int64_t, int64_t) {
            const float* all = &current[tile * cell.inputs * TILE];
            for (int64_t i = 0; to_x && i < cell.window * TILE; i++)
                to_x[(tile * rows + t * pitch) * TILE + i] += all[i];
            const float* state = all + cell.window * TILE;
            alignas(64) float scale[TILE];
            squares(state, cell.state, scale);
            for (int i = 0; i < TILE; i++)
                scale[i] = std::min(1.0f, std::sqrt(lengths[tile * TILE + i]) / std::max(std::sqrt(scale[i]), SMALLEST));
            float* to = &carried[tile * cell.state * TILE];
            for (int64_t r = 0; r < cell.state; r++)
                for (int i = 0; i < TILE; i++) to[r * TILE + i] = state[r * TILE + i] * scale[i];
        });
    }
}

}  // extern "C"
