// Packed bits: gathered from words, spread to words, and rows of them joined to one string of bits or split from it.
#pragma once

#include "dispatch.hpp"

namespace kernel {

inline index octets(index bits) { return bits / 8 + (bits % 8 != 0); }

// -- bits of words ------------------------------------------------------------------------------------------------------------

KERNEL_INLINE byte octet(const word* x, index n, int position) {
    unsigned bits = 0;
    for (index j = 0; j < n; ++j) bits |= static_cast<unsigned>(x[j] >> position & 1) << j;
    return static_cast<byte>(bits);
}

// `count` strings of bits, `stride` bytes apart.
struct Planes {
    index count, stride;
};

#if defined(KERNEL_X86)
KERNEL_AVX512 inline index gather_avx512(const word* x, index n, int position, byte* out, Planes planes) {
    const __m512i lowest = _mm512_set1_epi64(static_cast<long long>(word{1} << position));
    index i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m512i eight = _mm512_loadu_si512(x + i);
        __m512i bit = lowest;
        for (index k = 0; k < planes.count; ++k, bit = _mm512_add_epi64(bit, bit)) {
            out[k * planes.stride + i / 8] = static_cast<byte>(_mm512_test_epi64_mask(eight, bit));
        }
    }
    return i;
}

KERNEL_AVX2 inline int signs(__m256i x) { return _mm256_movemask_pd(_mm256_castsi256_pd(x)); }

KERNEL_AVX2 inline index gather_avx2(const word* x, index n, int position, byte* out, Planes planes) {
    index i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
        const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i + 4));
        for (index k = 0; k < planes.count; ++k) {
            const __m128i up = _mm_cvtsi32_si128(63 - position - static_cast<int>(k));
            const int bits = signs(_mm256_sll_epi64(low, up)) | signs(_mm256_sll_epi64(high, up)) << 4;
            out[k * planes.stride + i / 8] = static_cast<byte>(bits);
        }
    }
    return i;
}
#endif

// Bits from `position` up of n words, each in a plane of its own; what is left of the last byte of each is 0.
inline void gather(Set set, const word* x, index n, int position, byte* out, Planes planes = {1, 0}) {
    index done = 0;
#if defined(KERNEL_X86)
    if (set == Set::avx512) done = gather_avx512(x, n, position, out, planes);
    if (set == Set::avx2) done = gather_avx2(x, n, position, out, planes);
#endif
    static_cast<void>(set);
    for (index k = 0; k < planes.count; ++k) {
        byte* to = out + k * planes.stride;
        index i = done;
        for (; i + 8 <= n; i += 8) to[i / 8] = octet(x + i, 8, position + static_cast<int>(k));
        if (i < n) to[i / 8] = octet(x + i, n - i, position + static_cast<int>(k));
    }
}

template <bool added>
struct Spread {
    KERNEL_INLINE static void run(const byte* bits, index n, int position, word* out) {
        for (index i = 0; i < n; ++i) out[i] = (added ? out[i] : 0) + (static_cast<word>(bits[i / 8] >> i % 8 & 1) << position);
    }
#if defined(KERNEL_X86)
    KERNEL_AVX512 static index avx512(const byte* bits, Planes planes, index n, int position, word* out) {
        const __m512i lowest = _mm512_set1_epi64(static_cast<long long>(word{1} << position));
        index i = 0;
        for (; i + 8 <= n; i += 8) {
            __m512i sum = added ? _mm512_loadu_si512(out + i) : _mm512_setzero_si512(), bit = lowest;
            for (index k = 0; k < planes.count; ++k, bit = _mm512_add_epi64(bit, bit)) {
                sum = _mm512_mask_add_epi64(sum, bits[k * planes.stride + i / 8], sum, bit);
            }
            _mm512_storeu_si512(out + i, sum);
        }
        return i;
    }
#endif
};

// Words of the bits in each plane, shifted to `position` and up, added to what is there or in its place.
template <bool added>
void spread(Set set, const byte* bits, Planes planes, index n, int position, word* out) {
    index done = 0;
#if defined(KERNEL_X86)
    if (set == Set::avx512) done = Spread<added>::avx512(bits, planes, n, position, out);
#endif
    bits += done / 8;
    each<Spread<added>>(set, bits, n - done, position, out + done);
    for (index k = 1; k < planes.count; ++k) {
        each<Spread<true>>(set, bits + k * planes.stride, n - done, position + static_cast<int>(k), out + done);
    }
}

// -- rows of bits -------------------------------------------------------------------------------------------------------------

// Rows of `columns` bits, each padded to whole bytes, or the same bits without padding; the padding may hold anything.
struct Rows {
    index count, columns;
    index bits() const { return count * columns; }
    index each() const { return octets(columns); }
    bool plain() const { return columns % 8 == 0 || count <= 1; }  // there is no padding but at the end
};

// What `size` bytes of padded rows hold; a negative count where they do not fit. Rows without columns are none.
inline Rows rows_in(index size, long long columns) {
    if (columns < 0) return {-1, 0};
    if (columns == 0) return {size == 0 ? 0 : -1, 0};
    const index each = octets(static_cast<index>(columns));
    return {size % each == 0 ? size / each : -1, static_cast<index>(columns)};
}

// Several strings of bytes of one length, combined by exclusive or.
struct Sum {
    const byte* terms[most_views];
    int count;
    index size;

    // Bytes at ... at + 8, zeros beyond the end.
    KERNEL_INLINE word load(index at) const {
        word sum = 0;
        for (int k = 0; k < count; ++k) {
            word one = 0;
            if (at + 8 <= size) {
                std::memcpy(&one, terms[k] + at, 8);
            } else {
                for (index i = at; i < size; ++i) one |= static_cast<word>(terms[k][i]) << 8 * (i - at);
            }
            sum ^= one;
        }
        return sum;
    }
};

inline void store(word value, index bytes, byte* out) {
    for (index i = 0; i < bytes; ++i) out[i] = static_cast<byte>(value >> 8 * i);
}

inline word low_bits(word value, index count) { return count < 64 ? value & ((word{1} << count) - 1) : value; }

// Padded rows without padding between them, zeros at the end, for rows.bits() > 0.
inline void copy_plain(const Sum& x, index bits, byte* out) {
    const index size = octets(bits);
    index i = 0;
    for (; i + 8 <= size; i += 8) {
        const word value = x.load(i);
        std::memcpy(out + i, &value, 8);
    }
    store(x.load(i), size - i, out + i);
    if (bits % 8) out[size - 1] = static_cast<byte>(low_bits(out[size - 1], bits % 8));
}

inline void join_rows(const Sum& x, Rows rows, byte* out) {
    if (rows.plain()) return copy_plain(x, rows.bits(), out);
    word open = 0;  // the next bits, `filled` of them
    index filled = 0;
    for (index row = 0; row < rows.count; ++row) {
        for (index column = 0; column < rows.columns; column += 64) {
            const index count = std::min<index>(64, rows.columns - column);
            const word next = low_bits(x.load(row * rows.each() + column / 8), count);
            open |= next << filled;
            if (filled + count < 64) {
                filled += count;
                continue;
            }
            std::memcpy(out, &open, 8);
            out += 8;
            open = filled ? next >> (64 - filled) : 0;
            filled += count - 64;
        }
    }
    store(open, octets(filled), out);
}

inline void split_rows(const Sum& x, Rows rows, byte* out) {
    if (rows.plain()) return copy_plain(x, rows.bits(), out);
    index at = 0;
    for (index row = 0; row < rows.count; ++row) {
        for (index column = 0; column < rows.columns; column += 64) {
            const index count = std::min<index>(64, rows.columns - column), shift = at % 8;
            word next = x.load(at / 8) >> shift;
            if (shift + count > 64) next |= x.load(at / 8 + 8) << (64 - shift);
            next = low_bits(next, count);
            if (count == 64) {
                std::memcpy(out, &next, 8);
            } else {
                store(next, octets(count), out);
            }
            out += octets(count);
            at += count;
        }
    }
}

// Bits of padded rows as one string: where they lie if there is no padding, else joined in memory of its own.
class Joined {
    std::unique_ptr<byte[]> room;
    const byte* where;

public:
    Joined(const byte* x, Rows rows) : where(x) {
        if (rows.plain()) return;
        room.reset(new byte[static_cast<std::size_t>(octets(rows.bits()))]);
        join_rows({{x}, 1, rows.count * rows.each()}, rows, room.get());
        where = room.get();
    }
    const byte* at() const { return where; }
};

// Where to write bits as one string, so that `done` makes them padded rows: their own place if there is no padding.
class Splitting {
    std::unique_ptr<byte[]> room;
    Rows rows;

public:
    explicit Splitting(Rows r, index strings = 1) : rows(r) {
        if (!rows.plain()) room.reset(new byte[static_cast<std::size_t>(strings * each())]);
    }
    index each() const { return octets(rows.bits()); }
    byte* place(index string, byte* out) const { return room ? room.get() + string * each() : out; }
    void done(index string, byte* out) const {
        if (room) split_rows({{room.get() + string * each()}, 1, each()}, rows, out);
    }
};

}  // namespace kernel
