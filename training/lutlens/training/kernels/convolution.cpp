// Backward through layers with several positions. Layers that read the one before them at their own position only, those
// of a stage, are gone through together, position by position: the gradients between them, most of all that there are,
// are never stored but in the cache.

#include "node.h"

namespace {

constexpr int64_t ACCUMULATORS = 64;  // histograms of all nodes, at most: so many tasks can run at once
constexpr int64_t BANDS = 16;

// Successive positions, in up to BANDS bands of about the same size. Bands that are not neighbours read no row in common.
class Bands {
  public:
    explicit Bands(const Layer& layer) : layer_(layer) {
        const int32_t* offsets = layer.offsets;
        reach_ = *std::max_element(offsets, offsets + layer.nodes * layer.fan_in);
        count_ = std::clamp<int64_t>(layer.positions / 16, 1, BANDS);
        while (count_ > 2 && !apart()) count_--;
    }
    int64_t count() const { return count_; }
    int64_t first(int64_t band) const { return layer_.positions * band / count_; }

  private:
    const Layer& layer_;
    int64_t reach_, count_;

    bool apart() const {
        for (int64_t band = 0; band + 2 < count_; band++) {
            const int32_t* bases = layer_.bases;
            const int64_t last = *std::max_element(bases + first(band), bases + first(band + 1)) + reach_;
            if (*std::min_element(bases + first(band + 2), bases + layer_.positions) <= last) return false;
        }
        return true;
    }
};

// A layer with what its gradients need.
struct Link {
    Layer layer;
    const uint8_t *x, *y;
    FloatArray slopes;      // null: neither input nor scores are wanted
    FloatArray histograms;  // [accumulator][node][64]
    FloatArray scores;      // [accumulator][node][fan_in][candidate]

    Link(const Layer& layer, const uint8_t* x, const uint8_t* y, bool input_wanted, int64_t accumulators,
         int64_t threads)
        : layer(layer), x(x), y(y) {
        if (input_wanted || layer.to_scores) slopes = all_slopes(layer, threads);
        if (layer.to_tables) histograms = zeros(accumulators * layer.nodes * ENTRIES);
        if (layer.to_scores) scores = zeros(accumulators * layer.scores());
    }

    static FloatArray zeros(int64_t size) {
        FloatArray all = float_array(size);
        std::fill_n(all.get(), size, 0.0f);
        return all;
    }

    Histogram* histograms_of(int64_t accumulator) {
        return reinterpret_cast<Histogram*>(histograms.get()) + accumulator * layer.nodes;
    }

    // gradient: that of the position's outputs. to_x: points to the row of its base; null: it is not computed.
    void backward(int64_t tile, int64_t p, int64_t accumulator, const float* gradient, float* to_x) {
        const uint8_t* signals = y + layer.output(tile, p, 0);
        for_fan_in(layer.fan_in, [&](auto pins) {
            if (to_x) pins.input_gradient(layer, 0, TILE, gradient, signals, slopes.get(), to_x);
            if (layer.to_scores)
                for (int64_t n = 0; n < layer.nodes; n++)
                    pins.score_gradients(layer, n, gradient, signals, slopes.get(), x + layer.input(tile, p, 0),
                                         scores.get() + accumulator * layer.scores());
        });
        if (layer.to_tables) add_by_address(layer.nodes, gradient, signals, histograms_of(accumulator));
    }

    void finish(int64_t accumulators, int64_t threads) {
        Pool::run(threads, layer.blocks(), [&](int64_t block) {
            layer.for_each_node(block, [&](int64_t n) {
                if (layer.to_tables) {
                    float* total = histograms_of(0)[n];
                    for (int64_t a = 1; a < accumulators; a++)
                        for (int64_t k = 0; k < ENTRIES; k++) total[k] += histograms_of(a)[n][k];
                    store_table_gradient(layer, n, histograms_of(0)[n]);
                }
                const int64_t count = layer.to_scores ? layer.fan_in * layer.candidate_count : 0;
                for (int64_t k = n * count; k < (n + 1) * count; k++) {
                    layer.to_scores[k] = 0;
                    for (int64_t a = 0; a < accumulators; a++) layer.to_scores[k] += scores[a * layer.scores() + k];
                }
            });
        });
    }
};

}  // namespace

bool reads_own_position(const Step& upper, const Step& lower) {
    if (!upper.nodes || !lower.nodes || upper.positions != lower.positions) return false;
    for (int64_t p = 0; p < upper.positions; p++)
        if (upper.bases[p] != p * lower.nodes) return false;
    return true;
}

// No sum's order depends on the number of threads: tasks are cut out of the work in the same way for any.
void convolution_backward(const Step* steps, int64_t count, int64_t tiles, const uint8_t* const* signals,
                          const float* gradient, float* to_x, int64_t threads) {
    const Layer bottom{steps[0], tiles};
    const Bands bands(bottom);
    // Neighbouring bands add to the same rows of to_x: those of even numbers first, then the others.
    const int64_t even = (bands.count() + 1) / 2, accumulators = std::min(ACCUMULATORS, tiles * even);
    std::vector<Link> links;
    for (int64_t i = 0; i < count; i++)
        links.emplace_back(Layer{steps[i], tiles}, signals[i], signals[i + 1], i > 0 || to_x, accumulators, threads);
    if (to_x)
        Pool::run(threads, tiles, [&](int64_t tile) {
            std::fill_n(to_x + tile * bottom.inputs * TILE, bottom.inputs * TILE, 0.0f);
        });
    for (int64_t parity = 0; parity < 2; parity++) {
        const int64_t of_tile = parity == 0 ? even : bands.count() - even, units = tiles * of_tile;
        Pool::run(threads, accumulators, [&](int64_t task) {
            std::vector<FloatArray> between;  // gradients of the outputs of all layers but the last, at one position
            for (int64_t i = 0; i + 1 < count; i++) between.push_back(float_array(steps[i].nodes * TILE));
            for (int64_t unit = units * task / accumulators; unit < units * (task + 1) / accumulators; unit++) {
                const int64_t tile = unit / of_tile, band = unit % of_tile * 2 + parity;
                for (int64_t p = bands.first(band); p < bands.first(band + 1); p++) {
                    const float* g = gradient + links.back().layer.output(tile, p, 0);
                    for (int64_t i = count - 1; i > 0; i--) {
                        float* to_in = between[i - 1].get();
                        std::fill_n(to_in, steps[i - 1].nodes * TILE, 0.0f);
                        links[i].backward(tile, p, task, g, to_in);
                        g = to_in;
                    }
                    links[0].backward(tile, p, task, g, to_x ? to_x + bottom.input(tile, p, 0) : nullptr);
                }
            }
        });
    }
    for (Link& link : links) link.finish(accumulators, threads);
}
