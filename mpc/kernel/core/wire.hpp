// The wire format of Z_2^k: the whole bytes of every element, then planes of the remaining bits. See mpc.kernel.Kernel.pack.
#pragma once

#include "bits.hpp"

namespace kernel::passes {

constexpr index wire_block = 1024;  // words that are summed in the first-level cache before they are cut

// -- the low `size` bytes of words, 1 to 7 of them; only what they take is written ----------------------------------------------

inline void cut_plain(const word* x, index n, index size, byte* out) {
    index i = 0;
    for (; i * size + 8 <= n * size; ++i) std::memcpy(out + i * size, x + i, 8);  // the next one overwrites what is too much
    for (; i < n; ++i) store(x[i], size, out + i * size);
}

inline void expand_plain(const byte* in, index n, index size, word* out, bool added) {
    index i = 0;
    for (; i * size + 8 <= n * size; ++i) {
        word one;
        std::memcpy(&one, in + i * size, 8);
        out[i] = (added ? out[i] : 0) + low_bits(one, 8 * size);
    }
    for (; i < n; ++i) {
        word one = 0;
        for (index k = 0; k < size; ++k) one |= static_cast<word>(in[i * size + k]) << 8 * k;
        out[i] = (added ? out[i] : 0) + one;
    }
}

#if defined(KERNEL_X86)
// Bytes for a shuffle of 16: from two words the low `size` bytes of each together, or back.
inline void shuffles(index size, byte* cut, byte* expand) {
    std::fill(cut, cut + 16, byte{0x80});  // gives 0
    std::fill(expand, expand + 16, byte{0x80});
    for (index k = 0; k < 2 * size; ++k) {
        const index from = k / size * 8 + k % size;
        cut[k] = static_cast<byte>(from);
        expand[from] = static_cast<byte>(k);
    }
}

// The order of 32 pairs of bytes that moves what four lanes of 16 bytes hold in their first `size` pairs together, or back.
inline void orders(index size, half* together, half* apart) {
    std::fill(together, together + 32, half{0});
    std::fill(apart, apart + 32, half{0});
    for (index k = 0; k < 4 * size; ++k) {
        const index from = k / size * 8 + k % size;
        together[k] = static_cast<half>(from);
        apart[from] = static_cast<half>(k);
    }
}

KERNEL_AVX512 inline void cut_avx512(const word* x, index n, index size, byte* out) {
    byte cut[16], expand[16];
    half together[32], apart[32];
    shuffles(size, cut, expand);
    orders(size, together, apart);
    const __m512i shuffle = _mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(cut)));
    const __m512i order = _mm512_loadu_si512(together);
    const __mmask32 eight = static_cast<__mmask32>((std::uint32_t{1} << 4 * size) - 1);
    index i = 0;
    for (; i * size + 64 <= n * size; i += 8) {  // the next ones overwrite what is too much
        const __m512i v = _mm512_shuffle_epi8(_mm512_loadu_si512(x + i), shuffle);
        _mm512_storeu_si512(out + i * size, _mm512_permutexvar_epi16(order, v));
    }
    for (; i + 8 <= n; i += 8) {
        const __m512i v = _mm512_shuffle_epi8(_mm512_loadu_si512(x + i), shuffle);
        _mm512_mask_storeu_epi16(out + i * size, eight, _mm512_permutexvar_epi16(order, v));
    }
    cut_plain(x + i, n - i, size, out + i * size);
}

KERNEL_AVX512 inline void expand_avx512(const byte* in, index n, index size, word* out, bool added) {
    byte cut[16], expand[16];
    half together[32], apart[32];
    shuffles(size, cut, expand);
    orders(size, together, apart);
    const __m512i shuffle = _mm512_maskz_broadcast_i32x4(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(expand)));
    const __m512i order = _mm512_loadu_si512(apart);
    const __mmask32 eight = static_cast<__mmask32>((std::uint32_t{1} << 4 * size) - 1);
    const __mmask8 kept = added ? 0xff : 0;
    index i = 0;
    for (; i * size + 64 <= n * size; i += 8) {
        const __m512i v = _mm512_permutexvar_epi16(order, _mm512_loadu_si512(in + i * size));
        const __m512i old = added ? _mm512_loadu_si512(out + i) : _mm512_setzero_si512();
        _mm512_storeu_si512(out + i, _mm512_add_epi64(old, _mm512_shuffle_epi8(v, shuffle)));
    }
    for (; i + 8 <= n; i += 8) {
        const __m512i v = _mm512_permutexvar_epi16(order, _mm512_maskz_loadu_epi16(eight, in + i * size));
        const __m512i old = _mm512_maskz_loadu_epi64(kept, out + i);
        _mm512_storeu_si512(out + i, _mm512_add_epi64(old, _mm512_shuffle_epi8(v, shuffle)));
    }
    expand_plain(in + i * size, n - i, size, out + i, added);
}

KERNEL_AVX2 inline void cut_avx2(const word* x, index n, index size, byte* out) {
    byte cut[16], expand[16];
    shuffles(size, cut, expand);
    const __m128i shuffle = _mm_loadu_si128(reinterpret_cast<const __m128i*>(cut));
    index i = 0;
    for (; i * size + 16 <= n * size; i += 2) {  // the next two overwrite what is too much
        const __m128i v = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)), shuffle);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i * size), v);
    }
    cut_plain(x + i, n - i, size, out + i * size);
}

KERNEL_AVX2 inline void expand_avx2(const byte* in, index n, index size, word* out, bool added) {
    byte cut[16], expand[16];
    shuffles(size, cut, expand);
    const __m128i shuffle = _mm_loadu_si128(reinterpret_cast<const __m128i*>(expand)), kept = _mm_set1_epi64x(added ? -1 : 0);
    index i = 0;
    for (; i * size + 16 <= n * size; i += 2) {
        const __m128i v = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i * size)), shuffle);
        __m128i* to = reinterpret_cast<__m128i*>(out + i);
        _mm_storeu_si128(to, _mm_add_epi64(_mm_and_si128(_mm_loadu_si128(to), kept), v));
    }
    expand_plain(in + i * size, n - i, size, out + i, added);
}
#endif

inline void cut(Set set, const word* x, index n, index size, byte* out) {
    if (size == 8) return static_cast<void>(std::memcpy(out, x, static_cast<std::size_t>(8 * n)));
#if defined(KERNEL_X86)
    if (set == Set::avx512) return cut_avx512(x, n, size, out);
    if (set == Set::avx2) return cut_avx2(x, n, size, out);
#endif
    static_cast<void>(set);
    cut_plain(x, n, size, out);
}

struct AddBytes {
    KERNEL_INLINE static void run(const byte* in, word* out, index n) {
        for (index i = 0; i < n; ++i) {
            word one;
            std::memcpy(&one, in + 8 * i, 8);
            out[i] += one;
        }
    }
};

// Words of `size` bytes each (1 to 8), added to out or in its place.
inline void expand(Set set, const byte* in, index n, index size, word* out, bool added) {
    if (size == 8 && added) return each<AddBytes>(set, in, out, n);
    if (size == 8) return static_cast<void>(std::memcpy(out, in, static_cast<std::size_t>(8 * n)));
#if defined(KERNEL_X86)
    if (set == Set::avx512) return expand_avx512(in, n, size, out, added);
    if (set == Set::avx2) return expand_avx2(in, n, size, out, added);
#endif
    expand_plain(in, n, size, out, added);
}

// -- packing ------------------------------------------------------------------------------------------------------------------

// Where `total` elements of `bits` bits lie.
struct Wire {
    index whole, rest, total;
    Wire(long long bits, long long total) : whole(bits / 8), rest(bits % 8), total(total) {
        if (bits < 1 || bits > 64 || total < 0 || total >> 56) whole = -1;
    }
    bool valid() const { return whole >= 0; }
    index bytes() const { return total * whole + rest * octets(total); }
    Planes planes() const { return {rest, octets(total)}; }
};

// Numbers: bits, total, start. Arrays: the packed bytes, words, and what is added to them.
inline long run_pack(const Call& call) {
    const View &out = call[0], &x = call[1];
    const Wire wire(call.numbers[0], call.numbers[1]);
    const index start = static_cast<index>(call.numbers[2]), n = x.size();
    if (!wire.valid() || out.size() != wire.bytes() || !out.consecutive() || !x.consecutive() || x.item != 8) return unfit;
    if (start < 0 || start % 8 || start > wire.total || n > wire.total - start || (n % 8 && start + n != wire.total)) return unfit;
    if (call.count > 3 || (call.count == 3 && (call[2].size() != n || !call[2].consecutive()))) return unfit;
    word sum[wire_block];
    for (index i = 0; i < n; i += wire_block) {
        const index m = std::min(n - i, wire_block);
        const word* from = x.at() + i;
        if (call.count == 3) {
            if (call[2].item == 8) {
                each<Add<false>>(call.set, from, call[2].at<const word>() + i, sum + 0, m);
            } else {
                each<Add<false>>(call.set, from, call[2].at<const std::uint32_t>() + i, sum + 0, m);
            }
            from = sum;
        }
        byte* to = out.at<byte>();
        if (wire.whole) cut(call.set, from, m, wire.whole, to + (start + i) * wire.whole);
        byte* to_planes = to + wire.total * wire.whole + (start + i) / 8;
        if (wire.rest) gather(call.set, from, m, static_cast<int>(8 * wire.whole), to_planes, wire.planes());
    }
    return 0;
}

struct Reduce {
    KERNEL_INLINE static void run(word* x, index n, word mask) {
        for (index i = 0; i < n; ++i) x[i] &= mask;
    }
};

// Numbers: bits. Arrays: words, and the packed bytes of one or more arrays that are added up.
inline long run_unpack(const Call& call) {
    const View& out = call[0];
    const index n = out.size();
    const Wire wire(call.numbers[0], n);
    if (!wire.valid() || out.item != 8 || !out.consecutive()) return unfit;
    for (int k = 1; k < call.count; ++k) {
        if (call[k].item != 1 || call[k].size() != wire.bytes() || !call[k].consecutive()) return unfit;
    }
    for (index i = 0; i < n; i += wire_block) {
        const index m = std::min(n - i, wire_block);
        word* to = out.at() + i;
        for (int k = 1; k < call.count; ++k) {
            const byte* from = call[k].at<byte>();
            const byte* planes = from + n * wire.whole + i / 8;
            const int position = static_cast<int>(8 * wire.whole);
            if (wire.whole) expand(call.set, from + i * wire.whole, m, wire.whole, to, k > 1);
            if (wire.rest && wire.whole + k > 1) {
                spread<true>(call.set, planes, wire.planes(), m, position, to);
            } else if (wire.rest) {
                spread<false>(call.set, planes, wire.planes(), m, position, to);
            }
        }
        if (call.numbers[0] < 64 && call.count > 2) each<Reduce>(call.set, to, m, low_bits(~word{0}, call.numbers[0]));
    }
    return 0;
}

inline constexpr Entry pack{"pack", run_pack, 3, 2, true, {{1, 1, true}, {4 | 8, 1}}};
inline constexpr Entry unpack{"unpack", run_unpack, 1, 2, true, {{8, 1, true}, {1, 1}}};

}  // namespace kernel::passes
