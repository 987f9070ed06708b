// One product of matrices: which loops are best for its shape and strides, and the blocks that stay in the caches.
#pragma once

#include <utility>

#include "base.hpp"

namespace kernel::products {

// The parts of n that are at most `most` and as equal as can be have this length, the first of them at least.
constexpr index even(index n, index most) {
    if (n <= most) return n;
    const index parts = (n + most - 1) / most;
    return (n + parts - 1) / parts;
}

struct Matrix {
    const word* data = nullptr;
    index down = 0, right = 0;  // steps in words
    Matrix from(index i, index j) const { return {data + i * down + j * right, down, right}; }
    Matrix turned() const { return {data, right, down}; }
};

struct Target {
    word* data = nullptr;
    index down = 0, right = 0;
    Target from(index i, index j) const { return {data + i * down + j * right, down, right}; }
    Target turned() const { return {data, right, down}; }
};

struct Term {
    Matrix a, b;
};

enum class Form { same, minus, minus_mask, share };  // x, -x, -mask, x - mask

// What tiles.hpp provides, for one instruction set.
struct Loops {
    index lanes;
    void (*block)(const Term* terms, int count, index rows, index depth, index columns, const Target& out);
    void (*dots)(index rows, index depth, const Matrix& a, const Matrix& b, const Target& out);
    void (*write)(Form, const Matrix& x, const Matrix& mask, index rows, index columns, word* to, index step);
    void (*gather)(const word* from, index step, index n, word* to);
};

}  // namespace kernel::products

#define KERNEL_SET portable
#define KERNEL_TARGET
#define KERNEL_LANES 1
#include "tiles.hpp"
#if defined(KERNEL_X86)
#define KERNEL_SET avx2
#define KERNEL_TARGET KERNEL_AVX2
#define KERNEL_LANES 4
#include "tiles.hpp"
#define KERNEL_SET avx512
#define KERNEL_TARGET KERNEL_AVX512
#define KERNEL_LANES 8
#include "tiles.hpp"
#endif

namespace kernel::products {

inline const Loops& loops_of([[maybe_unused]] Set set) {
#if defined(KERNEL_X86)
    if (set == Set::avx512) return avx512::loops;
    if (set == Set::avx2) return avx2::loops;
#endif
    return portable::loops;
}

// Of what stays in the caches: of blocks, and of what dot products and products with few rows take at a time.
constexpr index block_depth = 128, block_rows = 128, block_columns = 384, dots_depth = 512, dots_rows = 32, few_rows = 16;

// out += x @ y, or with `masked` x @ (first y - y_mask) - x_mask @ y. The latter equals both x @ share(y) + x_mask @ -y and
// share(x) @ y + -x @ y_mask, so it stays the same when all operands are turned and x and y change places: one side is formed, the
// other used where it lies.
struct Problem {
    index rows, depth, columns;
    Matrix x, x_mask, y, y_mask;
    Target out;
    bool masked, first;

    int terms() const { return masked ? 2 : 1; }
    Problem turned() const {
        return {columns, depth, rows, y.turned(), y_mask.turned(), x.turned(), x_mask.turned(), out.turned(), masked, first};
    }
    Problem part(index i, index j, index row_count, index column_count) const {
        Problem p = *this;
        p.rows = row_count, p.columns = column_count;
        p.x = x.from(i, 0), p.x_mask = x_mask.from(i, 0), p.y = y.from(0, j), p.y_mask = y_mask.from(0, j), p.out = out.from(i, j);
        return p;
    }
    Form form(int term) const { return !masked ? Form::same : term == 1 ? Form::minus : first ? Form::share : Form::minus_mask; }
    bool x_lines() const { return x.right == 1 && (!masked || x_mask.right == 1); }
    bool y_lines() const { return y.right == 1 && (!masked || y_mask.right == 1); }
};

// By dot products with few columns; by tiles with few rows, straight from the consecutive rows of y; or by blocks.
enum class Way { dots, rows, blocks };

// How a problem, or parts of its rows and columns, are done.
struct Plan {
    Way way;
    bool turn;
    bool gather_x, y_lies;  // blocks of x are gathered; those of y are used where they lie
    index depth;            // taken at a time
    index room;             // words
};

// Words between rows in a block: an odd number of cache lines, so that rows are spread over all sets of a cache.
constexpr index spread(index columns) { return ((columns + 7) / 8 | 1) * 8; }

inline Plan plan_blocks(const Problem& p, bool turn, bool y_lies, index lanes) {
    const bool gather_x = !p.x_lines() && p.columns >= 2 * lanes && p.rows > 8;  // used often enough
    const index rows = gather_x ? spread(std::min(p.rows, block_rows)) : 0;
    const index columns = y_lies ? 0 : spread(std::min(p.columns, block_columns));
    return {Way::blocks, turn, gather_x, y_lies, block_depth, p.terms() * std::min(p.depth, block_depth) * (rows + columns)};
}

inline bool by_dots_is_best(const Problem& p, index lanes) { return p.columns <= std::max<index>(1, lanes / 2) && p.x_lines(); }

inline Plan plan_dots(const Problem& p, bool turn) {
    return {Way::dots, turn, false, false, dots_depth, p.terms() * p.columns * std::min(p.depth, dots_depth)};
}

inline bool by_rows_is_best(const Problem& p, index lanes) { return p.rows <= few_rows && p.columns >= lanes && p.y_lines(); }

inline Plan plan_rows(const Problem& p, bool turn) {
    const index depth = p.rows <= 4 && p.columns >= 256 ? 16 : 256;  // a few long rows are read from end to end
    return {Way::rows, turn, false, true, depth, p.terms() * p.rows * std::min(p.depth, depth)};
}

inline Plan plan_of(const Problem& problem, index lanes) {
    if (by_dots_is_best(problem, lanes)) return plan_dots(problem, false);
    const Problem turned = problem.turned();
    if (by_dots_is_best(turned, lanes)) return plan_dots(turned, true);
    if (by_rows_is_best(problem, lanes)) return plan_rows(problem, false);
    if (by_rows_is_best(turned, lanes)) return plan_rows(turned, true);
    const bool turn = problem.columns < lanes && problem.rows > problem.columns;
    const Problem& p = turn ? turned : problem;
    const bool y_lies = !p.masked && p.y.right == 1 && (p.rows <= 32 || p.depth * p.columns <= 4096);  // used seldom, or small
    return plan_blocks(p, turn, y_lies, lanes);
}

// The columns of y, consecutive, with the rows of x where they lie.
inline void by_dots(const Loops& loops, const Problem& p, index most, word* room) {
    for (index k = 0, depth = 0; k < p.depth; k += depth) {
        depth = even(p.depth - k, most);
        Term terms[2];
        for (int t = 0; t < p.terms(); ++t) {
            const Matrix y = p.y.from(k, 0).turned(), mask = p.y_mask.from(k, 0).turned();
            const bool lies = !p.masked && y.right == 1;
            word* to = room + t * depth * p.columns;
            terms[t] = {(t ? p.x_mask : p.x).from(0, k), lies ? y : Matrix{to, depth, 1}};
            if (!lies) loops.write(p.form(t), y, mask, p.columns, depth, to, depth);
        }
        const index height = p.columns == 1 ? p.rows : dots_rows;
        for (index i = 0; i < p.rows; i += height) {
            for (index j = 0; j < p.columns; ++j) {
                for (int t = 0; t < p.terms(); ++t) {
                    const Matrix b{terms[t].b.from(j, 0).data, 0, 1};
                    loops.dots(std::min(height, p.rows - i), depth, terms[t].a.from(i, 0), b, p.out.from(i, j));
                }
            }
        }
    }
}

inline void by_rows(const Loops& loops, const Problem& p, index most, word* room) {
    const Problem turned = p.turned();  // which knows how its y, our x, is formed
    for (index k = 0, depth = 0; k < p.depth; k += depth) {
        depth = even(p.depth - k, most);
        Term terms[2] = {{p.x.from(0, k), p.y.from(k, 0)}, {}};
        for (int t = 0; p.masked && t < 2; ++t) {
            word* to = room + t * depth * p.rows;
            loops.write(turned.form(t), p.x.from(0, k), p.x_mask.from(0, k), p.rows, depth, to, depth);
            terms[t] = {{to, depth, 1}, (t ? p.y_mask : p.y).from(k, 0)};
        }
        loops.block(terms, p.terms(), p.rows, depth, p.columns, p.out);
    }
}

constexpr index round8(index n) { return (n + 7) / 8 * 8; }

// Blocks of depth and columns, of which `write` makes those of y.
template <class Write>
void by_blocks(const Loops& loops, const Plan& plan, const Problem& p, const Write& write, word* room) {
    for (index j = 0, width = 0; j < p.columns; j += width) {
        width = std::min(round8(even(p.columns - j, block_columns)), p.columns - j);
        for (index k = 0, depth = 0; k < p.depth; k += depth) {
            depth = even(p.depth - k, plan.depth);
            const index step = plan.y_lies ? 0 : spread(width);
            Term terms[2];
            for (int t = 0; t < p.terms(); ++t) {
                word* to = room + t * depth * step;
                terms[t].b = plan.y_lies ? p.y.from(k, j) : Matrix{to, step, 1};
                if (!plan.y_lies) write(t, k, j, depth, width, to, step);
            }
            word* strips = room + p.terms() * depth * step;
            for (index i = 0, height = 0; i < p.rows; i += height) {
                height = std::min(round8(even(p.rows - i, block_rows)), p.rows - i);
                for (int t = 0; t < p.terms(); ++t) {
                    const Matrix x = (t ? p.x_mask : p.x).from(i, k);
                    word* to = strips + t * depth * spread(height);
                    terms[t].a = plan.gather_x ? Matrix{to, 1, spread(height)} : x;
                    if (plan.gather_x) loops.write(Form::same, x.turned(), x.turned(), depth, height, to, spread(height));
                }
                loops.block(terms, p.terms(), height, depth, width, p.out.from(i, j));
            }
        }
    }
}

// For a problem that was turned if the plan says so.
inline void add(const Loops& loops, const Plan& plan, const Problem& p, word* room) {
    if (plan.way == Way::dots) return by_dots(loops, p, plan.depth, room);
    if (plan.way == Way::rows) return by_rows(loops, p, plan.depth, room);
    const auto write = [&](int term, index k, index j, index depth, index width, word* to, index step) {
        loops.write(p.form(term), p.y.from(k, j), p.y_mask.from(k, j), depth, width, to, step);
    };
    by_blocks(loops, plan, p, write, room);
}

}  // namespace kernel::products
