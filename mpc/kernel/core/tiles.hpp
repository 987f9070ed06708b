// The innermost loops of products, once for each instruction set. products.hpp includes this file with KERNEL_SET (a namespace),
// KERNEL_TARGET (the attribute of its functions) and KERNEL_LANES (the words of a vector) defined, so it has no guard.
namespace kernel::products::KERNEL_SET {

constexpr index lanes = KERNEL_LANES;

// -- vectors ------------------------------------------------------------------------------------------------------------------
// Sum: a vector of sums of products. Mask: the first n words of a vector; loads give zeros beyond them.

#if KERNEL_LANES == 8
constexpr int most_rows = 8, most_vectors = 6, most_sums = 24;  // of a tile: they leave registers for its operands

using Vector = __m512i;
using Mask = __mmask8;
struct Sum {
    Vector all;
};

KERNEL_TARGET KERNEL_INLINE Mask first(index n) { return static_cast<Mask>(n >= lanes ? 0xff : (1 << n) - 1); }
KERNEL_TARGET KERNEL_INLINE Vector load(const word* p) { return _mm512_loadu_si512(p); }
KERNEL_TARGET KERNEL_INLINE Vector load(const word* p, Mask mask) { return _mm512_maskz_loadu_epi64(mask, p); }
KERNEL_TARGET KERNEL_INLINE Vector repeat(word x) { return _mm512_set1_epi64(static_cast<long long>(x)); }
KERNEL_TARGET KERNEL_INLINE Sum zero() { return {_mm512_setzero_si512()}; }
KERNEL_TARGET KERNEL_INLINE void add_product(Sum& sum, Vector x, Vector y) {
    sum.all = _mm512_add_epi64(sum.all, _mm512_mullo_epi64(x, y));
}
KERNEL_TARGET KERNEL_INLINE Vector value(const Sum& sum) { return sum.all; }
KERNEL_TARGET KERNEL_INLINE void store(word* p, Vector x) { _mm512_storeu_si512(p, x); }
KERNEL_TARGET KERNEL_INLINE void add_to(word* p, Vector x, index n) {
    if (n >= lanes) return store(p, _mm512_add_epi64(x, load(p)));
    const Mask mask = first(n);
    _mm512_mask_storeu_epi64(p, mask, _mm512_add_epi64(x, _mm512_maskz_loadu_epi64(mask, p)));
}
// Word r: the sum of the words of x[r]. With a mask of ones, as GCC 12 takes the plain forms for uses of undefined values.
KERNEL_TARGET KERNEL_INLINE Vector across(const Sum (&x)[lanes]) {
    constexpr Mask ones = 0xff;
    Vector pair[4], four[2];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        const Vector a = x[2 * i].all, b = x[2 * i + 1].all;
        pair[i] = _mm512_add_epi64(_mm512_maskz_unpacklo_epi64(ones, a, b), _mm512_maskz_unpackhi_epi64(ones, a, b));
    }
    for (int i = 0; i < 2; ++i) {
        const Vector a = _mm512_maskz_shuffle_i64x2(ones, pair[2 * i], pair[2 * i + 1], 0x88);
        const Vector b = _mm512_maskz_shuffle_i64x2(ones, pair[2 * i], pair[2 * i + 1], 0xdd);
        four[i] = _mm512_add_epi64(a, b);  // rows 0, 1, 0, 1, 2, 3, 2, 3 of four
    }
    const Vector a = _mm512_maskz_shuffle_i64x2(ones, four[0], four[1], 0x88);
    const Vector b = _mm512_maskz_shuffle_i64x2(ones, four[0], four[1], 0xdd);
    return _mm512_add_epi64(a, b);
}

#elif KERNEL_LANES == 4
constexpr int most_rows = 4, most_vectors = 4, most_sums = 4;

using Vector = __m256i;
using Mask = __m256i;
// There is no 64-bit product: low * low summed in 64 bits, and the two cross products, whose high halves are lost, in 32.
struct Sum {
    Vector low, cross;
};

KERNEL_TARGET KERNEL_INLINE Mask first(index n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
KERNEL_TARGET KERNEL_INLINE Vector load(const word* p) { return _mm256_loadu_si256(reinterpret_cast<const Vector*>(p)); }
KERNEL_TARGET KERNEL_INLINE Vector load(const word* p, Mask mask) {
    return _mm256_maskload_epi64(reinterpret_cast<const long long*>(p), mask);
}
KERNEL_TARGET KERNEL_INLINE Vector repeat(word x) { return _mm256_set1_epi64x(static_cast<long long>(x)); }
KERNEL_TARGET KERNEL_INLINE Sum zero() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
KERNEL_TARGET KERNEL_INLINE void add_product(Sum& sum, Vector x, Vector y) {
    sum.low = _mm256_add_epi64(sum.low, _mm256_mul_epu32(x, y));
    sum.cross = _mm256_add_epi32(sum.cross, _mm256_mullo_epi32(x, _mm256_shuffle_epi32(y, 0xb1)));
}
KERNEL_TARGET KERNEL_INLINE Vector value(const Sum& sum) {
    const Vector high = _mm256_add_epi32(sum.cross, _mm256_srli_epi64(sum.cross, 32));
    return _mm256_add_epi64(sum.low, _mm256_slli_epi64(high, 32));
}
KERNEL_TARGET KERNEL_INLINE void store(word* p, Vector x) { _mm256_storeu_si256(reinterpret_cast<Vector*>(p), x); }
KERNEL_TARGET KERNEL_INLINE void add_to(word* p, Vector x, index n) {
    if (n >= lanes) return store(p, _mm256_add_epi64(x, load(p)));
    word each[lanes];
    store(each, x);
    for (index i = 0; i < n; ++i) p[i] += each[i];
}
KERNEL_TARGET KERNEL_INLINE Vector across(const Sum (&x)[lanes]) {
    Vector pair[2];
    for (int i = 0; i < 2; ++i) {
        const Vector a = value(x[2 * i]), b = value(x[2 * i + 1]);
        pair[i] = _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }
    const Vector a = _mm256_permute2x128_si256(pair[0], pair[1], 0x20), b = _mm256_permute2x128_si256(pair[0], pair[1], 0x31);
    return _mm256_add_epi64(a, b);
}

#else
constexpr int most_rows = 4, most_vectors = 4, most_sums = 8;

using Vector = word;
using Sum = word;
using Mask = bool;

KERNEL_INLINE Mask first(index) { return true; }
KERNEL_INLINE Vector load(const word* p) { return *p; }
KERNEL_INLINE Vector load(const word* p, Mask) { return *p; }
KERNEL_INLINE Vector repeat(word x) { return x; }
KERNEL_INLINE Sum zero() { return 0; }
KERNEL_INLINE void add_product(Sum& sum, Vector x, Vector y) { sum += x * y; }
KERNEL_INLINE Vector value(Sum sum) { return sum; }
KERNEL_INLINE void store(word* p, Vector x) { *p = x; }
KERNEL_INLINE void add_to(word* p, Vector x, index) { *p += x; }
KERNEL_INLINE Vector across(const Sum (&x)[lanes]) { return x[0]; }
#endif

KERNEL_TARGET KERNEL_INLINE void add_to(word* p, index step, Vector x, index n) {
    if (step == 1) return add_to(p, x, n);
    word each[lanes];
    store(each, x);
    for (index i = 0; i < std::min(n, lanes); ++i) p[i * step] += each[i];
}

// -- tiles: a few rows by a few vectors of columns, their sums in registers -----------------------------------------------------

constexpr int vectors(int rows) { return std::min(most_vectors, most_sums / rows); }

template <int R, int V>
KERNEL_TARGET void tile(const Term* terms, int count, index depth, index columns, const Target& out) {
    const Mask mask = first(columns - (V - 1) * lanes);
    Sum sum[R][V];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[r][v] = zero();
    }
    for (const Term* term = terms; term != terms + count; ++term) {
        const word *a = term->a.data, *b = term->b.data;
        const index down = term->a.down, right = term->a.right, step = term->b.down;
        for (index k = 0; k < depth; ++k, a += right, b += step) {
            Vector y[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) y[v] = v < V - 1 ? load(b + v * lanes) : load(b + v * lanes, mask);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) {
                const Vector x = repeat(a[r * down]);
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) add_product(sum[r][v], x, y[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            const index at = v * lanes;
            add_to(out.data + r * out.down + at * out.right, out.right, value(sum[r][v]), v < V - 1 ? lanes : columns - at);
        }
    }
}

using Tile = void (*)(const Term*, int, index, index, const Target&);

template <int R, int V>
constexpr Tile tile_of() {
    if constexpr (V <= vectors(R)) {
        return tile<R, V>;
    } else {
        return nullptr;
    }
}

struct Tiles {
    Tile of[most_rows + 1][most_vectors + 1];
};

template <int... N>
constexpr Tiles all_tiles(std::integer_sequence<int, N...>) {
    Tiles tiles{};
    ((tiles.of[1 + N / most_vectors][1 + N % most_vectors] = tile_of<1 + N / most_vectors, 1 + N % most_vectors>()), ...);
    return tiles;
}

constexpr Tiles tiles = all_tiles(std::make_integer_sequence<int, most_rows * most_vectors>());

// out += the sum of a @ b over the terms; each b has consecutive columns.
inline void block(const Term* terms, int count, index rows, index depth, index columns, const Target& out) {
    const index tallest = even(rows, most_rows), widest = vectors(static_cast<int>(tallest));
    for (index j = 0, width = 0; j < columns; j += width) {
        const index used = even((columns - j + lanes - 1) / lanes, widest);
        width = std::min(used * lanes, columns - j);
        for (index i = 0, height = 0; i < rows; i += height) {
            height = even(rows - i, most_rows);
            Term here[2];
            for (int t = 0; t < count; ++t) here[t] = {terms[t].a.from(i, 0), terms[t].b.from(0, j)};
            tiles.of[height][used](here, count, depth, width, out.from(i, j));
        }
    }
}

// -- dot products of consecutive rows -------------------------------------------------------------------------------------------

// R is 1 or lanes. The sums of rows from `skip` on are added to out, which starts with that of row 0.
template <int R, bool shared>
KERNEL_TARGET KERNEL_INLINE void dot(index depth, const Matrix& a, const Matrix& b, const Target& out, index skip) {
    const index whole = depth / lanes * lanes;
    Sum sum[lanes];
#pragma GCC unroll 8
    for (int r = 0; r < lanes; ++r) sum[r] = zero();
    for (index k = 0; k < whole; k += lanes) {
        const Vector y = load(b.data + k);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) add_product(sum[r], load(a.data + r * a.down + k), shared ? y : load(b.data + r * b.down + k));
    }
    if (whole < depth) {
        const word *x = a.data + whole, *y = b.data + whole;
        const Mask mask = first(depth - whole);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) add_product(sum[r], load(x + r * a.down, mask), load(y + (shared ? 0 : r * b.down), mask));
    }
    if (R == lanes && skip == 0) return add_to(out.data, out.down, across(sum), lanes);
    word each[lanes];
    store(each, across(sum));
    for (index r = skip; r < R; ++r) out.data[r * out.down] += each[r];
}

template <bool shared>
KERNEL_TARGET void dots_of(index rows, index depth, const Matrix& a, const Matrix& b, const Target& out) {
    if (rows < lanes) {
        for (index i = 0; i < rows; ++i) dot<1, shared>(depth, a.from(i, 0), b.from(i, 0), out.from(i, 0), 0);
        return;
    }
    for (index i = 0; i < rows; i += lanes) {  // the last rows are taken with some before them
        const index at = std::min(i, rows - lanes);
        dot<lanes, shared>(depth, a.from(at, 0), b.from(at, 0), out.from(at, 0), i - at);
    }
}

// Adds the product of row i of a and row i of b, both consecutive, to row i of out; b may be one row, repeated.
inline void dots(index rows, index depth, const Matrix& a, const Matrix& b, const Target& out) {
    (b.down == 0 ? dots_of<true> : dots_of<false>)(rows, depth, a, b, out);
}

// -- operands -------------------------------------------------------------------------------------------------------------------

template <Form form>
KERNEL_TARGET KERNEL_INLINE void line(const word* p, index p_step, const word* q, index q_step, index n, word* __restrict to) {
    for (index i = 0; i < n; ++i) {
        const word x = form == Form::minus_mask ? 0 : p[i * p_step];
        const word y = form == Form::same || form == Form::minus ? 0 : q[i * q_step];
        to[i] = form == Form::minus ? word{0} - x : x - y;
    }
}

template <Form form>
KERNEL_TARGET void write(const Matrix& x, const Matrix& mask, index rows, index columns, word* to, index step) {
    const bool lines = x.right == 1 && mask.right == 1;
    for (index j = 0, n = 0; j < columns; j += n) {
        n = lines ? columns : std::min<index>(8, columns - j);  // so few columns stay in the cache from row to row
        for (index i = 0; i < rows; ++i) {
            const Matrix p = x.from(i, j), q = mask.from(i, j);
            if (lines) {
                line<form>(p.data, 1, q.data, 1, n, to + i * step + j);
            } else {
                line<form>(p.data, p.right, q.data, q.right, n, to + i * step + j);
            }
        }
    }
}

// What `form` makes of x and its mask, its rows consecutive and `step` words apart.
inline void write(Form form, const Matrix& x, const Matrix& mask, index rows, index columns, word* to, index step) {
    switch (form) {
        case Form::same: return write<Form::same>(x, x, rows, columns, to, step);
        case Form::minus: return write<Form::minus>(x, x, rows, columns, to, step);
        case Form::minus_mask: return write<Form::minus_mask>(mask, mask, rows, columns, to, step);
        case Form::share: return write<Form::share>(x, mask, rows, columns, to, step);
    }
}

// n words, `step` apart, to consecutive ones.
KERNEL_TARGET inline void gather(const word* from, index step, index n, word* to) {
    if (step != 1) return line<Form::same>(from, step, from, step, n, to);
    for (; n >= lanes; n -= lanes, from += lanes, to += lanes) store(to, load(from));
    for (index i = 0; i < n; ++i) to[i] = from[i];
}

constexpr Loops loops{lanes, block, dots, write, gather};

}  // namespace kernel::products::KERNEL_SET

#undef KERNEL_SET
#undef KERNEL_TARGET
#undef KERNEL_LANES
