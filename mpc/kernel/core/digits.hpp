// Bits of words, and comparison by tables: one-hot words of base-16 digits, and what a public digit finds in them.
#pragma once

#include "bits.hpp"

namespace kernel::digits {

// -- bits ---------------------------------------------------------------------------------------------------------------------

inline long run_bit(const Call& call) {
    const View &out = call[0], &x = call[1];
    const Rows rows = rows_in(out.size(), call.numbers[1]);
    if (rows.count < 0 || rows.bits() != x.size() || !out.consecutive() || !x.consecutive()) return unfit;
    if (call.numbers[0] < 0 || call.numbers[0] > 63) return unfit;
    const Splitting splitting(rows);
    gather(call.set, x.at(), x.size(), static_cast<int>(call.numbers[0]), splitting.place(0, out.at<byte>()));
    splitting.done(0, out.at<byte>());
    return 0;
}

inline long run_lift(const Call& call) {
    const View &out = call[0], &x = call[1];
    const Rows rows = rows_in(x.size(), call.numbers[0]);
    if (rows.count < 0 || rows.bits() != out.size() || !out.consecutive() || !x.consecutive()) return unfit;
    const Joined joined(x.at<byte>(), rows);
    spread<false>(call.set, joined.at(), {1, 0}, out.size(), 0, out.at());
    return 0;
}

// Joins rows, or splits them, and adds up what several arrays hold. The result is the first.
template <bool joining>
long run_rows(const Call& call) {
    const View& out = call[0];
    const View &padded = call[joining ? 1 : 0], &string = call[joining ? 0 : 1];
    const Rows rows = rows_in(padded.size(), call.numbers[0]);
    if (rows.count < 0 || string.size() != octets(rows.bits()) || !out.consecutive()) return unfit;
    Sum sum{{}, call.count - 1, call[1].size()};
    for (int k = 1; k < call.count; ++k) {
        if (call[k].size() != sum.size || !call[k].consecutive()) return unfit;
        sum.terms[k - 1] = call[k].at<byte>();
    }
    if (out.size() == 0) return 0;
    (joining ? join_rows : split_rows)(sum, rows, out.at<byte>());
    return 0;
}

// -- digits -------------------------------------------------------------------------------------------------------------------

constexpr index block = 2048;  // elements whose digits are taken at a time

// `low` bits as base-16 digits, the last of which may be smaller.
struct Layout {
    index count, last;  // digits; bits of the last
    explicit Layout(long long low) : count(low < 1 || low > 63 ? -1 : (low + 3) / 4), last(count < 0 ? 0 : low - 4 * (count - 1)) {}
    bool valid() const { return count > 0; }
    index top_item() const { return last <= 3 ? 1 : 2; }
    unsigned mask(index k) const { return k < count - 1 ? 15 : (1U << last) - 1; }
};

// Sixteen bits of every word, which are four digits.
struct Quarter {
    KERNEL_INLINE static void run(const word* x, index n, index k, half* out) {
        for (index i = 0; i < n; ++i) out[i] = static_cast<half>(x[i] >> 16 * k);
    }
};

struct OneHot {
    template <class T>
    KERNEL_INLINE static void run(const word* x, index n, int place, unsigned mask, T* out) {
        for (index i = 0; i < n; ++i) out[i] = static_cast<T>(1U << (static_cast<unsigned>(x[i] >> place) & mask));
    }
};

// Numbers: low, columns. Arrays: the words of all digits but the last, those of the last, the bits above, and r.
inline long run_tables(const Call& call) {
    const View &full = call[0], &top = call[1], &bits = call[2], &r = call[3];
    const index n = r.size();
    const Layout layout(call.numbers[0]);
    const Rows rows = rows_in(bits.size(), call.numbers[1]);
    if (!layout.valid() || full.extent(0) != layout.count - 1 || full.extent(1) != n || top.size() != n) return unfit;
    if (top.item != layout.top_item() || rows.count < 0 || rows.bits() != n) return unfit;
    for (int k = 0; k < 4; ++k) {
        if (!call[k].consecutive()) return unfit;
    }
    const Splitting splitting(rows);
    const int sign = static_cast<int>(call.numbers[0]), above = static_cast<int>(4 * (layout.count - 1));
    for (index i = 0; i < n; i += block) {
        const index m = std::min(block, n - i);
        const word* from = r.at() + i;
        for (index k = 0; k + 1 < layout.count; ++k) {
            each<OneHot>(call.set, from, m, static_cast<int>(4 * k), 15U, full.at<half>() + k * n + i);
        }
        if (top.item == 1) {
            each<OneHot>(call.set, from, m, above, layout.mask(layout.count - 1), top.at<byte>() + i);
        } else {
            each<OneHot>(call.set, from, m, above, layout.mask(layout.count - 1), top.at<half>() + i);
        }
        gather(call.set, from, m, sign, splitting.place(0, bits.at<byte>()) + i / 8);
    }
    splitting.done(0, bits.at<byte>());
    return 0;
}

// The bit of each table word at a digit, and the parity of the bits above it. A digit is `mask` of `quarter` shifted by `place`.
struct Test {
    template <class T>
    KERNEL_INLINE static unsigned both(T table, unsigned digit) {
        const unsigned t = table;
        unsigned above = t ^ t >> 1;
        above ^= above >> 2;
        above ^= above >> 4;
        above ^= above >> 8;  // bit j: the parity of the bits from j upwards
        return (t | above << 16) >> digit;
    }
    template <class T>
    KERNEL_INLINE static void run(const T* tables, const half* quarters, int place, unsigned mask, index n, byte* eq, byte* gt) {
        byte e[block + 8], g[block + 8];
        for (index i = 0; i < n; ++i) {
            const unsigned found = both(tables[i], quarters[i] >> place & mask);
            e[i] = static_cast<byte>(found & 1);
            g[i] = static_cast<byte>(found >> 17 & 1);
        }
        std::fill(e + n, e + n + 8, byte{0});
        std::fill(g + n, g + n + 8, byte{0});
        for (index i = 0; i < n; i += 8) {
            word a, b;
            std::memcpy(&a, e + i, 8);
            std::memcpy(&b, g + i, 8);
            eq[i / 8] = static_cast<byte>(a * 0x0102040810204080U >> 56);  // bytes 0 and 1 to the bits of one
            gt[i / 8] = static_cast<byte>(b * 0x0102040810204080U >> 56);
        }
    }
};

#if defined(KERNEL_X86)
KERNEL_AVX512 inline __m512i load(const half* x, __mmask32 used) { return _mm512_maskz_loadu_epi16(used, x); }
KERNEL_AVX512 inline __m512i load(const byte* x, __mmask32 used) { return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(used, x)); }

// Of 32 elements.
struct Found {
    std::uint32_t equal, greater;
};

KERNEL_AVX512 inline Found test_avx512(__m512i table, __m512i quarter, __m128i place, __m512i mask) {
    const __m512i digit = _mm512_and_si512(_mm512_srl_epi16(quarter, place), mask);
    const __m512i bit = _mm512_sllv_epi16(_mm512_set1_epi16(1), digit);
    __m512i above = _mm512_xor_si512(_mm512_srli_epi16(table, 1), _mm512_srli_epi16(table, 2));
    above = _mm512_xor_si512(above, _mm512_srli_epi16(above, 2));
    above = _mm512_xor_si512(above, _mm512_srli_epi16(above, 4));
    above = _mm512_xor_si512(above, _mm512_srli_epi16(above, 8));  // bit j: the parity of the bits above j
    return {_mm512_test_epi16_mask(table, bit), _mm512_test_epi16_mask(above, bit)};
}

template <class T>
KERNEL_AVX512 void test_avx512(const T* tables, const half* quarters, int place, unsigned mask, index n, byte* eq, byte* gt) {
    const __m512i digits = _mm512_set1_epi16(static_cast<short>(mask));
    const __m128i shift = _mm_cvtsi32_si128(place);
    index i = 0;
    for (; i + 32 <= n; i += 32) {
        const Found found = test_avx512(load(tables + i, ~__mmask32{0}), load(quarters + i, ~__mmask32{0}), shift, digits);
        std::memcpy(eq + i / 8, &found.equal, 4);
        std::memcpy(gt + i / 8, &found.greater, 4);
    }
    if (i == n) return;
    const __mmask32 used = static_cast<__mmask32>(low_bits(~word{0}, n - i));
    const Found found = test_avx512(load(tables + i, used), load(quarters + i, used), shift, digits);
    std::memcpy(eq + i / 8, &found.equal, static_cast<std::size_t>(octets(n - i)));
    std::memcpy(gt + i / 8, &found.greater, static_cast<std::size_t>(octets(n - i)));
}
#endif

template <class T>
void test(Set set, const T* tables, const half* quarters, int place, unsigned mask, index n, byte* eq, byte* gt) {
#if defined(KERNEL_X86)
    if (set == Set::avx512) return test_avx512(tables, quarters, place, mask, n, eq, gt);
#endif
    each<Test>(set, tables, quarters, place, mask, n, eq, gt);
}

// What run_tests works on, once its arguments fit.
struct Tests {
    Set set;
    Layout layout;
    const half* full;
    const void* top;
    index n;

    // n elements of c; results go to place(string), the strings of eq for all digits first.
    template <class F>
    void run(const word* c, F place) const {
        half quarters[block];
        for (index i = 0; i < n; i += block) {
            const index m = std::min(block, n - i);
            for (index k = 0; k < layout.count; ++k) {
                if (k % 4 == 0) each<Quarter>(set, c + i, m, k / 4, quarters + 0);
                digit(k, i, m, quarters, place(k) + i / 8, place(layout.count + k) + i / 8);
            }
        }
    }

private:
    void digit(index k, index i, index m, const half* quarters, byte* eq, byte* gt) const {
        const int at = static_cast<int>(4 * (k % 4));
        const unsigned mask = layout.mask(k);
        if (k + 1 < layout.count) {
            test(set, full + k * n + i, quarters, at, mask, m, eq, gt);
        } else if (layout.top_item() == 1) {
            test(set, static_cast<const byte*>(top) + i, quarters, at, mask, m, eq, gt);
        } else {
            test(set, static_cast<const half*>(top) + i, quarters, at, mask, m, eq, gt);
        }
    }
};

// Numbers: low, columns. Arrays: the bits, the words of all digits but the last, those of the last, and c, which may be longer.
inline long run_tests(const Call& call) {
    const View &out = call[0], &full = call[1], &top = call[2], &c = call[3];
    const index n = top.size(), times = n ? c.size() / n : 0;
    const Layout layout(call.numbers[0]);
    if (!layout.valid() || full.extent(0) != layout.count - 1 || full.extent(1) != n || top.item != layout.top_item()) return unfit;
    if (times * n != c.size() || call.numbers[1] < 0) return unfit;
    for (int k = 0; k < 4; ++k) {
        if (!call[k].consecutive()) return unfit;
    }
    if (c.size() == 0) return out.size() == 0 ? 0 : unfit;
    const index columns = static_cast<index>(call.numbers[1]);
    const Rows rows{columns ? n / columns : 0, columns};
    const index each_row = rows.count * octets(columns), strings = 2 * layout.count;
    if (rows.bits() != n || out.size() != strings * times * each_row) return unfit;
    const Splitting splitting(rows, strings);
    const Tests tests{call.set, layout, full.at<const half>(), top.data, n};
    for (index t = 0; t < times; ++t) {
        const auto row = [&](index string) { return out.at<byte>() + (string * times + t) * each_row; };
        tests.run(c.at() + t * n, [&](index string) { return splitting.place(string, row(string)); });
        for (index string = 0; string < strings; ++string) splitting.done(string, row(string));
    }
    return 0;
}

inline constexpr Entry bit{"bit", run_bit, 2, 2, false, {{1, 1, true}, {8, 1}}};
inline constexpr Entry lift{"lift", run_lift, 1, 2, false, {{8, 1, true}, {1, 1}}};
inline constexpr Entry tables{"tables", run_tables, 2, 4, false, {{2, 2, true}, {1 | 2, 1, true}, {1, 1, true}, {8, 1}}};
inline constexpr Entry tests{"tests", run_tests, 2, 4, false, {{1, 1, true}, {2, 2}, {1 | 2, 1}, {8, 1}}};
inline constexpr Entry join{"join", run_rows<true>, 1, 2, true, {{1, 1, true}, {1, 1}}};
inline constexpr Entry split{"split", run_rows<false>, 1, 2, true, {{1, 1, true}, {1, 1}}};

}  // namespace kernel::digits
