// Convolution as a product of matrices, the second of which is never written down: its blocks are gathered from the image.
#pragma once

#include "blocks.hpp"
#include "parts.hpp"

namespace kernel::products {

// The matrix with a row for each channel and place (i, j) in a filter, and a column for each place of the filter on the image.
struct Patches {
    const Loops& loops;
    const word* image;
    index channel, down, right;  // steps
    index height, width, filter_height, filter_width, columns, stride_y, stride_x, padding_y, padding_x;
    index skipped;  // columns

    void operator()(int, index k, index j, index depth, index count, word* to, index step) const {
        for (index end = k + depth; k < end; ++k, to += step) line(k, skipped + j, count, to);
    }

private:
    // Columns j to j + count of row k.
    void line(index k, index j, index count, word* to) const {
        const index c = k / (filter_height * filter_width), i = k / filter_width % filter_height, at = k % filter_width - padding_x;
        const index begin = at < 0 ? (stride_x - 1 - at) / stride_x : 0;  // the columns of the result that meet the image
        const index end = at < width ? (width - 1 - at) / stride_x + 1 : 0;
        const word* from = image + c * channel;
        for (index row = j / columns, column = j % columns; count > 0; ++row, column = 0) {
            const index n = std::min(count, columns - column), y = row * stride_y + i - padding_y;
            const index inner = y < 0 || y >= height ? n : std::clamp<index>(begin - column, 0, n);
            const index outer = y < 0 || y >= height ? n : std::clamp<index>(end - column, inner, n);
            std::fill(to, to + inner, 0);
            if (inner < outer) {
                const word* first = from + y * down + ((column + inner) * stride_x + at) * right;
                loops.gather(first, stride_x * right, outer - inner, to + inner);
            }
            std::fill(to + outer, to + n, 0);
            to += n, count -= n;
        }
    }
};

// How often a filter fits along an axis; -1 where the arguments make no sense.
inline index places(index image, index filter, long long stride, long long padding) {
    constexpr long long most = 1LL << 31;
    if (stride < 1 || stride > most || padding < 0 || padding > most) return -1;
    const index wide = image + 2 * static_cast<index>(padding);
    return filter < 1 || filter > wide ? -1 : (wide - filter) / static_cast<index>(stride) + 1;
}

// Integers: stride y and x, padding y and x, threads. Arrays: x (B, C, H, W), w (O, C, I, J) and out (B, O, H', W'), the last two
// consecutive.
inline long run_convolve(const Call& call) {
    const View &x = call[0], &w = call[1], &out = call[2];
    const long long* n = call.numbers;
    const index rows = places(x.extent(2), w.extent(2), n[0], n[2]), columns = places(x.extent(3), w.extent(3), n[1], n[3]);
    if (rows < 0 || columns < 0 || rows != out.extent(2) || columns != out.extent(3) || x.extent(1) != w.extent(1)) return unfit;
    if (x.extent(0) != out.extent(0) || w.extent(0) != out.extent(1) || !w.consecutive() || !out.consecutive()) return unfit;
    const index batch = x.extent(0), filters = w.extent(0);
    if (batch == 0 || filters == 0 || w.extent(1) == 0) return 0;
    const index depth = w.extent(1) * w.extent(2) * w.extent(3), area = rows * columns;
    const Loops& loops = loops_of(call.set);
    const index steps[] = {x.step(1), x.step(2), x.step(3)};
    const Patches patches{loops,       x.at(),      steps[0], steps[1], steps[2], x.extent(2), x.extent(3), w.extent(2),
                          w.extent(3), columns, n[0],     n[1],     n[2],     n[3],        0};
    const Matrix filter{w.at(), depth, 1};
    const Problem all{filters, depth, area, filter, filter, {}, {}, {out.at(), area, 1}, false, false};
    const Plan plan = plan_blocks(all, false, false, loops.lanes);
    divided(n[4], work_of(batch, filters, depth, area), batch * area, 8, plan.room, [&](index at, index end, word* room) {
        for (index next = 0; at < end; at = next) {  // the columns of one image at a time
            const index b = at / area, j = at % area;
            next = std::min(end, (b + 1) * area);
            Problem p = all;
            p.columns = next - at, p.out.data += b * filters * area + j;
            Patches source = patches;
            source.image += b * x.step(0), source.skipped = j;
            by_blocks(loops, plan, p, source, room);
        }
    });
    return 0;
}

constexpr Kind images{8, 4, false}, images_out{8, 4, true};
inline constexpr Entry convolve{"convolve", run_convolve, 5, 3, false, {images, images, images_out}};

}  // namespace kernel::products
