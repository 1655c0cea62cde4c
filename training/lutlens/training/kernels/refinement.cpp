// A node of the last layer is given the table that is best with all others as they are; `settle` of reference.py
// defines it.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "simd.h"
#include "table.h"
#include "threads.h"

namespace {

constexpr int64_t CHUNK = 256;  // words of 64 samples: sums within a chunk, and over chunks, have one order
constexpr int SUMS = 4;         // as many samples in a row add to different sums, whose additions need not wait

// Bits of a byte as the lowest bits of eight.
constexpr auto SPREAD = [] {
    std::array<uint64_t, 256> spread{};
    for (uint64_t byte = 0; byte < 256; byte++)
        for (int i = 0; i < 8; i++) spread[byte] |= (byte >> i & 1) << (8 * i);
    return spread;
}();

// log(y) of y >= 1, to 1e-7: y = m * 2^e with m in [sqrt(1/2), sqrt(2)), and log(m) = 2 artanh((m - 1) / (m + 1)).
inline float logarithm(float y) {
    constexpr int32_t root_half = 0x3f3504f3;
    const int32_t bits = std::bit_cast<int32_t>(y), exponent = (bits - root_half) >> 23;
    const float m = std::bit_cast<float>(bits - exponent * (1 << 23));
    const float t = (m - 1) / (m + 1), t2 = t * t;
    const float series = 1 + t2 * (1.f / 3 + t2 * (1.f / 5 + t2 * (1.f / 7 + t2 * (1.f / 9))));
    return 2 * t * series + 0.693147181f * static_cast<float>(exponent);
}

// By what each entry of a table multiplies its class's exponential.
struct Factors {
    float of[ENTRIES];

    Factors(uint64_t table, float one) {
        for (int i = 0; i < ENTRIES; i++) of[i] = table >> i & 1 ? one : 1;
    }
};

struct Node {
    int64_t words, fan_in;
    const uint64_t* planes;
    const int32_t* wires;
    const uint64_t* labels;
    float *exponentials, *totals;
    float bit, factor;  // what a bit adds to the logit, and what it multiplies the exponential by

    void addresses(int64_t word, uint8_t* a) const {
        for (int byte = 0; byte < 8; byte++) {
            uint64_t eight = 0;
            for (int64_t j = 0; j < fan_in; j++)
                eight |= SPREAD[planes[wires[j] * words + word] >> (8 * byte) & 255] << j;
            std::memcpy(a + 8 * byte, &eight, 8);
        }
    }

    // The class's exponential and the sum over classes, were the node's output 0.
    void without(int64_t word, const uint8_t* a, const Factors& inverse, float* own, float* total) const {
        const float *e = exponentials + word * TILE, *sum = totals + word * TILE;
        for (int s = 0; s < TILE; s++) {
            own[s] = e[s] * inverse.of[a[s]];
            total[s] = sum[s] - e[s] + own[s];
        }
    }

    void add_changes(int64_t word, const Factors& inverse, double (*sums)[ENTRIES]) const {
        uint8_t a[TILE], right[TILE];
        float own[TILE], total[TILE];
        addresses(word, a);
        without(word, a, inverse, own, total);
        for (int byte = 0; byte < 8; byte++) std::memcpy(right + 8 * byte, &SPREAD[labels[word] >> (8 * byte) & 255], 8);
        for (int s = 0; s < TILE; s++)
            own[s] = logarithm(1 + (factor - 1) * own[s] / total[s]) - bit * static_cast<float>(right[s]);
        for (int s = 0; s < TILE; s++) sums[s % SUMS][a[s]] += own[s];
    }

    void change(int64_t word, const Factors& inverse, const Factors& after) const {
        uint8_t a[TILE];
        float own[TILE], total[TILE];
        addresses(word, a);
        without(word, a, inverse, own, total);
        float *e = exponentials + word * TILE, *sum = totals + word * TILE;
        for (int s = 0; s < TILE; s++) {
            e[s] = own[s] * after.of[a[s]];
            sum[s] = total[s] - own[s] + e[s];
        }
    }
};

}  // namespace

extern "C" void lutlens_settle(int64_t words, int64_t fan_in, const uint64_t* planes, const int32_t* wires,
                               const uint64_t* labels, float* exponentials, float* totals, uint64_t* table,
                               double bit, int64_t threads) {
    const Node node{words,        fan_in, planes,
                    wires,        labels, exponentials,
                    totals,       static_cast<float>(bit), static_cast<float>(std::exp(bit))};
    const int64_t chunks = (words + CHUNK - 1) / CHUNK;
    const auto in_chunks = [&](auto&& task) {
        Pool::run(threads, chunks, [&](int64_t chunk) {
            const int64_t end = std::min(words, (chunk + 1) * CHUNK);
            for (int64_t word = chunk * CHUNK; word < end; word++) task(chunk, word);
        });
    };
    using Sums = std::array<double[ENTRIES], SUMS>;
    std::vector<Sums> sums(chunks, Sums{});
    const Factors inverse(*table, 1 / node.factor);
    in_chunks([&](int64_t chunk, int64_t word) { node.add_changes(word, inverse, sums[chunk].data()); });
    uint64_t best = *table;
    for (int entry = 0; entry < 1 << fan_in; entry++) {
        double sum = 0;
        for (const Sums& parts : sums)
            for (const auto& part : parts) sum += part[entry];
        if (sum < 0) best |= uint64_t{1} << entry;
        if (sum > 0) best &= ~(uint64_t{1} << entry);
    }
    if (best == *table) return;
    const Factors after(best, node.factor);
    in_chunks([&](int64_t, int64_t word) { node.change(word, inverse, after); });
    *table = best;
}
