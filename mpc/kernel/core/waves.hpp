// Sines and cosines in integers, the same bits everywhere: a dealer's tables of a mask, and what a public angle makes of them.
#pragma once

#include "dispatch.hpp"

namespace kernel::waves {

constexpr index points = 4096, block = 256;
constexpr int unit = 30;  // fraction bits of a sine

// The floor of x / 2^by for |x| < 2^62 as a signed number. Compilers have a shift of unsigned words on every vector.
KERNEL_INLINE word down(word x, int by) { return ((x + (word{1} << 62)) >> by) - (word{1} << (62 - by)); }

struct Point {
    word sin, cos;
};

// The point at an angle in units of 2^-64 turns, of which the upper half counts: that of the circle before it, turned by d < 2 pi /
// 2^12, with sin d = d and cos d = 1 - d^2 / 2. Each word of the circle holds a sine and, above it, a cosine, both plus 1.
KERNEL_INLINE Point at(const word* circle, word turn) {
    const word near = circle[turn >> 52], one = word{1} << unit;
    const word s = (near & 0xffffffffU) - one, c = (near >> 32) - one;
    const word d = ((turn >> 32 & 0xfffffU) * 105414357U) >> 20, square = (d * d) >> 37;
    return {s + down(d * c - square * s, 36), c + down(word{0} - d * s - square * c, 36)};
}

// Angles of n elements, in units of 2^-64 turns, and what is added to get from one odd multiple to the next.
struct Start {
    KERNEL_INLINE static void run(const word* x, word rate, int up, word* __restrict turn, word* __restrict step, index n) {
        for (index i = 0; i < n; ++i) {
            turn[i] = (x[i] * rate) << up;
            step[i] = 2 * turn[i];
        }
    }
};

struct Table {
    KERNEL_INLINE static void run(const word* circle, int cut, const word* step, word* __restrict turn, word* __restrict cosines,
                                  word* __restrict sines, index n) {
        const word half = word{1} << (cut - 1);
        for (index i = 0; i < n; ++i) {
            const Point p = at(circle, turn[i]);
            turn[i] += step[i];
            cosines[i] = down(p.cos + half, cut);
            sines[i] = down(p.sin + half, cut);
        }
    }
};

template <bool even>
struct Term {
    KERNEL_INLINE static void run(const word* circle, word a, const word* step, const word* cosines, const word* sines,
                                  word* __restrict turn, word* __restrict sum, index n) {
        constexpr word half = word{1} << (unit - 1);
        for (index i = 0; i < n; ++i) {
            const Point p = at(circle, turn[i]);
            turn[i] += step[i];
            const word first = down(a * (even ? p.cos : p.sin) + half, unit);
            const word second = down(a * (even ? p.sin : word{0} - p.cos) + half, unit);
            sum[i] += first * cosines[i] + second * sines[i];
        }
    }
};

// What is kept of some elements while one term after the other is done: angles, their steps, sums.
struct Block {
    alignas(64) word turn[block], step[block], sum[block];

    void start(Set set, const word* x, word rate, int bits, index n) {
        each<Start>(set, x, rate, 64 - bits, turn + 0, step + 0, n);
        std::fill(sum, sum + n, word{0});
    }
};

inline bool fitting(const View& circle, long long bits) {
    return circle.size() == points && circle.consecutive() && bits >= 1 && bits <= 64;
}

// Numbers: rate, bits, scale. Arrays: the table, whose rows are cosines and then sines, the circle, and r.
inline long run_sines(const Call& call) {
    const View &out = call[0], &circle = call[1], &r = call[2];
    const index n = r.size(), terms = out.extent(0) / 2;
    const long long bits = call.numbers[1], scale = call.numbers[2];
    if (!fitting(circle, bits) || scale < 1 || scale >= unit || out.extent(0) != 2 * terms || out.extent(1) != n) return unfit;
    if (!out.consecutive() || !r.consecutive()) return unfit;
    Block at;
    for (index i = 0; i < n; i += block) {
        const index m = std::min(block, n - i);
        at.start(call.set, r.at() + i, static_cast<word>(call.numbers[0]), static_cast<int>(bits), m);
        for (index j = 0; j < terms; ++j) {
            word *cosines = out.at() + j * n + i, *sines = cosines + terms * n;
            each<Table>(call.set, circle.at<const word>(), static_cast<int>(unit - scale), at.step + 0, at.turn + 0, cosines, sines, m);
        }
    }
    return 0;
}

template <bool even>
void add_terms(Set set, const View& circle, const View& coefficients, const View& table, index i, index m, Block& at) {
    const index n = table.extent(1), terms = coefficients.size();
    for (index j = 0; j < terms; ++j) {
        const word *cosines = table.at<const word>() + j * n + i, *sines = cosines + terms * n;
        const word a = coefficients.at()[j];
        each<Term<even>>(set, circle.at<const word>(), a, at.step + 0, cosines, sines, at.turn + 0, at.sum + 0, m);
    }
}

// Numbers: bits, and whether the series is of cosines. Arrays: the sums, the circle, c, the table of its mask, the coefficients.
inline long run_rotate(const Call& call) {
    const View &out = call[0], &circle = call[1], &c = call[2], &table = call[3], &coefficients = call[4];
    const index n = c.size();
    const long long bits = call.numbers[0];
    if (!fitting(circle, bits) || out.size() != n || table.extent(0) != 2 * coefficients.size() || table.extent(1) != n) return unfit;
    for (int k : {0, 2, 3, 4}) {
        if (!call[k].consecutive()) return unfit;
    }
    Block at;
    for (index i = 0; i < n; i += block) {
        const index m = std::min(block, n - i);
        at.start(call.set, c.at() + i, 1, static_cast<int>(bits), m);
        (call.numbers[1] ? add_terms<true> : add_terms<false>)(call.set, circle, coefficients, table, i, m, at);
        std::copy(at.sum, at.sum + m, out.at() + i);
    }
    return 0;
}

inline constexpr Entry sines{"sines", run_sines, 3, 3, false, {{8, 2, true}, {8, 1}, {8, 1}}};
inline constexpr Entry rotate{"rotate", run_rotate, 2, 5, false, {{8, 1, true}, {8, 1}, {8, 1}, {8, 2}, {8, 1}}};

}  // namespace kernel::waves
