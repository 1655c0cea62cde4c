// Streams encoded pixels into the network core and takes its beats, pausing at random on both sides.
#include "Vmodel.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace {

template <typename Word>
uint32_t field(const Word& word, int low, int bits) {
    return static_cast<uint32_t>(word >> low & ((1u << bits) - 1));
}

template <std::size_t Words>
uint32_t field(const VlWide<Words>& wide, int low, int bits) {
    uint32_t value = 0;
    for (int i = 0; i < bits; i++) value |= (wide[(low + i) / 32] >> ((low + i) % 32) & 1) << i;
    return value;
}

enum Error { TooManyClocks = -1, Unstable = -2, TooManyBeats = -3 };

}  // namespace

extern "C" int64_t run(const uint32_t* pixels, const uint8_t* events, int64_t count, uint32_t seed,
                       double gaps, double stalls, int units, int score_bits, uint16_t* scores,
                       uint8_t* marks, int64_t capacity, int64_t* clocks) {
    // pixels, events, count: of beats. clocks[0]: of the last pixels taken, clocks[1]: of the last scores
    // taken, both from the first pixels.
    VerilatedContext context;
    context.randReset(2);
    context.randSeed(seed + 1);
    Vmodel top(&context);
    std::mt19937 random(seed);
    std::bernoulli_distribution pause(gaps), stall(stalls);

    auto clock = [&] {
        top.aclk = 1;
        top.eval();
        top.aclk = 0;
        top.eval();
    };

    // Pixels before and during reset must leave no trace.
    top.aclk = 0;
    top.s_axis_tvalid = 1;
    top.s_axis_tuser = 0;
    top.s_axis_tlast = 0;
    top.m_axis_tready = 1;
    for (bool running : {false, true, false}) {
        top.aresetn = running;
        for (int i = 0; i < (running ? 100 : 5); i++) clock();
    }
    top.aresetn = 1;
    top.s_axis_tvalid = 0;
    for (int i = 0; i < 5; i++) clock();

    const int64_t limit = 1000 + int64_t(20 * (count + capacity) / (1 - stalls) / (1 - gaps));
    int64_t sent = 0, received = 0, idle = 0;
    bool waiting = false;
    std::vector<uint16_t> held(units);
    uint8_t held_marks = 0;
    for (int64_t now = 0; sent < count || idle < 500; now++, idle++) {
        if (now > limit) return TooManyClocks;
        // A pixel once offered stays until it is taken.
        if (!top.s_axis_tvalid && sent < count && !pause(random)) {
            top.s_axis_tvalid = 1;
            top.s_axis_tdata = pixels[sent];
            top.s_axis_tuser = events[sent] & 1;
            top.s_axis_tlast = events[sent] >> 1;
        }
        top.m_axis_tready = !stall(random);
        top.eval();

        if (top.m_axis_tvalid) {
            if (received == capacity) return TooManyBeats;
            uint16_t* beat = scores + received * units;
            for (int i = 0; i < units; i++) beat[i] = field(top.m_axis_tdata, i * score_bits, score_bits);
            marks[received] = top.m_axis_tuser | top.m_axis_tlast << 2;
            bool same = held_marks == marks[received] && std::equal(held.begin(), held.end(), beat);
            if (waiting && !same) return Unstable;
            held.assign(beat, beat + units);
            held_marks = marks[received];
            received += top.m_axis_tready;
            if (top.m_axis_tready) clocks[1] = now;
            idle = 0;
        } else if (waiting) {
            return Unstable;
        }
        waiting = top.m_axis_tvalid && !top.m_axis_tready;

        const bool taken = top.s_axis_tvalid && top.s_axis_tready;
        clock();
        if (taken) {
            top.s_axis_tvalid = 0;
            if (++sent == count) clocks[0] = now;
            idle = 0;
        }
    }
    return received;
}
