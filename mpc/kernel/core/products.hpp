// Products of matrices and of batches of them, divided among threads.
#pragma once

#include <utility>

#include "blocks.hpp"
#include "convolve.hpp"
#include "parts.hpp"

namespace kernel::products {

constexpr index gathered_rows = 2048;  // words of room for them

// In words. The item size is known here, so this is no division.
inline index step(const View& v, int axis) { return v.shape[axis] == 1 ? 1 : v.strides[axis] / index{sizeof(word)}; }

inline Matrix matrix(const View& v) { return {v.at(), step(v, 1), step(v, 2)}; }

// Problems of one shape: the first of them, and the steps from each to the next.
struct Batch {
    index count;
    Problem first;
    index x, x_mask, y, y_mask, out;

    void advance(Problem& p, index by) const {
        p.x.data += by * x, p.x_mask.data += by * x_mask, p.y.data += by * y, p.y_mask.data += by * y_mask, p.out.data += by * out;
    }
    // Matrices of x and of out that lie below each other, and are multiplied by one y, are one matrix.
    void merge() {
        Matrix &a = first.x, &a_mask = first.x_mask;
        const index n = first.rows;
        const bool below = n == 1 || (x == n * a.down && x_mask == n * a_mask.down && out == n * first.out.down);
        if (count == 1 || !below || y != 0 || y_mask != 0) return;
        if (n == 1) a.down = x, a_mask.down = x_mask, first.out.down = out;
        first.rows *= count, count = 1;
    }
    void turn() {
        first = first.turned();
        std::swap(x, y), std::swap(x_mask, y_mask);
    }
};

// Of each of many pairs one row by one column: rows of x and of y, consecutive or gathered, multiplied row by row.
inline void row_products(const Loops& loops, index rows, index depth, const Matrix (&from)[2], const Target& out, word* room) {
    constexpr index together = 16, most = gathered_rows / (2 * together);
    if (from[0].right == 1 && from[1].right == 1) return loops.dots(rows, depth, from[0], from[1], out);
    for (index i = 0; i < rows; i += together) {
        const index count = std::min(together, rows - i);
        for (index k = 0; k < depth; k += most) {
            const index n = std::min(most, depth - k);
            Matrix sides[2] = {from[0].from(i, k), from[1].from(i, k)};
            for (int s = 0; s < 2; ++s) {
                word* to = room + s * together * most;
                if (sides[s].right == 1) continue;
                loops.write(Form::same, sides[s], sides[s], count, n, to, most);
                sides[s] = {to, most, 1};
            }
            loops.dots(count, n, sides[0], sides[1], out.from(i, 0));
        }
    }
}

inline void add_row_products(const Loops& loops, index threads, double work, const Batch& batch) {
    divided(threads, work, batch.count, 16, gathered_rows, [&](index i, index end, word* room) {
        Problem p = batch.first;
        batch.advance(p, i);
        const Matrix sides[2] = {{p.x.data, batch.x, p.x.right}, {p.y.data, batch.y, p.y.down}};
        row_products(loops, end - i, p.depth, sides, {p.out.data, batch.out, 1}, room);
    });
}

// Threads take parts of the batch, or else parts of the rows or columns of each problem.
inline void add_batch(const Loops& loops, index threads, Batch&& batch) {
    const Problem& p = batch.first;
    if (batch.count == 0 || p.rows == 0 || p.depth == 0 || p.columns == 0) return;
    batch.merge();
    const double each = work_of(p.rows, p.depth, p.columns, p.terms()), work = each * static_cast<double>(batch.count);
    if (batch.count > 1 && p.rows == 1 && p.columns == 1 && !p.masked) return add_row_products(loops, threads, work, batch);
    const Plan plan = plan_of(p, loops.lanes);
    if (plan.turn) batch.turn();
    const index longest = std::max(p.rows, p.columns);
    if (batch.count > 1 && (batch.count >= threads || batch.count >= longest)) {
        return divided(threads, work, batch.count, 1, plan.room, [&](index i, index end, word* room) {
            Problem one = p;
            batch.advance(one, i);
            for (; i < end; ++i, batch.advance(one, 1)) add(loops, plan, one, room);
        });
    }
    for (index b = 0; b < batch.count; ++b, batch.advance(batch.first, 1)) {
        divided(threads, each, longest, 8, plan.room, [&](index i, index end, word* room) {
            if (end - i == longest) return add(loops, plan, p, room);
            add(loops, plan, longest == p.rows ? p.part(i, 0, end - i, p.columns) : p.part(0, i, p.rows, end - i), room);
        });
    }
}

// x (batch, M, K), y (batch, K, N), out (batch, M, N).
inline bool fit(const View& x, const View& y, const View& out) {
    const bool batches = x.extent(0) == y.extent(0) && x.extent(0) == out.extent(0);
    return batches && x.extent(1) == out.extent(1) && x.extent(2) == y.extent(1) && y.extent(2) == out.extent(2);
}

inline bool same_shape(const View& x, const View& y) { return std::equal(x.shape, x.shape + x.dims, y.shape); }

struct Operands {
    const View &x, &x_mask, &y, &y_mask, &out;
};

// One initialisation, as copies of freshly written structures would take longer than a small product.
inline Batch batch_of(const Operands& of, bool masked, bool first) {
    const auto& [x, x_mask, y, y_mask, out] = of;
    return {x.extent(0),
            {x.extent(1), x.extent(2), y.extent(2), matrix(x), matrix(x_mask), matrix(y), matrix(y_mask),
             {out.at(), step(out, 1), step(out, 2)}, masked, first},
            step(x, 0), step(x_mask, 0), step(y, 0), step(y_mask, 0), step(out, 0)};
}

// Integers: threads. Arrays: x, y and out, to which x @ y is added.
inline long run_matmul(const Call& call) {
    const View &x = call[0], &y = call[1], &out = call[2];
    if (!fit(x, y, out)) return unfit;
    add_batch(loops_of(call.set), call.numbers[0], batch_of({x, x, y, y, out}, false, false));
    return 0;
}

// Integers: threads, first. Arrays: X, a, Y, b and out, to which X @ (first Y - b) - a @ Y is added.
inline long run_masked_matmul(const Call& call) {
    const View &X = call[0], &a = call[1], &Y = call[2], &b = call[3], &out = call[4];
    if (!fit(X, Y, out) || !same_shape(X, a) || !same_shape(Y, b)) return unfit;
    add_batch(loops_of(call.set), call.numbers[0], batch_of({X, a, Y, b, out}, true, call.numbers[1] != 0));
    return 0;
}

constexpr Kind operand{8, 3, false}, result{8, 3, true};
inline constexpr Entry matmul{"matmul", run_matmul, 1, 3, false, {operand, operand, result}};
inline constexpr Entry masked_matmul{"masked_matmul", run_masked_matmul, 2, 5, false, {operand, operand, operand, operand, result}};

}  // namespace kernel::products
