// Local arithmetic on words mod 2^64 and on bits. No Python here; every function touches only what it is given.
// Instruction sets are chosen at run time: one Path for each, a table of the functions compiled for it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#if defined(__GNUC__) && defined(__x86_64__)
#include <immintrin.h>
#define KERNEL_INLINE inline __attribute__((always_inline))
#define KERNEL_AVX2 __attribute__((target("avx2")))
#define KERNEL_AVX512 __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#else
#define KERNEL_INLINE inline
#endif

namespace kernel {

using word = std::uint64_t;
using half = std::uint16_t;
using byte = std::uint8_t;
using index = std::ptrdiff_t;

// Plain loops, inlined into each Path so that the compiler vectorises them for its instruction set.
namespace loops {

KERNEL_INLINE word dot(const word* x, const word* y, index n) {
    word sum = 0;
    for (index i = 0; i < n; ++i) sum += x[i] * y[i];
    return sum;
}

// With one word x if `one`; out may be z.
KERNEL_INLINE void multiply_add(const word* x, bool one, const word* y, const word* z, word* out, index n) {
#pragma GCC ivdep
    for (index i = 0; i < n && one; ++i) out[i] = *x * y[i] + z[i];
#pragma GCC ivdep
    for (index i = 0; i < n && !one; ++i) out[i] = x[i] * y[i] + z[i];
}

// Returns the bitwise or of all digits: above 15 if one of them is.
KERNEL_INLINE unsigned compare(const half* tables, const byte* digits, byte* eq, byte* gt, index n) {
    unsigned seen = 0;
#pragma GCC ivdep
    for (index i = 0; i < n; ++i) {
        std::uint32_t digit = digits[i] & 15U, above = tables[i] ^ tables[i] >> 1;
        above ^= above >> 2;
        above ^= above >> 4;
        above ^= above >> 8;  // bit j: the parity of the bits from j upwards
        std::uint32_t both = (tables[i] | above << 16) >> digit;
        seen |= digits[i];
        eq[i] = static_cast<byte>(both & 1);
        gt[i] = static_cast<byte>(both >> 17 & 1);
    }
    return seen;
}

}  // namespace loops

struct Path {
    const char* name;
    bool (*usable)();
    index rows, lanes;
    void (*tile)(index depth, const word* a, const word* b, word* out);  // out = packed (depth, rows)^T @ packed (depth, lanes)
    decltype(&loops::dot) dot;
    decltype(&loops::multiply_add) multiply_add;
    decltype(&loops::compare) compare;
};

template <class S>
constexpr Path path{S::name, S::usable, S::rows, S::lanes, S::tile, S::dot, S::multiply_add, S::compare};

#define KERNEL_LOOPS(TARGET)                                                                                     \
    TARGET static word dot(const word* x, const word* y, index n) { return loops::dot(x, y, n); }                \
    TARGET static void multiply_add(const word* x, bool one, const word* y, const word* z, word* out, index n) { \
        loops::multiply_add(x, one, y, z, out, n);                                                               \
    }                                                                                                            \
    TARGET static unsigned compare(const half* tables, const byte* digits, byte* eq, byte* gt, index n) {        \
        return loops::compare(tables, digits, eq, gt, n);                                                        \
    }

struct Portable {
    static constexpr const char* name = "portable";
    static constexpr int rows = 2, lanes = 4;
    static bool usable() { return true; }
    KERNEL_LOOPS()
    static void tile(index depth, const word* a, const word* b, word* out) {
        word sum[rows * lanes] = {};
        for (; depth; --depth, a += rows, b += lanes) {
            for (int i = 0; i < rows * lanes; ++i) sum[i] += a[i / lanes] * b[i % lanes];
        }
        std::memcpy(out, sum, sizeof sum);
    }
};

#if defined(KERNEL_AVX2)
struct Avx2 {
    static constexpr const char* name = "avx2";
    static constexpr int rows = 4, lanes = 4;
    static bool usable() { return __builtin_cpu_supports("avx2"); }
    KERNEL_LOOPS(KERNEL_AVX2)
    // There is no 64-bit product: sum low * low in 64 bits and the two cross products, whose high halves are lost, in 32.
    KERNEL_AVX2 static void tile(index depth, const word* a, const word* b, word* out) {
        __m256i low[rows] = {}, cross[rows] = {};
        for (; depth; --depth, a += rows, b += lanes) {
            __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)), swapped = _mm256_shuffle_epi32(y, 0xb1);
#pragma GCC unroll 4
            for (int r = 0; r < rows; ++r) {
                __m256i x = _mm256_set1_epi64x(static_cast<long long>(a[r]));
                low[r] = _mm256_add_epi64(low[r], _mm256_mul_epu32(x, y));
                cross[r] = _mm256_add_epi32(cross[r], _mm256_mullo_epi32(x, swapped));
            }
        }
        for (int r = 0; r < rows; ++r) {
            __m256i high = _mm256_slli_epi64(_mm256_add_epi32(cross[r], _mm256_srli_epi64(cross[r], 32)), 32);
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + r * lanes), _mm256_add_epi64(low[r], high));
        }
    }
};

struct Avx512 {
    static constexpr const char* name = "avx512";
    static constexpr int rows = 8, lanes = 8;
    static bool usable() {  // dq implies f
        return __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    }
    KERNEL_LOOPS(KERNEL_AVX512)
    KERNEL_AVX512 static void tile(index depth, const word* a, const word* b, word* out) {
        __m512i sum[rows] = {};
        for (; depth; --depth, a += rows, b += lanes) {
            __m512i y = _mm512_loadu_si512(b);
#pragma GCC unroll 8
            for (int r = 0; r < rows; ++r) {
                __m512i x = _mm512_set1_epi64(static_cast<long long>(a[r]));
                sum[r] = _mm512_add_epi64(sum[r], _mm512_mullo_epi64(x, y));
            }
        }
        for (int r = 0; r < rows; ++r) _mm512_storeu_si512(out + r * lanes, sum[r]);
    }
};

constexpr const Path* paths[] = {&path<Avx512>, &path<Avx2>, &path<Portable>};
#else
constexpr const Path* paths[] = {&path<Portable>};
#endif

struct Matrix {
    const word* data;
    index rows, columns, down, right;  // steps in words
    Matrix turned() const { return {data, columns, rows, right, down}; }
    Matrix part(index i, index j, index most_rows, index most_columns) const {
        return {data + i * down + j * right, std::min(most_rows, rows - i), std::min(most_columns, columns - j), down, right};
    }
};

// Elements 0 to n of p as consecutive words: where they lie, or copied to `room`.
inline const word* consecutive(const word* p, index step, index n, word* room) {
    if (step == 1) return p;
    for (index i = 0; i < n; ++i) room[i] = p[i * step];
    return room;
}

// out += a @ b for any number of pairs of matrices of one shape; the room for packed panels is allocated once.
class Product {
    static constexpr index depth_block = 128, row_block = 96, column_block = 768;  // multiples of any path's rows and lanes
    static constexpr index narrow = 4;  // so few columns are not worth packing for
    const Path& path;
    std::unique_ptr<word[]> room;
    word *a_room, *b_room;

    // Strips of `width` rows of m, column by column; the last is filled up with zeros, so that a tile reads nothing unwritten.
    static void pack(const Matrix& m, index width, word* to) {
        for (index first = 0; first < m.rows; first += width) {
            const index used = std::min(width, m.rows - first);
            const word* from = m.data + first * m.down;
            for (index k = 0; k < m.columns; ++k, from += m.right, to += width) {
                for (index i = 0; i < used; ++i) to[i] = from[i * m.down];
                std::fill(to + used, to + width, 0);
            }
        }
    }

    void tiles(index rows, index columns, index depth, word* out, index down, index right) const {
        alignas(64) word tile[64];  // holds the largest rows * lanes
        for (index j = 0; j < columns; j += path.lanes) {
            for (index i = 0; i < rows; i += path.rows) {
                path.tile(depth, a_room + i * depth, b_room + j * depth, tile);
                for (index r = 0; r < std::min(path.rows, rows - i); ++r) {
                    word* to = out + (i + r) * down + j * right;
                    for (index c = 0; c < std::min(path.lanes, columns - j); ++c) to[c * right] += tile[r * path.lanes + c];
                }
            }
        }
    }

    void packed(const Matrix& a, const Matrix& b, word* out, index down, index right) const {
        for (index j = 0; j < b.columns; j += column_block) {
            for (index k = 0; k < b.rows; k += depth_block) {
                Matrix y = b.part(k, j, depth_block, column_block);
                pack(y.turned(), path.lanes, b_room);
                for (index i = 0; i < a.rows; i += row_block) {
                    Matrix x = a.part(i, k, row_block, depth_block);
                    pack(x, path.rows, a_room);
                    tiles(x.rows, y.columns, y.rows, out + i * down + j * right, down, right);
                }
            }
        }
    }

    // Few columns: dot products with the rows of a, or sums of the columns of a, whichever are consecutive.
    void few(const Matrix& a, const Matrix& b, word* out, index down, index right) const {
        for (index j = 0; j < b.columns; ++j, out += right) {
            const word* y = consecutive(b.data + j * b.right, b.down, b.rows, b_room);
            const index depth = a.right == 1 ? 0 : b.rows;
            std::fill(a_room, a_room + a.rows, 0);
            for (index k = 0; k < depth; ++k) path.multiply_add(y + k, true, a.data + k * a.right, a_room, a_room, a.rows);
            for (index i = 0; i < a.rows; ++i) out[i * down] += a.right == 1 ? path.dot(a.data + i * a.down, y, b.rows) : a_room[i];
        }
    }

public:
    Product(const Path& p, index rows, index depth, index columns) : path(p) {
        index k = std::min(depth, depth_block), longest = std::max(rows, columns);
        index a_size = (std::max(std::min(longest + p.rows, row_block) * k, longest) + 7) / 8 * 8;
        index b_size = std::max(std::min(longest + p.lanes, column_block) * k, depth);
        room.reset(new word[static_cast<std::size_t>(a_size + b_size + 8)]);
        a_room = room.get() + (64 - reinterpret_cast<std::uintptr_t>(room.get()) % 64) / sizeof(word);  // whole cache lines
        b_room = a_room + a_size;
    }

    void add(const Matrix& a, const Matrix& b, word* out, index down, index right) const {
        if (b.columns <= narrow && (a.right == 1 || a.down == 1)) return few(a, b, out, down, right);
        if (a.rows <= narrow && (b.right == 1 || b.down == 1)) return few(b.turned(), a.turned(), out, right, down);
        if (b.columns < path.lanes && a.rows > b.columns) return packed(b.turned(), a.turned(), out, right, down);
        packed(a, b, out, down, right);
    }
};

// x * y + z; operands that are strided or repeated are gathered a block at a time.
inline void multiply_add(const Path& path, const word* const (&in)[3], const index (&step)[3], word* out, index n) {
    constexpr index block = 512;
    word room[3][block];
    const word* at[3];
    for (index i = 0; i < n; i += block, out += block) {
        index m = std::min(block, n - i);
        for (int k = 0; k < 3; ++k) at[k] = consecutive(in[k] + i * step[k], step[k], m, room[k]);
        path.multiply_add(at[0], step[0] == 0, at[1], at[2], out, m);
    }
}

}  // namespace kernel
