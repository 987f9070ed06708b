// Every operation of the kernel, and what must hold before one may be called, whoever the caller is.
#pragma once

#include <new>
#include <system_error>

#include "digits.hpp"
#include "passes.hpp"
#include "products.hpp"
#include "waves.hpp"

namespace kernel {

inline constexpr const Entry* entries[] = {
    &products::matmul,         &products::masked_matmul, &products::convolve, &passes::masked_multiply, &passes::truncate,
    &passes::select,           &passes::encode,          &passes::decode,     &passes::accumulate,      &passes::pack,
    &passes::unpack,           &digits::bit,             &digits::lift,       &digits::tables,          &digits::tests,
    &digits::join,             &digits::split,         &waves::sines,     &waves::rotate,
};

constexpr bool takes(const Entry& entry, index arrays) {
    return arrays >= entry.views && (arrays == entry.views || (entry.variadic && arrays <= most_views));
}

// What array i of those it takes must be.
inline const Kind& kind(const Entry& entry, index i) { return entry.kinds[std::min<index>(i, entry.views - 1)]; }

// Room for the axes that an array gets in front, of extent 1, where an operation wants more than it has.
constexpr int most_dims = 4;
struct Axes {
    index shape[most_dims], strides[most_dims];
};

// Whether the elements are of an allowed size, aligned to it, in no more dimensions than wanted; then the view has as many.
inline bool fit(View& view, const Kind& kind, Axes& axes) {
    if (!(kind.items & static_cast<unsigned>(view.item)) || view.dims > kind.dims || kind.dims > most_dims) return false;
    if (view.item > 8 || (view.item & (view.item - 1))) return false;
    bool aligned = reinterpret_cast<std::uintptr_t>(view.data) % static_cast<std::size_t>(view.item) == 0;
    for (int i = 0, missing = kind.dims - view.dims; i < kind.dims; ++i) {
        axes.shape[i] = i < missing ? 1 : view.shape[i - missing];
        axes.strides[i] = i < missing ? 0 : view.strides[i - missing];
        aligned = aligned && (axes.shape[i] == 1 || axes.strides[i] % view.item == 0);
    }
    view = {view.data, view.item, kind.dims, axes.shape, axes.strides};
    return aligned || view.size() == 0;
}

// Runs an operation on arrays that fit it.
inline long run(const Entry& entry, const Call& call) {
    try {
        return entry.run(call);
    } catch (const std::bad_alloc&) {
        return no_memory;
    } catch (const std::system_error&) {  // no thread could be started
        return no_memory;
    }
}

}  // namespace kernel
