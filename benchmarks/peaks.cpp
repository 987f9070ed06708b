// What one core can do at most, for `python -m benchmarks kernel`. Shares nothing with the kernel it is held against. Compiled once
// for each instruction set, with the compiler's flags saying which, and loaded with ctypes. Every function returns how much it did.
#include <cstdint>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__AVX512DQ__)
#define WIDTH 64
#elif defined(__AVX2__)
#define WIDTH 32
#else
#define WIDTH 16  // what every 64-bit machine has
#endif
typedef std::uint64_t vec __attribute__((vector_size(WIDTH)));

// After these the compiler knows nothing of x, which stays in its register: equal work cannot be done once for all.
#define FORGET(x) asm volatile("" : "+x"(x))
#define FORGET_NUMBER(x) asm volatile("" : "+r"(x))

// Written out rather than looped over, so that every sum has a register.
#define EIGHT(each) each(0) each(1) each(2) each(3) each(4) each(5) each(6) each(7)

// Which sets the processor has: 1 avx512, 2 avx2, 4 portable.
extern "C" long usable() {
    long found = 4;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) found |= 1;
    if (__builtin_cpu_supports("avx2")) found |= 2;
#endif
    return found;
}

// sum += a * b on 64-bit words in registers, eight sums at once: more than it takes to hide how long one takes.
#if defined(__AVX512DQ__)
extern "C" long multiply_add(long steps) {
    vec sums[8] = {}, a = vec{} + 3, b = vec{} + 5;
    FORGET(b);
    for (long step = 0; step < steps; ++step) {
#define EACH(i) \
    FORGET(a);  \
    sums[i] += a * b;  // vpmullq, vpaddq
        EIGHT(EACH)
#undef EACH
    }
#define EACH(i) FORGET(sums[i]);
    EIGHT(EACH)
#undef EACH
    return steps * 8 * (WIDTH / 8);
}
#elif defined(__AVX2__)
// The fewest instructions known: low * low in 64 bits, and both cross products, whose upper halves do not count, in 32 bits at once;
// swapping the halves of b comes before the sum, and the shift that puts both parts together after it. Six sums fill the registers.
extern "C" long multiply_add(long steps) {
    __m256i low[6] = {}, cross[6] = {}, a = _mm256_set1_epi64x(3), b = _mm256_set1_epi64x(5), swapped = _mm256_set1_epi64x(7);
    FORGET(b);
    FORGET(swapped);
    for (long step = 0; step < steps; ++step) {
#define EACH(i)                                                \
    FORGET(a);                                                 \
    low[i] = _mm256_add_epi64(low[i], _mm256_mul_epu32(a, b)); \
    cross[i] = _mm256_add_epi32(cross[i], _mm256_mullo_epi32(a, swapped));
        EACH(0) EACH(1) EACH(2) EACH(3) EACH(4) EACH(5)
#undef EACH
    }
#define EACH(i)     \
    FORGET(low[i]); \
    FORGET(cross[i]);
    EACH(0) EACH(1) EACH(2) EACH(3) EACH(4) EACH(5)
#undef EACH
    return steps * 6 * (WIDTH / 8);
}
#else
extern "C" long multiply_add(long steps) {
    std::uint64_t sums[8] = {}, a = 3, b = 5;
    FORGET_NUMBER(b);
    for (long step = 0; step < steps; ++step) {
#define EACH(i)             \
    FORGET_NUMBER(a);       \
    FORGET_NUMBER(sums[i]); \
    sums[i] += a * b;  // the compiler may not gather sums in vectors
        EIGHT(EACH)
#undef EACH
    }
#define EACH(i) FORGET_NUMBER(sums[i]);
    EIGHT(EACH)
#undef EACH
    return steps * 8;
}
#endif

// Sum `bytes` at `data`, `times` over; bytes is a multiple of 1024, data of 64.
extern "C" long load(const void* data, long bytes, long times) {
    const vec* from = static_cast<const vec*>(data);
    vec sums[8] = {};
    for (long time = 0; time < times; ++time) {
        FORGET_NUMBER(from);
        for (long at = 0; at < bytes / WIDTH; at += 8) {
#define EACH(i)             \
    sums[i] += from[at + i]; \
    FORGET(sums[i]);  // in this order
            EIGHT(EACH)
#undef EACH
        }
    }
#define EACH(i) FORGET(sums[i]);
    EIGHT(EACH)
#undef EACH
    return bytes * times;
}

// Copy `bytes` from `data` to `out`, `times` over; what is read and what is written both count.
extern "C" long copy(void* out, const void* data, long bytes, long times) {
    const vec* from = static_cast<const vec*>(data);
    vec* to = static_cast<vec*>(out);
    for (long time = 0; time < times; ++time) {
        for (long at = 0; at < bytes / WIDTH; at += 8) {
#define EACH(i) to[at + i] = from[at + i];
            EIGHT(EACH)
#undef EACH
            asm volatile("" ::: "memory");  // or the loop would become a call of memcpy
        }
    }
    return 2 * bytes * times;
}
