// A step of a program, and who computes it. Signals (uint8) and gradients (float) are [tile][row][64]: 64 samples of the
// batch lie side by side. A signal's value is its bit 7; that of a look-up node has the address it was found at in bits 0
// to 5, for the way back.
#pragma once

#include <cstdint>

// A layer of look-up nodes, or, without nodes, OR over the blocks of a map. native.py fills it in.
struct Step {
    int64_t inputs, outputs;  // rows
    int64_t nodes, fan_in, positions, candidate_count, smooth;
    const int32_t *bases, *offsets, *candidates;
    const float* tables;
    float *to_tables, *to_scores;  // gradients, null where they are not wanted
    int64_t height, width, channels, block_rows, block_columns;
    double flip;  // p of reference.py
};

void layer_forward(const Step& step, int64_t tiles, const uint8_t* x, uint8_t* y, int64_t threads);
void pool_forward(const Step& step, int64_t tiles, const uint8_t* x, uint8_t* y, int64_t threads);

// The gradient of the output y to those of the tables, of the scores and, unless it is null, of x; of a layer with one
// position.
void dense_backward(const Step& step, int64_t tiles, const uint8_t* x, const uint8_t* y, const float* gradient, float* to_x,
                    int64_t threads);
// Whether two layers of several positions can go backward together: each position of the upper one reads that position of
// the lower one.
bool reads_own_position(const Step& upper, const Step& lower);
// The same for `count` such layers, one upon the other. signals: the x of the first, then the y of all.
void convolution_backward(const Step* steps, int64_t count, int64_t tiles, const uint8_t* const* signals,
                          const float* gradient, float* to_x, int64_t threads);
// The gradient of the upper step's output to that of the tables of the layer below, both of one position: the layer's own
// output gradient, in a dense network the largest array of all, is never stored.
void table_gradient_through(const Step& upper, const Step& step, int64_t tiles, const uint8_t* upper_y, const uint8_t* y,
                            const float* gradient, int64_t threads);
void pool_backward(const Step& step, int64_t tiles, const uint8_t* x, const float* gradient, float* to_x,
                   int64_t threads);
