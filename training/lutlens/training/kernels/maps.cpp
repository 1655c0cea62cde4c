// Bits into tiles, and OR over blocks of positions. Maps are [tile][height][width][channel][64].

#include <algorithm>
#include <cstdint>
#include <vector>

#include "step.h"
#include "table.h"
#include "threads.h"

namespace {

struct Map {
    int64_t tiles, height, width, size, block_rows, block_columns;  // size: channels * 64

    Map(const Step& step, int64_t tiles)
        : tiles(tiles), height(step.height), width(step.width), size(step.channels * TILE),
          block_rows(step.block_rows), block_columns(step.block_columns) {}

    int64_t rows() const { return height / block_rows; }
    int64_t columns() const { return width / block_columns; }
    int64_t blocks() const { return tiles * rows() * columns(); }
    int64_t corner(int64_t block) const {
        const int64_t tile = block / (rows() * columns()), row = block / columns() % rows();
        return ((tile * height + row * block_rows) * width + block % columns() * block_columns) * size;
    }
    std::vector<int64_t> positions() const {  // of a block, as distances from its corner
        std::vector<int64_t> all;
        for (int64_t i = 0; i < block_rows; i++)
            for (int64_t j = 0; j < block_columns; j++) all.push_back((i * width + j) * size);
        return all;
    }
};

// 1 or 0.
Floats value(const uint8_t* signals) { return to_floats(shift_right<7>(widen(signals))); }

// Byte i of word j becomes byte j of word i: blocks of 4, 2 and 1 are exchanged across the diagonal.
void transpose(uint64_t (&words)[8]) {
    constexpr uint64_t MASKS[] = {0x00ff00ff00ff00ff, 0x0000ffff0000ffff, 0x00000000ffffffff};
    for (int level = 2; level >= 0; level--) {
        const int step = 1 << level, shift = 8 * step;
        for (int i = 0; i < 8; i++) {
            if (i & step) continue;
            const uint64_t t = ((words[i] >> shift) ^ words[i + step]) & MASKS[level];
            words[i + step] ^= t;
            words[i] ^= t << shift;
        }
    }
}

// Up to eight columns of `count` samples, `stride` bytes apart, to rows of 64, filled up with zeros. Inlined, so that
// the whole ones are copied by words.
inline __attribute__((always_inline)) void tile_columns(const uint8_t* in, int64_t stride, uint8_t* out,
                                                        int64_t columns, int64_t count) {
    for (int64_t b = 0; b < TILE; b += 8) {
        uint64_t words[8] = {};
        for (int64_t i = 0; i < 8; i++)
            if (b + i < count) std::memcpy(&words[i], in + (b + i) * stride, static_cast<size_t>(columns));
        transpose(words);
        for (int64_t r = 0; r < columns; r++) {
            const uint64_t values = words[r] << 7;
            std::memcpy(out + r * TILE + b, &values, 8);
        }
    }
}

}  // namespace

// Bits x [sample][row], 0 or 1, to signals y [tile][row][64], zeros where there are no samples.
extern "C" void lutlens_tile(int64_t samples, int64_t rows, const uint8_t* x, uint8_t* y, int64_t threads) {
    const int64_t tiles = (samples + TILE - 1) / TILE, row_blocks = (rows + 7) / 8;
    Pool::run(threads, tiles * row_blocks, [&](int64_t task) {
        const int64_t tile = task / row_blocks, row = task % row_blocks * 8;
        const uint8_t* in = x + tile * TILE * rows + row;
        uint8_t* out = y + (tile * rows + row) * TILE;
        const int64_t width = std::min<int64_t>(8, rows - row), count = std::min<int64_t>(TILE, samples - tile * TILE);
        if (width == 8 && count == TILE)
            tile_columns(in, rows, out, 8, TILE);
        else
            tile_columns(in, rows, out, width, count);
    });
}

void pool_forward(const Step& step, int64_t tiles, const uint8_t* x, uint8_t* y, int64_t threads) {
    const Map map(step, tiles);
    const std::vector<int64_t> positions = map.positions();
    Pool::run(threads, map.blocks(), [&](int64_t block) {
        const uint8_t* in = x + map.corner(block);
        uint8_t* out = y + block * map.size;
        for (int64_t b = 0; b < map.size; b += BYTES) {
            Bytes any = load_bytes(in + b);
            for (const int64_t at : positions) any = either_bytes(any, load_bytes(in + at + b));
            store_bytes(out + b, any);
        }
    });
}

// `pool_gradient` of reference.py: zero where a position is in no block.
void pool_backward(const Step& step, int64_t tiles, const uint8_t* x, const float* gradient, float* to_x,
                   int64_t threads) {
    const Map map(step, tiles);
    if (map.rows() * map.block_rows < map.height || map.columns() * map.block_columns < map.width)
        std::fill(to_x, to_x + tiles * map.height * map.width * map.size, 0.0f);
    const std::vector<int64_t> positions = map.positions();
    const float flip = step.flip;
    Pool::run(threads, map.blocks(), [&](int64_t block) {
        const uint8_t* in = x + map.corner(block);
        float* to_in = to_x + map.corner(block);
        for (int64_t b = 0; b < map.size; b += LANES) {
            Floats product = load(gradient + block * map.size + b);
            for (const int64_t at : positions)
                product = mul(product, fma(value(in + at + b), broadcast(2 * flip - 1), broadcast(1 - flip)));
            for (const int64_t at : positions) {
                const Floats bit = value(in + at + b);
                const Floats others = fma(bit, broadcast(1 / flip - 1 / (1 - flip)), broadcast(1 / (1 - flip)));
                store(to_in + at + b, mul(product, others));
            }
        }
    });
}
