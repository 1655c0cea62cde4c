// The functions that native.py calls: whole passes through the steps of a program.

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <memory>

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

// Bits x [tile][row][64] to the last step's y [row][sample]. bits and, unless it is null, addresses: all steps' outputs
// [step][tile][row][64], kept for the way back.
void lutlens_forward(const Step* steps, int64_t count, int64_t samples, const uint8_t* x, uint8_t* bits,
                     uint8_t* addresses, float* y, int64_t threads) {
    const int64_t tiles = tiles_of(samples);
    for (const Step* step = steps; step < steps + count; step++) {
        if (step->nodes)
            layer_forward(*step, tiles, x, addresses, bits, threads);
        else
            pool_forward(*step, tiles, x, bits, threads);
        x = bits;
        bits += tiles * step->outputs * TILE;
        if (addresses) addresses += tiles * step->outputs * TILE;
    }
    for_each_row(steps[count - 1].outputs, samples, [&](int64_t in, int64_t out, int64_t part) {
        std::copy(x + in, x + in + part, y + out);
    });
}

// gradient [row][sample]: that of the last step's output. to_x [tile][row][64] may be null: it is not computed.
void lutlens_backward(const Step* steps, int64_t count, int64_t samples, const uint8_t* x, const uint8_t* bits,
                      const uint8_t* addresses, const float* gradient, float* to_x, int64_t threads) {
    const int64_t tiles = tiles_of(samples);
    const Step* first = steps;
    while (!to_x && !first->to_tables && !first->to_scores) first++;
    for (const Step* step = steps; step < steps + count - 1; step++) {
        bits += tiles * step->outputs * TILE;
        addresses += tiles * step->outputs * TILE;
    }

    const auto uninitialised = [tiles](int64_t rows) { return std::unique_ptr<float[]>(new float[tiles * rows * TILE]); };
    const int64_t rows = steps[count - 1].outputs;
    std::unique_ptr<float[]> current = uninitialised(rows);
    for_each_row(rows, samples, [&](int64_t out, int64_t in, int64_t part) {
        std::fill(std::copy(gradient + in, gradient + in + part, &current[out]), &current[out] + TILE, 0.0f);
    });
    for (const Step* step = steps + count - 1; step >= first; step--) {
        const int64_t inputs = step == steps ? 0 : tiles * step[-1].outputs * TILE;
        bits -= inputs;
        const bool dense = step > steps && step->positions == 1 && step[-1].positions == 1;
        if (dense && step == first + 1 && !to_x && !first->to_scores) {
            layer_backward(*step, tiles, bits, addresses, current.get(), nullptr, threads);
            table_gradient_through(*step, *first, tiles, addresses, addresses - inputs, current.get(), threads);
            return;
        }
        const uint8_t* in = step == steps ? x : bits;
        std::unique_ptr<float[]> next = step > first ? uninitialised(step->inputs) : nullptr;
        float* to_in = step > first ? next.get() : to_x;
        if (step->nodes)
            layer_backward(*step, tiles, in, addresses, current.get(), to_in, threads);
        else
            pool_backward(*step, tiles, in, current.get(), to_in, threads);
        addresses -= inputs;
        current = std::move(next);
    }
}

}  // extern "C"
