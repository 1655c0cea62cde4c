// OR over blocks of positions. Maps are [tile][height][width][channel][64].

#if __has_include(<malloc.h>)
#include <malloc.h>
#endif

#include <algorithm>
#include <cstdint>

#include "table.h"
#include "threads.h"

namespace {

struct Map {
    int64_t tiles, height, width, size, block_rows, block_columns;  // size: channels * 64

    int64_t rows() const { return height / block_rows; }
    int64_t columns() const { return width / block_columns; }
    int64_t blocks() const { return tiles * rows() * columns(); }
    int64_t corner(int64_t block) const {
        const int64_t tile = block / (rows() * columns()), row = block / columns() % rows();
        return ((tile * height + row * block_rows) * width + block % columns() * block_columns) * size;
    }
    template <class Body> void for_each_position(int64_t block, Body&& body) const {
        for (int64_t i = 0; i < block_rows; i++)
            for (int64_t j = 0; j < block_columns; j++) body(corner(block) + (i * width + j) * size);
    }
};

}  // namespace

extern "C" {

void lutlens_pool(int64_t tiles, int64_t height, int64_t width, int64_t channels, int64_t block_rows,
                  int64_t block_columns, const uint8_t* x, uint8_t* y, int64_t threads) {
    const Map map{tiles, height, width, channels * TILE, block_rows, block_columns};
    Pool::run(threads, map.blocks(), [&](int64_t block) {
        uint8_t* out = y + block * map.size;
        std::fill(out, out + map.size, uint8_t{0});
        map.for_each_position(block, [&](int64_t at) {
            for (int64_t b = 0; b < map.size; b++) out[b] |= x[at + b];
        });
    });
}

// `pool_gradient` of reference.py. to_x is zero where a position is in no block.
void lutlens_pool_backward(int64_t tiles, int64_t height, int64_t width, int64_t channels, int64_t block_rows,
                           int64_t block_columns, const uint8_t* x, const float* gradient, float* to_x,
                           int64_t threads) {
    const Map map{tiles, height, width, channels * TILE, block_rows, block_columns};
    if (map.rows() * block_rows < height || map.columns() * block_columns < width)
        std::fill(to_x, to_x + tiles * height * width * map.size, 0.0f);
    Pool::run(threads, map.blocks(), [&](int64_t block) {
        for (int64_t b = 0; b < map.size; b += LANES) {
            Floats product = load(gradient + block * map.size + b);
            map.for_each_position(block, [&](int64_t at) {
                const Floats bit = to_floats(widen(x + at + b));
                product = mul(product, fma(bit, broadcast(2 * FLIP - 1), broadcast(1 - FLIP)));
            });
            map.for_each_position(block, [&](int64_t at) {
                const Floats bit = to_floats(widen(x + at + b));
                const Floats others = fma(bit, broadcast(1 / FLIP - 1 / (1 - FLIP)), broadcast(1 / (1 - FLIP)));
                store(to_x + at + b, mul(product, others));
            });
        }
    });
}

// Keeps freed memory: activations are some tens of megabytes that come and go every step, and to hand pages back to
// the system and get them again, zeroed, would take a good part of the time.
void lutlens_keep_memory() {
#ifdef M_TRIM_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // extern "C"
