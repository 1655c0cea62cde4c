// The functions that native.py calls: whole passes through the steps of a program.

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <vector>

#include "simd.h"
#include "step.h"

namespace {

int64_t tiles_of(int64_t samples) { return (samples + TILE - 1) / TILE; }

// Calls body(tile's row, untiled row, samples) for all rows of all tiles.
template <class Body> void for_each_row(int64_t rows, int64_t samples, Body&& body) {
    for (int64_t tile = 0; tile < tiles_of(samples); tile++)
        for (int64_t r = 0; r < rows; r++)
            body((tile * rows + r) * TILE, r * samples + tile * TILE, std::min<int64_t>(TILE, samples - tile * TILE));
}

}  // namespace

extern "C" {

const char* lutlens_simd() { return LUTLENS_SIMD; }

// Keeps freed memory: activations are some tens of megabytes that come and go every step, and to hand pages back to
// the system and get them again, zeroed, would take a good part of the time.
void lutlens_keep_memory() {
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

// x [tile][row][64] to the last step's values y [row][sample]. signals: all steps' outputs [step][tile][row][64].
void lutlens_forward(const Step* steps, int64_t count, int64_t samples, const uint8_t* x, uint8_t* signals, float* y,
                     int64_t threads) {
    const int64_t tiles = tiles_of(samples);
    for (const Step* step = steps; step < steps + count; step++) {
        if (step->nodes)
            layer_forward(*step, tiles, x, signals, threads);
        else
            pool_forward(*step, tiles, x, signals, threads);
        x = signals;
        signals += tiles * step->outputs * TILE;
    }
    for_each_row(steps[count - 1].outputs, samples, [&](int64_t in, int64_t out, int64_t part) {
        for (int64_t i = 0; i < part; i++) y[out + i] = x[in + i] >> 7;
    });
}

// gradient [row][sample]: that of the last step's output. to_x [tile][row][64] may be null: it is not computed.
void lutlens_backward(const Step* steps, int64_t count, int64_t samples, const uint8_t* x,
                      const uint8_t* signals, const float* gradient, float* to_x, int64_t threads) {
    const int64_t tiles = tiles_of(samples);
    const Step* first = steps;
    while (!to_x && !first->to_tables && !first->to_scores) first++;
    std::vector<const uint8_t*> all = {x};  // signals: input, then all outputs
    for (const Step* step = steps; step < steps + count; step++) {
        all.push_back(signals);
        signals += tiles * step->outputs * TILE;
    }

    const int64_t rows = steps[count - 1].outputs;
    FloatArray current = float_array(tiles * rows * TILE);
    for_each_row(rows, samples, [&](int64_t out, int64_t in, int64_t part) {
        std::fill(std::copy(gradient + in, gradient + in + part, &current[out]), &current[out] + TILE, 0.0f);
    });
    for (const Step* step = steps + count - 1; step >= first; step--) {
        const Step* top = step;
        if (top->positions > 1)
            while (step > first && reads_own_position(*step, step[-1])) step--;
        const uint8_t* const* in = &all[step - steps];
        const bool dense = step > steps && step->positions == 1 && step[-1].positions == 1;
        if (dense && step == first + 1 && !to_x && !first->to_scores) {
            dense_backward(*step, tiles, in[0], in[1], current.get(), nullptr, threads);
            table_gradient_through(*step, *first, tiles, in[1], in[0], current.get(), threads);
            return;
        }
        FloatArray next = step > first ? float_array(tiles * step->inputs * TILE) : nullptr;
        float* to_in = step > first ? next.get() : to_x;
        if (!step->nodes)
            pool_backward(*step, tiles, in[0], current.get(), to_in, threads);
        else if (step->positions == 1)
            dense_backward(*step, tiles, in[0], in[1], current.get(), to_in, threads);
        else
            convolution_backward(step, top - step + 1, tiles, in, current.get(), to_in, threads);
        current = std::move(next);
    }
}

}  // extern "C"
