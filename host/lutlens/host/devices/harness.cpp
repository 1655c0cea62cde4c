// Around the whole programmable logic under Verilator: a clock, an AXI4-Lite master for the
// registers, and a memory that answers the AXI master as a busy PS7 port does: late, with pauses.
// Breaches of the AXI rules by the logic are detected, and the first is kept as a message.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <string>

#include "Vmodel.h"
#include "verilated.h"

namespace {

constexpr int kAccessTimeout = 1000;  // clocks for one register access
constexpr int kBytes = 8;             // of a beat
constexpr int kDecodeError = 3;

// How the memory behaves; fields and order are those of `Stalls` in rtl.py.
struct Stalls {
  uint32_t latency_min, latency_max;  // clocks from an address to its first beat or response
  uint32_t gap;                       // probability, in 1/256, that a channel pauses on a clock
  uint32_t burst_clocks;              // that the memory works on a burst of 16 beats
  uint32_t others;                    // probability, in 1/256, that another master's comes first
  uint32_t refresh_interval;          // clocks between two refreshes; 0: none
  uint32_t refresh_clocks;            // length of one, in which no burst is served
  uint32_t outstanding;               // bursts accepted ahead, of reads and of writes
};

struct Burst {
  uint64_t address;
  unsigned beats, id;
  uint64_t due;
};

struct WriteBeat {
  uint64_t data;
  unsigned strobe, id;
  bool last;
};

// One valid/ready channel driven by the logic: its payload must stay until it is accepted.
struct Channel {
  const char* name;
  bool waiting = false;
  uint64_t payload[2] = {0, 0};
};

class Board {
 public:
  Board(uint8_t* memory, const uint8_t* mapped, uint64_t base, uint64_t size, const Stalls& stalls,
        uint64_t seed)
      : memory_(memory), mapped_(mapped), base_(base), size_(size), stalls_(stalls),
        random_(seed * 2 + 1) {
    context_->randReset(2);  // flip-flops without a reset start with random bits
    context_->randSeed(static_cast<int>(seed & 0x7FFFFFFF) | 1);
    top_ = std::make_unique<Vmodel>(context_.get());
    top_->s_axil_awvalid = top_->s_axil_wvalid = top_->s_axil_bready = 0;
    top_->s_axil_arvalid = top_->s_axil_rready = 0;
    top_->m_axi_rvalid = top_->m_axi_bvalid = 0;
    top_->aresetn = 0;
    for (int i = 0; i < 8; i++) tick();
    top_->aresetn = 1;
    tick();
  }

  ~Board() { top_->final(); }

  int write(uint32_t offset, uint32_t value) {
    top_->s_axil_awaddr = offset;
    top_->s_axil_awvalid = 1;
    top_->s_axil_wdata = value;
    top_->s_axil_wstrb = 0xF;
    top_->s_axil_wvalid = 1;
    top_->s_axil_bready = 1;
    for (int i = 0; i < kAccessTimeout; i++) {
      tick();
      if (fired_.aw) top_->s_axil_awvalid = 0;
      if (fired_.w) top_->s_axil_wvalid = 0;
      if (fired_.b) {
        top_->s_axil_bready = 0;
        return fired_.response;
      }
    }
    return -1;
  }

  int read(uint32_t offset, uint32_t* value) {
    top_->s_axil_araddr = offset;
    top_->s_axil_arvalid = 1;
    top_->s_axil_rready = 1;
    for (int i = 0; i < kAccessTimeout; i++) {
      tick();
      if (fired_.ar) top_->s_axil_arvalid = 0;
      if (fired_.r) {
        top_->s_axil_rready = 0;
        *value = fired_.data;
        return fired_.response;
      }
    }
    return -1;
  }

  void advance(uint64_t clocks) {
    while (clocks--) tick();
  }

  uint64_t clocks() const { return now_; }
  uint64_t last_read() const { return last_read_; }
  uint64_t last_response() const { return last_response_; }
  bool interrupt() const { return top_->irq; }
  const char* violation() const { return violation_.empty() ? nullptr : violation_.c_str(); }

 private:
  // One clock: inputs settle, what both sides agreed on is noted, the edge, then the memory moves on.
  void tick() {
    choose_inputs();
    top_->aclk = 0;
    top_->eval();
    note_registers();
    if (top_->aresetn) note_memory();
    const bool read_taken = top_->m_axi_rvalid && top_->m_axi_rready;
    const bool response_taken = top_->m_axi_bvalid && top_->m_axi_bready;
    top_->aclk = 1;
    top_->eval();
    if (read_taken) {
      top_->m_axi_rvalid = 0;
      last_read_ = now_;
    }
    if (response_taken) {
      top_->m_axi_bvalid = 0;
      last_response_ = now_;
    }
    now_++;
  }

  void choose_inputs() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    auto pause = [&](int channel) {
      return (random_ >> (8 * channel + 8) & 0xFF) < stalls_.gap;
    };
    top_->m_axi_arready = reads_.size() < stalls_.outstanding && !pause(0);
    top_->m_axi_awready = writes_.size() < stalls_.outstanding && !pause(1);
    top_->m_axi_wready = write_beats_.size() < 16 * stalls_.outstanding && !pause(2);
    // A valid that was not yet accepted stays.
    if (!top_->m_axi_rvalid && !reads_.empty() && reads_.front().due <= now_ && !pause(3)) {
      present_read();
    }
    if (!top_->m_axi_bvalid && !responses_.empty() && responses_.front().due <= now_ && !pause(4)) {
      present_response();
    }
  }

  void note_registers() {
    fired_.aw = top_->s_axil_awvalid && top_->s_axil_awready;
    fired_.w = top_->s_axil_wvalid && top_->s_axil_wready;
    fired_.b = top_->s_axil_bvalid && top_->s_axil_bready;
    fired_.ar = top_->s_axil_arvalid && top_->s_axil_arready;
    fired_.r = top_->s_axil_rvalid && top_->s_axil_rready;
    fired_.response = fired_.b ? top_->s_axil_bresp : top_->s_axil_rresp;
    fired_.data = top_->s_axil_rdata;
  }

  void note_memory() {
    watch(ar_, top_->m_axi_arvalid, top_->m_axi_arready, top_->m_axi_araddr,
          uint64_t(top_->m_axi_arlen) << 8 | top_->m_axi_arid);
    watch(aw_, top_->m_axi_awvalid, top_->m_axi_awready, top_->m_axi_awaddr,
          uint64_t(top_->m_axi_awlen) << 8 | top_->m_axi_awid);
    watch(w_, top_->m_axi_wvalid, top_->m_axi_wready, top_->m_axi_wdata,
          uint64_t(top_->m_axi_wid) << 16 | top_->m_axi_wstrb << 1 | top_->m_axi_wlast);

    if (top_->m_axi_arvalid && top_->m_axi_arready) {
      check_address("AR", top_->m_axi_araddr, top_->m_axi_arlen, top_->m_axi_arsize,
                    top_->m_axi_arburst);
      reads_.push_back({top_->m_axi_araddr, top_->m_axi_arlen + 1u, top_->m_axi_arid,
                        due(top_->m_axi_arlen + 1u)});
    }
    if (top_->m_axi_awvalid && top_->m_axi_awready) {
      check_address("AW", top_->m_axi_awaddr, top_->m_axi_awlen, top_->m_axi_awsize,
                    top_->m_axi_awburst);
      writes_.push_back({top_->m_axi_awaddr, top_->m_axi_awlen + 1u, top_->m_axi_awid, 0});
    }
    if (top_->m_axi_wvalid && top_->m_axi_wready) {
      write_beats_.push_back({top_->m_axi_wdata, top_->m_axi_wstrb, top_->m_axi_wid,
                              bool(top_->m_axi_wlast)});
      if (top_->m_axi_wlast) complete_bursts_++;
      if (!complete_bursts_ && !writes_.empty() && write_beats_.size() >= writes_.front().beats) {
        breach("W: WLAST is missing on the burst's last beat");
      }
    }
    while (complete_bursts_ && !writes_.empty()) accept_write();
  }

  // The next beat of the oldest read.
  void present_read() {
    Burst& burst = reads_.front();
    uint64_t data = 0;
    const bool mapped = reachable(burst.address);
    if (mapped) std::memcpy(&data, memory_ + (burst.address - base_), kBytes);
    top_->m_axi_rdata = data;
    top_->m_axi_rid = burst.id;
    top_->m_axi_rresp = mapped ? 0 : kDecodeError;
    top_->m_axi_rlast = burst.beats == 1;
    top_->m_axi_rvalid = 1;
    burst.address += kBytes;
    if (--burst.beats == 0) reads_.pop_front();
  }

  // All beats of the oldest write are here: they go to memory, and a response is due.
  void accept_write() {
    Burst burst = writes_.front();
    writes_.pop_front();
    bool mapped = true;
    for (unsigned beat = 0; beat < burst.beats; beat++) {
      if (write_beats_.empty()) return breach("W: WLAST came before the burst's last beat");
      const WriteBeat item = write_beats_.front();
      write_beats_.pop_front();
      if (item.id != burst.id) breach("W: WID is not the burst's AWID");
      if (item.last != (beat + 1 == burst.beats)) breach("W: WLAST is not on the last beat alone");
      if (!reachable(burst.address)) {
        mapped = false;
      } else {
        for (int i = 0; i < kBytes; i++) {
          if (item.strobe >> i & 1) {
            memory_[burst.address - base_ + i] = static_cast<uint8_t>(item.data >> 8 * i);
          }
        }
      }
      burst.address += kBytes;
    }
    complete_bursts_--;
    burst.due = due(burst.beats);
    burst.beats = mapped ? 0 : kDecodeError;
    responses_.push_back(burst);
  }

  void present_response() {
    top_->m_axi_bid = responses_.front().id;
    top_->m_axi_bresp = responses_.front().beats;
    top_->m_axi_bvalid = 1;
    responses_.pop_front();
  }

  bool reachable(uint64_t address) const {
    return address >= base_ && address + kBytes <= base_ + size_ && mapped_[(address - base_) >> 12];
  }

  // When the memory has a burst's data, or has taken them: it serves one burst after the other.
  uint64_t due(unsigned beats) {
    const uint64_t spread = stalls_.latency_max - stalls_.latency_min + 1;
    const uint64_t soonest = now_ + stalls_.latency_min + (random_ >> 40) % spread;
    const bool other = (random_ >> 32 & 0xFF) < stalls_.others;
    served_ = after_refresh(std::max(served_, now_));
    served_ += (stalls_.burst_clocks * (beats + (other ? 16 : 0)) + 15) / 16;
    return std::max(soonest, served_);
  }

  uint64_t after_refresh(uint64_t clock) const {
    if (!stalls_.refresh_interval) return clock;
    const uint64_t phase = clock % stalls_.refresh_interval;
    return phase < stalls_.refresh_clocks ? clock - phase + stalls_.refresh_clocks : clock;
  }

  void check_address(const char* channel, uint64_t address, unsigned len, unsigned size,
                     unsigned burst) {
    const std::string name(channel);
    if (size != 3) breach(name + "SIZE: a beat is 8 bytes, must be 3");
    if (burst != 1) breach(name + "BURST: must be 1 (INCR)");
    if (address % kBytes) breach(name + "ADDR: not a multiple of 8");
    if (len > 15) breach(name + "LEN: an AXI3 burst has at most 16 beats");
    if (address >> 12 != (address + kBytes * len) >> 12) {
      breach(name + "ADDR: the burst crosses 4 KiB");
    }
  }

  void watch(Channel& channel, bool valid, bool ready, uint64_t first, uint64_t second) {
    if (channel.waiting) {
      if (!valid) breach(std::string(channel.name) + "VALID fell before READY");
      else if (channel.payload[0] != first || channel.payload[1] != second)
        breach(std::string(channel.name) + ": changed while waiting for READY");
    }
    channel.waiting = valid && !ready;
    channel.payload[0] = first;
    channel.payload[1] = second;
  }

  void breach(const std::string& what) {
    if (violation_.empty()) violation_ = what + ", at clock " + std::to_string(now_);
  }

  std::unique_ptr<VerilatedContext> context_ = std::make_unique<VerilatedContext>();
  std::unique_ptr<Vmodel> top_;
  uint8_t* memory_;
  const uint8_t* mapped_;
  const uint64_t base_, size_;
  const Stalls stalls_;
  uint64_t random_;
  uint64_t now_ = 0;
  uint64_t served_ = 0;  // clock at which the memory is done with what it has accepted
  uint64_t last_read_ = 0, last_response_ = 0;  // clocks at which data and a response were taken
  std::deque<Burst> reads_, writes_, responses_;
  std::deque<WriteBeat> write_beats_;
  unsigned complete_bursts_ = 0;
  Channel ar_{"AR"}, aw_{"AW"}, w_{"W"};
  struct {
    bool aw, w, b, ar, r;
    int response;
    uint32_t data;
  } fired_{};
  std::string violation_;
};

}  // namespace

extern "C" {

void* lutlens_open(uint8_t* memory, const uint8_t* mapped, uint64_t base, uint64_t size,
                   const Stalls* stalls, uint64_t seed) {
  return new Board(memory, mapped, base, size, *stalls, seed);
}
void lutlens_close(void* board) { delete static_cast<Board*>(board); }
int lutlens_write(void* board, uint32_t offset, uint32_t value) {
  return static_cast<Board*>(board)->write(offset, value);
}
int lutlens_read(void* board, uint32_t offset, uint32_t* value) {
  return static_cast<Board*>(board)->read(offset, value);
}
void lutlens_advance(void* board, uint64_t clocks) { static_cast<Board*>(board)->advance(clocks); }
uint64_t lutlens_clocks(void* board) { return static_cast<Board*>(board)->clocks(); }
uint64_t lutlens_last_read(void* board) { return static_cast<Board*>(board)->last_read(); }
uint64_t lutlens_last_response(void* board) { return static_cast<Board*>(board)->last_response(); }
int lutlens_interrupt(void* board) { return static_cast<Board*>(board)->interrupt(); }
const char* lutlens_violation(void* board) { return static_cast<Board*>(board)->violation(); }
}
