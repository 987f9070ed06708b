// One loop for every instruction set: `Loop::run`, written once and always inlined, is vectorised by the compiler for each.
#pragma once

#include "base.hpp"

namespace kernel {

#if defined(KERNEL_X86)
template <class Loop, class... A>
KERNEL_AVX512 auto on_avx512(A... a) {
    return Loop::run(a...);
}
template <class Loop, class... A>
KERNEL_AVX2 auto on_avx2(A... a) {
    return Loop::run(a...);
}
#endif

template <class Loop, class... A>
auto each(Set set, A... a) {
#if defined(KERNEL_X86)
    if (set == Set::avx512) return on_avx512<Loop>(a...);
    if (set == Set::avx2) return on_avx2<Loop>(a...);
#endif
    static_cast<void>(set);
    return Loop::run(a...);
}

template <class To, class From>
KERNEL_INLINE To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Words of x plus or minus others, which may be narrower.
template <bool negative>
struct Add {
    template <class T>
    KERNEL_INLINE static void run(const word* x, const T* y, word* out, index n) {
        for (index i = 0; i < n; ++i) out[i] = negative ? x[i] - y[i] : x[i] + y[i];
    }
};

}  // namespace kernel
