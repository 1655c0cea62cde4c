// The few vector operations that the kernels need, for AVX-512, AVX2 and neither: LANES samples at a time.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
#include <immintrin.h>
#define LUTLENS_SIMD "avx512"

constexpr int LANES = 16;
using Floats = __m512;
using Ints = __m512i;

// The first `count` lanes of vectors at the end of a row.
struct Mask {
    __mmask16 bits;
    explicit Mask(int count) : bits(static_cast<__mmask16>((1u << count) - 1)) {}
};

static inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
static inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
static inline Floats load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m.bits, p); }
static inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
static inline void store(float* p, Floats x, Mask m) { _mm512_mask_storeu_ps(p, m.bits, x); }
static inline Floats add(Floats x, Floats y) { return _mm512_add_ps(x, y); }
static inline Floats sub(Floats x, Floats y) { return _mm512_sub_ps(x, y); }
static inline Floats mul(Floats x, Floats y) { return _mm512_mul_ps(x, y); }
static inline Floats max(Floats x, Floats y) { return _mm512_max_ps(x, y); }
static inline Floats fma(Floats x, Floats y, Floats z) { return _mm512_fmadd_ps(x, y, z); }
static inline float sum(Floats x) { return _mm512_reduce_add_ps(x); }

static inline Ints load_bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
static inline Ints load_bytes(const uint8_t* p, Mask m) {
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m.bits, p));
}
static inline void store_bytes(uint8_t* p, Ints x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
}
static inline void store_bytes(uint8_t* p, Ints x, Mask m) {
    _mm512_mask_cvtepi32_storeu_epi8(p, m.bits, x);
}
static inline Ints truncate(Floats x, int mask) {
    return _mm512_and_si512(_mm512_cvttps_epi32(x), _mm512_set1_epi32(mask));
}
// a | a << 6: the six address bits twice, so that a shift is a rotation.
static inline Ints doubled(Ints a) { return _mm512_or_si512(a, _mm512_slli_epi32(a, 6)); }
template <int N> static inline Ints shift_right(Ints x) { return _mm512_srli_epi32(x, N); }

// 64 bits, looked up by addresses below 64; 1.0 or 0.0.
struct BitTable {
    Ints words;
    explicit BitTable(uint64_t bits) : words(_mm512_set1_epi64(static_cast<long long>(bits))) {}
    Floats operator[](Ints a) const {
        Ints word = _mm512_permutexvar_epi32(_mm512_srli_epi32(a, 5), words);
        Ints bit = _mm512_srlv_epi32(word, _mm512_and_si512(a, _mm512_set1_epi32(31)));
        return _mm512_cvtepi32_ps(_mm512_and_si512(bit, _mm512_set1_epi32(1)));
    }
};

// 32 floats, looked up by the low five bits of an index.
struct FloatTable {
    Floats low, high;
    explicit FloatTable(const float* p) : low(load(p)), high(load(p + 16)) {}
    Floats operator[](Ints index) const { return _mm512_permutex2var_ps(low, index, high); }
};

#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define LUTLENS_SIMD "avx2"

constexpr int LANES = 8;
using Floats = __m256;
using Ints = __m256i;

struct Mask {
    int count;
    Ints bits;
    explicit Mask(int n)
        : count(n), bits(_mm256_cmpgt_epi32(_mm256_set1_epi32(n),
                                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
};

static inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
static inline Floats load(const float* p) { return _mm256_loadu_ps(p); }
static inline Floats load(const float* p, Mask m) { return _mm256_maskload_ps(p, m.bits); }
static inline void store(float* p, Floats x) { _mm256_storeu_ps(p, x); }
static inline void store(float* p, Floats x, Mask m) { _mm256_maskstore_ps(p, m.bits, x); }
static inline Floats add(Floats x, Floats y) { return _mm256_add_ps(x, y); }
static inline Floats sub(Floats x, Floats y) { return _mm256_sub_ps(x, y); }
static inline Floats mul(Floats x, Floats y) { return _mm256_mul_ps(x, y); }
static inline Floats max(Floats x, Floats y) { return _mm256_max_ps(x, y); }
static inline Floats fma(Floats x, Floats y, Floats z) { return _mm256_fmadd_ps(x, y, z); }
static inline float sum(Floats x) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline Ints load_bytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
static inline Ints load_bytes(const uint8_t* p, Mask m) {
    uint64_t bytes = 0;
    std::memcpy(&bytes, p, static_cast<size_t>(m.count));
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<long long>(bytes)));
}
static inline uint64_t to_bytes(Ints x) {
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_packus_epi16(words, words)));
}
static inline void store_bytes(uint8_t* p, Ints x) {
    uint64_t bytes = to_bytes(x);
    std::memcpy(p, &bytes, 8);
}
static inline void store_bytes(uint8_t* p, Ints x, Mask m) {
    uint64_t bytes = to_bytes(x);
    std::memcpy(p, &bytes, static_cast<size_t>(m.count));
}
static inline Ints truncate(Floats x, int mask) {
    return _mm256_and_si256(_mm256_cvttps_epi32(x), _mm256_set1_epi32(mask));
}
static inline Ints doubled(Ints a) { return _mm256_or_si256(a, _mm256_slli_epi32(a, 6)); }
template <int N> static inline Ints shift_right(Ints x) { return _mm256_srli_epi32(x, N); }

struct BitTable {
    Ints words;
    explicit BitTable(uint64_t bits) : words(_mm256_set1_epi64x(static_cast<long long>(bits))) {}
    Floats operator[](Ints a) const {
        Ints word = _mm256_permutevar8x32_epi32(words, _mm256_srli_epi32(a, 5));
        Ints bit = _mm256_srlv_epi32(word, _mm256_and_si256(a, _mm256_set1_epi32(31)));
        return _mm256_cvtepi32_ps(_mm256_and_si256(bit, _mm256_set1_epi32(1)));
    }
};

// Permutations and blends: a gather is no faster, and much slower on some processors.
struct FloatTable {
    Floats part[4];
    explicit FloatTable(const float* p) : part{load(p), load(p + 8), load(p + 16), load(p + 24)} {}
    Floats operator[](Ints index) const {
        Floats bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
        Floats bit4 = _mm256_castsi256_ps(_mm256_slli_epi32(index, 27));
        Floats low = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[0], index),
                                      _mm256_permutevar8x32_ps(part[1], index), bit3);
        Floats high = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[2], index),
                                       _mm256_permutevar8x32_ps(part[3], index), bit3);
        return _mm256_blendv_ps(low, high, bit4);
    }
};

#else
#define LUTLENS_SIMD "scalar"

constexpr int LANES = 1;
using Floats = float;
using Ints = int;

struct Mask {
    explicit Mask(int) {}
};

static inline Floats broadcast(float x) { return x; }
static inline Floats load(const float* p) { return *p; }
static inline Floats load(const float* p, Mask) { return *p; }
static inline void store(float* p, Floats x) { *p = x; }
static inline void store(float* p, Floats x, Mask) { *p = x; }
static inline Floats add(Floats x, Floats y) { return x + y; }
static inline Floats sub(Floats x, Floats y) { return x - y; }
static inline Floats mul(Floats x, Floats y) { return x * y; }
static inline Floats max(Floats x, Floats y) { return x > y ? x : y; }
static inline Floats fma(Floats x, Floats y, Floats z) { return x * y + z; }
static inline float sum(Floats x) { return x; }
static inline Ints load_bytes(const uint8_t* p) { return *p; }
static inline Ints load_bytes(const uint8_t* p, Mask) { return *p; }
static inline void store_bytes(uint8_t* p, Ints x) { *p = static_cast<uint8_t>(x); }
static inline void store_bytes(uint8_t* p, Ints x, Mask) { *p = static_cast<uint8_t>(x); }
static inline Ints truncate(Floats x, int mask) { return static_cast<int>(x) & mask; }
static inline Ints doubled(Ints a) { return a | a << 6; }
template <int N> static inline Ints shift_right(Ints x) { return x >> N; }

struct BitTable {
    uint64_t bits;
    explicit BitTable(uint64_t b) : bits(b) {}
    Floats operator[](Ints a) const { return static_cast<float>(bits >> a & 1); }
};

struct FloatTable {
    const float* entries;
    explicit FloatTable(const float* p) : entries(p) {}
    Floats operator[](Ints index) const { return entries[index & 31]; }
};
#endif

// Calls body(b) for all full vectors of a row of `count` samples, and body(b, mask) for what remains.
template <class Body> static inline void for_each_vector(int64_t count, Body&& body) {
    int64_t b = 0;
    for (; b + LANES <= count; b += LANES) body(b);
    if (b < count) body(b, Mask(static_cast<int>(count - b)));
}
