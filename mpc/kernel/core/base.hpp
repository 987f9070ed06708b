// What every part of the kernel shares: words, instruction sets, views of arrays, threads. No Python, no state.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define KERNEL_X86 1
#define KERNEL_AVX2 __attribute__((target("avx2")))
#define KERNEL_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#endif
#if defined(__GNUC__)
#define KERNEL_INLINE inline __attribute__((always_inline))
#else
#define KERNEL_INLINE inline
#endif

static_assert(sizeof(void*) == 8, "the kernel is for 64-bit machines");
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernel is for little-endian machines; the NumPy kernel serves others"
#endif

namespace kernel {

using word = std::uint64_t;
using half = std::uint16_t;
using byte = std::uint8_t;
using index = std::ptrdiff_t;

// Instruction sets, fastest first. Each part of the kernel has its loops once for each.
enum class Set { avx512, avx2, portable };
constexpr const char* set_names[] = {"avx512", "avx2", "portable"};
constexpr int sets = 3;

inline bool usable(Set set) {
#if defined(KERNEL_X86)
    if (set == Set::avx512) {  // dq implies f
        return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    }
    if (set == Set::avx2) return __builtin_cpu_supports("avx2");
#endif
    return set == Set::portable;
}

// An array of somebody else's. Strides are in bytes; elements are aligned to their size unless they are single bytes.
struct View {
    void* data;
    index item;  // bytes of an element
    int dims;
    const index *shape, *strides;

    template <class T = word>
    T* at() const {
        return static_cast<T*>(data);
    }
    index extent(int axis) const { return shape[axis]; }
    index step(int axis) const { return shape[axis] == 1 ? 1 : strides[axis] / item; }  // in elements
    bool consecutive() const {
        index expected = item;
        for (int i = dims; i-- > 0; expected *= shape[i]) {
            if (shape[i] != 1 && strides[i] != expected) return size() == 0;
        }
        return true;
    }
    index size() const {
        index n = 1;
        for (int i = 0; i < dims; ++i) n *= shape[i];
        return n;
    }
};

// What an operation is called with: integers, then arrays, as its Entry says.
struct Call {
    Set set;
    const long long* numbers;
    const View* views;
    int count;  // of views
    const View& operator[](int i) const { return views[i]; }
};

struct Kind {
    unsigned items = 0;  // sum of the element sizes (1, 2, 4, 8) that are allowed
    int dims = 0;
    bool written = false;
};

constexpr long unfit = -1, no_memory = -2;  // what an operation returns where arguments do not fit each other; otherwise it is >= 0
constexpr int most_views = 12;

// An operation by name. The last kind may repeat where `variadic`.
struct Entry {
    const char* name;
    long (*run)(const Call&);
    int numbers, views;
    bool variadic;
    Kind kinds[most_views];
};

// f(begin, end), which must not throw, over parts of 0 .. n that are multiples of `grain`, each on a thread of its own.
template <class F>
void parallel(index threads, index n, index grain, F f) {
    const index most = grain > 0 ? (n + grain - 1) / grain : 1, used = std::max<index>(1, std::min(threads, most));
    if (used == 1) return f(index{0}, n);
    const index part = (most + used - 1) / used * grain;
    struct Joined : std::vector<std::thread> {  // also where a thread could not be started
        ~Joined() {
            for (auto& one : *this) one.join();
        }
    } others;
    others.reserve(static_cast<std::size_t>(used));
    for (index begin = part; begin < n; begin += part) {
        others.emplace_back([=, &f] { f(begin, std::min(n, begin + part)); });
    }
    f(index{0}, std::min(n, part));
}

}  // namespace kernel
