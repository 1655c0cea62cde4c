// The few vector operations that the kernels need, for AVX-512, AVX2 and neither.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <new>

// Activations lie in tiles of 64 samples: a row of them is 64 bytes, a row of gradients 64 floats.
constexpr int TILE = 64;

// Floats, not initialised, where no vector lies across two cache lines.
struct FreeAligned {
    void operator()(float* p) const { ::operator delete(p, std::align_val_t{64}); }
};
using FloatArray = std::unique_ptr<float[], FreeAligned>;
inline FloatArray float_array(int64_t size) {
    return FloatArray(static_cast<float*>(::operator new(sizeof(float) * size, std::align_val_t{64})));
}

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#define LUTLENS_SIMD "avx512"

constexpr int LANES = 16;  // floats in a vector
using Floats = __m512;
using Ints = __m512i;

static inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
static inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
static inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
static inline Floats add(Floats x, Floats y) { return _mm512_add_ps(x, y); }
static inline Floats sub(Floats x, Floats y) { return _mm512_sub_ps(x, y); }
static inline Floats mul(Floats x, Floats y) { return _mm512_mul_ps(x, y); }
static inline Floats fma(Floats x, Floats y, Floats z) { return _mm512_fmadd_ps(x, y, z); }
static inline float sum(Floats x) { return _mm512_reduce_add_ps(x); }

// x0 y0 x1 y1 ...: the first half of them in x, the second in y.
static inline void interleave(Floats& x, Floats& y) {
    const Ints first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const Ints second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    const Floats low = _mm512_permutex2var_ps(x, first, y);
    y = _mm512_permutex2var_ps(x, second, y);
    x = low;
}

// Bit i is set where lane i is greater than zero.
static inline uint64_t positive(Floats x) {
    return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ);
}

static inline Ints widen(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
static inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
static inline Ints either(Ints x, Ints y) { return _mm512_or_si512(x, y); }
static inline Ints both(Ints x, int y) { return _mm512_and_si512(x, _mm512_set1_epi32(y)); }
template <int N> static inline Ints shift_left(Ints x) { return _mm512_slli_epi32(x, N); }
template <int N> static inline Ints shift_right(Ints x) { return _mm512_srli_epi32(x, N); }
static inline Ints shift_right(Ints x, int n) { return _mm512_srlv_epi32(x, _mm512_set1_epi32(n)); }

// 32 floats, looked up by the low five bits of an index.
struct FloatTable {
    Floats low, high;
    explicit FloatTable(const float* p) : low(load(p)), high(load(p + 16)) {}
    Floats operator[](Ints index) const { return _mm512_permutex2var_ps(low, index, high); }
};

constexpr int BYTES = 64;
using Bytes = __m512i;

static inline Bytes load_bytes(const uint8_t* p) { return _mm512_loadu_si512(p); }
static inline void store_bytes(uint8_t* p, Bytes x) { _mm512_storeu_si512(p, x); }
static inline Bytes either_bytes(Bytes x, Bytes y) { return _mm512_or_si512(x, y); }
static inline Bytes both_bytes(Bytes x, uint8_t y) {
    return _mm512_and_si512(x, _mm512_set1_epi8(static_cast<char>(y)));
}
// What is shifted in from the next byte is to be masked out.
template <int N> static inline Bytes shift_bytes_right(Bytes x) { return _mm512_srli_epi16(x, N); }

// 64 bits, looked up by addresses below 64: bit 7 of a byte is the one that was found.
struct BitTable {
    Bytes bytes;
    explicit BitTable(uint64_t bits) : bytes(_mm512_set1_epi64(static_cast<long long>(bits))) {}
    Bytes operator[](Bytes a) const {
        const Bytes seven = _mm512_set1_epi8(7);
        const Bytes powers = _mm512_set1_epi64(static_cast<long long>(0x8040201008040201));
        Bytes byte = _mm512_shuffle_epi8(bytes, _mm512_and_si512(_mm512_srli_epi16(a, 3), seven));
        Bytes bit = _mm512_shuffle_epi8(powers, _mm512_and_si512(a, seven));
        return _mm512_maskz_set1_epi8(_mm512_test_epi8_mask(byte, bit), static_cast<char>(0x80));
    }
};

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LUTLENS_SIMD "avx2"

constexpr int LANES = 8;
using Floats = __m256;
using Ints = __m256i;

static inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
static inline Floats load(const float* p) { return _mm256_loadu_ps(p); }
static inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
static inline Floats add(Floats x, Floats y) { return _mm256_add_ps(x, y); }
static inline Floats sub(Floats x, Floats y) { return _mm256_sub_ps(x, y); }
static inline Floats mul(Floats x, Floats y) { return _mm256_mul_ps(x, y); }
static inline Floats fma(Floats x, Floats y, Floats z) { return _mm256_fmadd_ps(x, y, z); }
static inline float sum(Floats x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}
static inline void interleave(Floats& x, Floats& y) {
    const Floats low = _mm256_unpacklo_ps(x, y), high = _mm256_unpackhi_ps(x, y);
    x = _mm256_permute2f128_ps(low, high, 0x20);
    y = _mm256_permute2f128_ps(low, high, 0x31);
}
static inline uint64_t positive(Floats x) {
    return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ)));
}

static inline Ints widen(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
static inline Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }
static inline Ints either(Ints x, Ints y) { return _mm256_or_si256(x, y); }
static inline Ints both(Ints x, int y) { return _mm256_and_si256(x, _mm256_set1_epi32(y)); }
template <int N> static inline Ints shift_left(Ints x) { return _mm256_slli_epi32(x, N); }
template <int N> static inline Ints shift_right(Ints x) { return _mm256_srli_epi32(x, N); }
static inline Ints shift_right(Ints x, int n) { return _mm256_srlv_epi32(x, _mm256_set1_epi32(n)); }

// Permutations and blends: a gather is no faster, and much slower on some processors.
struct FloatTable {
    Floats part[4];
    explicit FloatTable(const float* p) : part{load(p), load(p + 8), load(p + 16), load(p + 24)} {}
    Floats operator[](Ints index) const {
        const Floats bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
        const Floats bit4 = _mm256_castsi256_ps(_mm256_slli_epi32(index, 27));
        const Floats low = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[0], index),
                                            _mm256_permutevar8x32_ps(part[1], index), bit3);
        const Floats high = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[2], index),
                                             _mm256_permutevar8x32_ps(part[3], index), bit3);
        return _mm256_blendv_ps(low, high, bit4);
    }
};

constexpr int BYTES = 32;
using Bytes = __m256i;

static inline Bytes load_bytes(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
static inline void store_bytes(uint8_t* p, Bytes x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x); }
static inline Bytes either_bytes(Bytes x, Bytes y) { return _mm256_or_si256(x, y); }
static inline Bytes both_bytes(Bytes x, uint8_t y) {
    return _mm256_and_si256(x, _mm256_set1_epi8(static_cast<char>(y)));
}
template <int N> static inline Bytes shift_bytes_right(Bytes x) { return _mm256_srli_epi16(x, N); }

struct BitTable {
    Bytes bytes;
    explicit BitTable(uint64_t bits) : bytes(_mm256_set1_epi64x(static_cast<long long>(bits))) {}
    Bytes operator[](Bytes a) const {
        const Bytes seven = _mm256_set1_epi8(7);
        const Bytes powers = _mm256_set1_epi64x(static_cast<long long>(0x8040201008040201));
        Bytes byte = _mm256_shuffle_epi8(bytes, _mm256_and_si256(_mm256_srli_epi16(a, 3), seven));
        Bytes bit = _mm256_shuffle_epi8(powers, _mm256_and_si256(a, seven));
        Bytes set = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
        return both_bytes(set, 0x80);
    }
};

#else
#define LUTLENS_SIMD "scalar"

constexpr int LANES = 1;
using Floats = float;
using Ints = int;

static inline Floats broadcast(float x) { return x; }
static inline Floats load(const float* p) { return *p; }
static inline void store(float* p, Floats x) { *p = x; }
static inline Floats add(Floats x, Floats y) { return x + y; }
static inline Floats sub(Floats x, Floats y) { return x - y; }
static inline Floats mul(Floats x, Floats y) { return x * y; }
static inline Floats fma(Floats x, Floats y, Floats z) { return x * y + z; }
static inline float sum(Floats x) { return x; }
static inline void interleave(Floats&, Floats&) {}
static inline uint64_t positive(Floats x) { return x > 0; }
static inline Ints widen(const uint8_t* p) { return *p; }
static inline Floats to_floats(Ints x) { return static_cast<float>(x); }
static inline Ints either(Ints x, Ints y) { return x | y; }
static inline Ints both(Ints x, int y) { return x & y; }
template <int N> static inline Ints shift_left(Ints x) { return x << N; }
template <int N> static inline Ints shift_right(Ints x) { return x >> N; }
static inline Ints shift_right(Ints x, int n) { return x >> n; }

struct FloatTable {
    const float* entries;
    explicit FloatTable(const float* p) : entries(p) {}
    Floats operator[](Ints index) const { return entries[index & 31]; }
};

constexpr int BYTES = 1;
using Bytes = uint8_t;

static inline Bytes load_bytes(const uint8_t* p) { return *p; }
static inline void store_bytes(uint8_t* p, Bytes x) { *p = x; }
static inline Bytes either_bytes(Bytes x, Bytes y) { return x | y; }
static inline Bytes both_bytes(Bytes x, uint8_t y) { return x & y; }
template <int N> static inline Bytes shift_bytes_right(Bytes x) { return static_cast<Bytes>(x >> N); }

struct BitTable {
    uint64_t bits;
    explicit BitTable(uint64_t b) : bits(b) {}
    Bytes operator[](Bytes a) const { return static_cast<Bytes>((bits >> a & 1) << 7); }
};
#endif
