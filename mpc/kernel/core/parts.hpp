// The parts of a product that threads take, and their room.
#pragma once

#include "base.hpp"

namespace kernel::products {

constexpr index threaded = index{1} << 18;  // products of words that are worth a thread

// Room for each of some threads; a little lies on the stack.
class Rooms {
    static constexpr index little = 2048;  // words
    alignas(64) word fixed[little];
    std::unique_ptr<word[]> more;
    word* start = fixed;
    index each;

public:
    Rooms(index threads, index words) : each((words + 7) / 8 * 8) {
        if (threads * each <= little) return;
        more.reset(new word[static_cast<std::size_t>(threads * each + 8)]);
        start = more.get() + (64 - reinterpret_cast<std::uintptr_t>(more.get()) % 64) / sizeof(word) % 8;
    }
    word* of(index thread) { return start + thread * each; }
};

// f(begin, end, room) over parts of 0 .. n, one for each thread that `work` products of words are worth.
template <class F>
void divided(index threads, double work, index n, index grain, index room, F f) {
    const double worth = std::min(work / static_cast<double>(threaded), 1024.0);
    const index used = std::max<index>(1, std::min({threads, (n + grain - 1) / grain, static_cast<index>(worth)}));
    const index part = (n + used * grain - 1) / (used * grain) * grain;
    Rooms rooms(used, room);
    if (used == 1) return f(index{0}, n, rooms.of(0));
    parallel(used, used, 1, [&](index from, index to) {
        for (index i = from; i < to; ++i) {
            if (i * part < n) f(i * part, std::min(n, (i + 1) * part), rooms.of(i));
        }
    });
}

// The product, which may be more than an index holds.
inline double work_of(index a, index b, index c, index d) {
    return static_cast<double>(a) * static_cast<double>(b) * static_cast<double>(c) * static_cast<double>(d);
}

}  // namespace kernel::products
