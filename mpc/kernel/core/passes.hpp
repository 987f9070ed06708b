// Elementwise passes: what each party does to its shares around an exchange of messages, and fixed-point numbers.
#pragma once

#include <cmath>

#include "bits.hpp"
#include "wire.hpp"

namespace kernel::passes {

// A (rows, columns) operand in C order, a block at a time: where it lies if it is consecutive, else gathered. An extent of 1 or a
// stride of 0 repeats.
template <class T>
class Operand {
public:
    static constexpr index block = 512;

    // How many elements to take at a time: whole rows if they are short, so that a repeated row is gathered once.
    static index step(index columns) { return columns && columns <= block ? block / columns * columns : block; }

    Operand(const View& v, index rows, index columns)
        : data(v.at<T>()), columns(columns), down(v.extent(0) == 1 ? 0 : v.step(0)), right(v.extent(1) == 1 ? 0 : v.step(1)) {
        fits = (v.extent(0) == 1 || v.extent(0) == rows) && (v.extent(1) == 1 || v.extent(1) == columns);
        consecutive = (right == 1 || columns == 1) && (down == columns || rows == 1);
        constant = down == 0 && (right == 0 || columns <= block);
    }

    bool fitting() const { return fits; }

    const T* part(index begin, index n) {
        if (consecutive) return data + begin;
        if (begin == 0 || !constant) copy(begin, n);
        return room;
    }

private:
    void copy(index begin, index n) {
        index row = begin / columns, column = begin % columns;
        for (index done = 0; done < n; ++row, column = 0) {
            const index m = std::min(n - done, columns - column);
            const T* from = data + row * down + column * right;
            T* to = room + done;
            if (right == 1) {
                std::copy(from, from + m, to);
            } else {
                for (index i = 0; i < m; ++i) to[i] = from[i * right];
            }
            done += m;
        }
    }

    const T* data;
    index columns, down, right;
    bool fits, consecutive, constant;
    T room[block];
};

// -- products -----------------------------------------------------------------------------------------------------------------

template <bool first>
struct MaskedMultiply {
    KERNEL_INLINE static void run(const word* X, const word* a, const word* Y, const word* b, const word* c, word* out, index n) {
        for (index i = 0; i < n; ++i) out[i] = first ? X[i] * (Y[i] - b[i]) - a[i] * Y[i] + c[i] : c[i] - X[i] * b[i] - a[i] * Y[i];
    }
};

inline long run_masked_multiply(const Call& call) {
    const View& to = call[0];
    const index rows = to.extent(0), columns = to.extent(1), n = to.size();
    Operand<word> X(call[1], rows, columns), a(call[2], rows, columns), Y(call[3], rows, columns), b(call[4], rows, columns),
        c(call[5], rows, columns);
    if (!to.consecutive() || !(X.fitting() && a.fitting() && Y.fitting() && b.fitting() && c.fitting())) return unfit;
    for (index i = 0, m = 0; i < n; i += m) {
        m = std::min(n - i, Operand<word>::step(columns));
        const word *Xi = X.part(i, m), *ai = a.part(i, m), *Yi = Y.part(i, m), *bi = b.part(i, m), *ci = c.part(i, m);
        if (call.numbers[0]) {
            each<MaskedMultiply<true>>(call.set, Xi, ai, Yi, bi, ci, to.at() + i, m);
        } else {
            each<MaskedMultiply<false>>(call.set, Xi, ai, Yi, bi, ci, to.at() + i, m);
        }
    }
    return 0;
}

template <bool first>
struct Truncate {
    KERNEL_INLINE static void run(const word* M, const word* high, const word* top, int f, word* out, index n) {
        for (index i = 0; i < n; ++i) {
            const word m = M[i] + (word{1} << 62), wrapped = m >> 63, shifted = top[i] << (64 - f);
            const word unmasked = first ? (m >> f) - (word{1} << (62 - f)) : 0;
            out[i] = unmasked - high[i] + (shifted & (wrapped - 1));
        }
    }
};

inline long run_truncate(const Call& call) {
    const View &out = call[0], &M = call[1], &high = call[2], &top = call[3];
    const index n = out.size();
    for (int k = 0; k < 4; ++k) {
        if (call[k].size() != n || !call[k].consecutive()) return unfit;
    }
    if (call.numbers[1] < 1 || call.numbers[1] > 62) return unfit;
    const int f = static_cast<int>(call.numbers[1]);
    if (call.numbers[0]) {
        each<Truncate<true>>(call.set, M.at(), high.at(), top.at(), f, out.at(), n);
    } else {
        each<Truncate<false>>(call.set, M.at(), high.at(), top.at(), f, out.at(), n);
    }
    return 0;
}

struct Select {
    KERNEL_INLINE static void run(const byte* bits, const word* x, const word* X, const word* number, const word* product,
                                  word* out, index n) {
        for (index i = 0; i < n; ++i) {
            const word hidden = X[i] * number[i] - product[i], minus = word{0} - (bits[i / 8] >> i % 8 & 1);
            out[i] = (hidden ^ minus) - minus + (x[i] & minus);  // x - hidden for bit 1
        }
    }
#if defined(KERNEL_X86)
    KERNEL_AVX512 static index avx512(const byte* bits, const word* x, const word* X, const word* number, const word* product,
                                      word* out, index n) {
        index i = 0;
        for (; i + 8 <= n; i += 8) {
            const __m512i times = _mm512_mullo_epi64(_mm512_loadu_si512(X + i), _mm512_loadu_si512(number + i));
            const __m512i hidden = _mm512_sub_epi64(times, _mm512_loadu_si512(product + i));
            _mm512_storeu_si512(out + i, _mm512_mask_sub_epi64(hidden, bits[i / 8], _mm512_loadu_si512(x + i), hidden));
        }
        return i;
    }
#endif
};

inline long run_select(const Call& call) {
    const View &out = call[0], &bits = call[1];
    const index n = out.size();
    const Rows rows = rows_in(bits.size(), call.numbers[0]);
    for (int k = 0; k < 6; ++k) {
        if ((k != 1 && call[k].size() != n) || !call[k].consecutive()) return unfit;
    }
    if (rows.count < 0 || rows.bits() != n) return unfit;
    if (n == 0) return 0;
    const Joined joined(bits.at<byte>(), rows);
    const byte* bit = joined.at();
    const word *x = call[2].at(), *X = call[3].at(), *number = call[4].at(), *product = call[5].at();
    index i = 0;
#if defined(KERNEL_X86)
    if (call.set == Set::avx512) i = Select::avx512(bit, x, X, number, product, out.at(), n);
#endif
    each<Select>(call.set, bit + i / 8, x + i, X + i, number + i, product + i, out.at() + i, n - i);
    return 0;
}

// -- fixed-point numbers ------------------------------------------------------------------------------------------------------

constexpr long long largest_frac = 900;
constexpr double range = 4611686018427387904.0;  // 2^62

KERNEL_INLINE double power(word exponent) { return bits_as<double>((exponent + 1023) << 52); }

KERNEL_INLINE bool too_large(std::int64_t frac) { return static_cast<word>(frac) + largest_frac > 2 * largest_frac; }

struct Totals {
    index outside, unfitting;
};

struct Encode {
    // x + magic has the integer nearest to x, ties to even, in its low bits; so we round what is below 2^32 apart.
    static constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52

    KERNEL_INLINE static word nearest(double x) {
        const double above = x * 0x1p-32 + magic, low = x - (above - magic) * 0x1p32 + magic;
        return (bits_as<word>(above) << 32) + bits_as<word>(low) - ((bits_as<word>(magic) << 32) + bits_as<word>(magic));
    }
    KERNEL_INLINE static Totals run(const double* x, const std::int64_t* frac, word* out, index n) {
        word inside = 0, unfitting = 0;
        for (index i = 0; i < n; ++i) {
            const double scaled = x[i] * power(static_cast<word>(frac[i]));
            const bool fits = std::fabs(scaled) < range;  // a NaN does not
            const word kept = word{0} - static_cast<word>(fits);  // compilers vectorise a mask more widely than a choice
            out[i] = nearest(bits_as<double>(bits_as<word>(scaled) & kept));
            inside += fits;
            unfitting += too_large(frac[i]);
        }
        return {n - static_cast<index>(inside), static_cast<index>(unfitting)};
    }
};

struct Decode {
    // x as the sum of two doubles, exact each: its high half times 2^32 less 2^52, and its low half plus 2^52.
    KERNEL_INLINE static double number(word x) {
        const double high = bits_as<double>((x >> 32 ^ 0x80000000U) | 0x4530000000000000U) - (0x1p84 + 0x1p63 + 0x1p52);
        return high + bits_as<double>((x & 0xffffffffU) | 0x4330000000000000U);
    }
    KERNEL_INLINE static Totals run(const word* x, const std::int64_t* frac, word limit, double* out, index n) {
        word outside = 0, unfitting = 0;
        for (index i = 0; i < n; ++i) {
            out[i] = number(x[i]) * power(0 - static_cast<word>(frac[i]));
            outside += std::min(x[i], 0 - x[i]) > limit;
            unfitting += too_large(frac[i]);
        }
        return {static_cast<index>(outside), static_cast<index>(unfitting)};
    }
};

// What `loop` counts on blocks of the operands x and frac; unfit where frac is.
template <class From, class To, class F>
long convert(const Call& call, F loop) {
    const View& to = call[0];
    const index rows = to.extent(0), columns = to.extent(1), n = to.size();
    Operand<From> x(call[1], rows, columns);
    Operand<std::int64_t> frac(call[2], rows, columns);
    if (!to.consecutive() || !x.fitting() || !frac.fitting()) return unfit;
    index outside = 0;
    for (index i = 0, m = 0; i < n; i += m) {
        m = std::min(n - i, Operand<From>::step(columns));
        const Totals found = loop(x.part(i, m), frac.part(i, m), to.at<To>() + i, m);
        if (found.unfitting) return unfit;
        outside += found.outside;
    }
    return static_cast<long>(outside);
}

inline long run_encode(const Call& call) {
    return convert<double, word>(call, [&](const double* x, const std::int64_t* frac, word* out, index n) {
        return each<Encode>(call.set, x, frac, out, n);
    });
}

inline long run_decode(const Call& call) {
    if (call.numbers[0] < 0) return unfit;
    const word limit = static_cast<word>(call.numbers[0]);
    return convert<word, double>(call, [&](const word* x, const std::int64_t* frac, double* out, index n) {
        return each<Decode>(call.set, x, frac, limit, out, n);
    });
}

// -- keystreams ---------------------------------------------------------------------------------------------------------------

template <class T>
void add_to(Set set, bool negative, word* total, const T* stream, index n) {
    if (negative) {
        each<Add<true>>(set, static_cast<const word*>(total), stream, total, n);
    } else {
        each<Add<false>>(set, static_cast<const word*>(total), stream, total, n);
    }
}

inline long run_accumulate(const Call& call) {
    const View &total = call[0], &stream = call[1];
    const index n = total.size();
    if (stream.size() != n || !total.consecutive() || !stream.consecutive()) return unfit;
    const auto begin = reinterpret_cast<std::uintptr_t>(total.data), other = reinterpret_cast<std::uintptr_t>(stream.data);
    const auto size = static_cast<std::uintptr_t>(n), item = static_cast<std::uintptr_t>(stream.item);
    const bool apart = begin + 8 * size <= other || other + item * size <= begin;
    if (!apart && !(begin == other && item == 8)) return unfit;
    if (item == 8) {
        add_to(call.set, call.numbers[0] != 0, total.at(), stream.at<const word>(), n);
    } else {
        add_to(call.set, call.numbers[0] != 0, total.at(), stream.at<const std::uint32_t>(), n);
    }
    return 0;
}

// The result first; the operands, and for select the bits, come after it in the order of mpc.kernel.Kernel.
inline constexpr Entry masked_multiply{
    "masked_multiply", run_masked_multiply, 1, 6, false, {{8, 2, true}, {8, 2}, {8, 2}, {8, 2}, {8, 2}, {8, 2}}};
inline constexpr Entry truncate{"truncate", run_truncate, 2, 4, false, {{8, 1, true}, {8, 1}, {8, 1}, {8, 1}}};
inline constexpr Entry select{"select", run_select, 1, 6, false, {{8, 1, true}, {1, 1}, {8, 1}, {8, 1}, {8, 1}, {8, 1}}};
inline constexpr Entry encode{"encode", run_encode, 0, 3, false, {{8, 2, true}, {8, 2}, {8, 2}}};
inline constexpr Entry decode{"decode", run_decode, 1, 3, false, {{8, 2, true}, {8, 2}, {8, 2}}};
inline constexpr Entry accumulate{"accumulate", run_accumulate, 1, 2, false, {{8, 1, true}, {4 | 8, 1}}};

}  // namespace kernel::passes
