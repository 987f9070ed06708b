"""Matrix products, inner products and convolutions on every path against the reference, and both against exact integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernels import PATHS, agree, kernel_of, laid, layouts, native, quick, seeds, sizes, words

from mpc.kernel import Kernel
from mpc.kernel.reference import ReferenceKernel

# Beyond one block in some dimension, or on the border between the ways a product is done: dot products, few rows, blocks.
SHAPES = [
    (128, 31, 1), (31, 128, 1), (1, 128, 31), (97, 129, 5), (100, 300, 130), (3, 700, 410), (200, 5, 3), (5, 257, 4), (1, 0, 1),
    (16, 270, 17), (17, 9, 16), (66, 3, 1500), (140, 600, 2), (33, 1100, 1), (9, 8, 400), (150, 140, 9), (1, 1500, 1), (0, 3, 2),
]  # fmt: skip


@quick
@given(m=sizes, k=sizes, n=sizes, one=layouts, other=layouts, seed=seeds)
def test_matmul(kernel: Kernel, m: int, k: int, n: int, one: str, other: str, seed: int) -> None:
    agree(kernel, "matmul", laid((m, k), seed, one), laid((k, n), seed + 1, other))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("one", ["plain", "turned", "spread"])
@pytest.mark.parametrize("other", ["plain", "turned", "backwards"])
def test_products_beyond_one_block(kernel: Kernel, shape: tuple[int, int, int], one: str, other: str) -> None:
    m, k, n = shape
    X, Y = laid((m, k), m, one), laid((k, n), n, other)
    agree(kernel, "matmul", X, Y)
    for first in (False, True):
        agree(kernel, "masked_matmul", first, X, words((m, k), 1), Y, laid((k, n), 2, other), words((m, n), 3))


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4),
    size=sizes,
    layout=layouts,
    seed=seeds,
)
def test_matmul_batches(kernel: Kernel, shapes: hnp.BroadcastableShapes, size: int, layout: str, seed: int) -> None:
    one, other = shapes.input_shapes
    agree(kernel, "matmul", laid((*one, size, 9), seed, layout), laid((*other, 9, 5), seed + 1, layout))
    agree(kernel, "matmul", laid((*one, 1, size), seed, layout), laid((*other, size, 1), seed + 1, layout))
    agree(kernel, "matmul", laid((*one, 1, 3), seed, layout), laid((*other, 3, size), seed + 1, layout))


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, min_side=0, max_side=40),
    layout=layouts,
    seed=seeds,
)
def test_inner(kernel: Kernel, shapes: hnp.BroadcastableShapes, layout: str, seed: int) -> None:
    agree(kernel, "inner", *(laid(shape, seed + i, layout) for i, shape in enumerate(shapes.input_shapes)))


@pytest.mark.parametrize("shape", [(1000, 40), (33, 70), (17, 64), (5, 3, 129), (7, 1), (16, 0), (8, 2000)])
@pytest.mark.parametrize("one", ["plain", "turned", "backwards"])
@pytest.mark.parametrize("other", ["plain", "spread", "repeated"])
def test_inner_of_many_rows(kernel: Kernel, shape: tuple[int, ...], one: str, other: str) -> None:
    agree(kernel, "inner", laid(shape, 1, one), laid(shape, 2, other))
    agree(kernel, "inner", laid(shape[-1:], 3, other), laid(shape, 4, one))


@quick
@given(
    first=st.booleans(),
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=0, max_side=3),
    size=st.tuples(sizes, sizes, sizes),
    masks=st.tuples(layouts, layouts, layouts, layouts, layouts),
    seed=seeds,
)
def test_masked_matmul(
    kernel: Kernel, first: bool, shapes: hnp.BroadcastableShapes, size: tuple[int, int, int], masks: tuple[str, ...], seed: int
) -> None:
    (one, other), (m, k, n) = shapes.input_shapes, size
    sides = [(*one, m, k), (*one, m, k), (*other, k, n), (*other, k, n), (*shapes.result_shape, m, n)]
    agree(
        kernel, "masked_matmul", first, *(laid(s, seed + i, layout) for i, (s, layout) in enumerate(zip(sides, masks, strict=True)))
    )


@pytest.mark.parametrize("size", [1, 5, 40])
def test_one_array_in_several_places(kernel: Kernel, size: int) -> None:
    x = words((size, size), 1)
    agree(kernel, "matmul", x, x.T)
    agree(kernel, "inner", x, x)
    for first in (False, True):
        agree(kernel, "masked_matmul", first, x, x, x, x, x)
        agree(kernel, "masked_matmul", first, x, x[::-1], x.T, x, x.T)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `convolve`: shapes of images and of filters, steps, padding."""
    batch, channels, filters = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.sampled_from((0, 1, 2, 3, 8, 9, 17)))
    places, padding = (draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(st.tuples(st.integers(0, 5), st.integers(0, 5))))
    image = tuple(draw(st.integers(max(0, n - 2 * zeros), 20)) for n, zeros in zip(places, padding, strict=True))
    stride = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return (batch, channels, *image), (filters, channels, *places), stride, padding


@quick
@given(arguments=convolutions(), one=layouts, other=layouts, seed=seeds)
def test_convolve(kernel: Kernel, arguments: tuple[Any, ...], one: str, other: str, seed: int) -> None:
    image, filters, stride, padding = arguments
    agree(kernel, "convolve", laid(image, seed, one), laid(filters, seed + 1, other), stride, padding)


@pytest.mark.parametrize(
    ("image", "filters", "stride", "padding"),
    [
        ((2, 1, 28, 28), (16, 1, 5, 5), (1, 1), (0, 0)),
        ((2, 30, 12, 13), (9, 30, 3, 3), (1, 1), (1, 1)),
        ((1, 5, 40, 41), (140, 5, 5, 6), (2, 3), (2, 1)),
        ((1, 3, 1, 700), (2, 3, 1, 3), (1, 1), (0, 1)),
        ((1, 2, 3, 2), (1, 2, 2, 2), (1, 2**31), (9, 9)),
    ],
)
def test_convolve_beyond_one_block(kernel: Kernel, image: Any, filters: Any, stride: Any, padding: Any) -> None:
    for layout in ("plain", "turned", "backwards"):
        agree(kernel, "convolve", laid(image, 1, layout), laid(filters, 2, layout), stride, padding)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads(path: str, threads: int) -> None:
    kernel_of(path)
    kernel = native.NativeKernel(path, threads=threads)
    for m, k, n in ((300, 90, 31), (31, 90, 300), (1000, 600, 1), (1, 900, 700), (100, 100, 100)):
        x, y = words((m, k), 1), words((k, n), 2)
        agree(kernel, "matmul", x, y)
        agree(kernel, "masked_matmul", True, x, x[::-1], y, y[::-1], words((m, n), 3))
    agree(kernel, "matmul", words((50, 30, 20), 1), words((50, 20, 31), 2))
    agree(kernel, "matmul", words((2, 200, 40), 1), words((2, 40, 71), 2))
    agree(kernel, "inner", words((20_001, 40), 1), words((20_001, 40), 2))
    agree(kernel, "convolve", words((3, 2, 28, 30), 1), words((17, 2, 5, 5), 2), (1, 1), (2, 2))


# -- exact integers ----------------------------------------------------------------------------------------------------------


def product(x: Any, y: Any) -> list[list[int]]:
    """x @ y in Python integers, not reduced."""
    a, b = ([[gmpy2.mpz(int(v)) for v in row] for row in z] for z in (x, y))
    return [[int(sum(p * q for p, q in zip(row, column, strict=True))) for column in zip(*b, strict=True)] for row in a]


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (9, 33, 10), (31, 128, 1), (128, 31, 1), (6, 140, 17), (1, 40, 30)])
def test_products_are_exact(any_kernel: Kernel, m: int, k: int, n: int) -> None:
    X, a, Y, b, c = words((m, k), 1), words((m, k), 2), words((k, n), 3), words((k, n), 4), words((m, n), 5)
    assert any_kernel.matmul(X, Y).tolist() == [[v % 2**64 for v in row] for row in product(X, Y)]
    plain, left, right = product(X, Y), product(a, Y), product(X, b)
    for first in (False, True):
        found = any_kernel.masked_matmul(first, X, a, Y, b, c)
        for i, j in np.ndindex(m, n):
            assert int(found[i, j]) == (first * plain[i][j] - right[i][j] - left[i][j] + int(c[i, j])) % 2**64


def test_shares_of_a_product(any_kernel: Kernel) -> None:
    x, y, a, b, a0, b0, c0 = (words((8, 8), seed) for seed in range(7))
    first = any_kernel.masked_matmul(True, x + a, a0, y + b, b0, c0)
    second = any_kernel.masked_matmul(False, x + a, a - a0, y + b, b - b0, np.matmul(a, b) - c0)
    np.testing.assert_array_equal(first + second, np.matmul(x, y))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 511, 512, 513, 2000])
def test_inner_is_exact(any_kernel: Kernel, n: int) -> None:
    x, y = words((n,), 3), words((n,), 4)
    found = any_kernel.inner(x, y)
    assert found.shape == ()
    assert int(found) == sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) % 2**64


def test_convolve_is_exact(any_kernel: Kernel) -> None:
    x, w, stride, padding = words((2, 3, 7, 6), 1), words((4, 3, 3, 2), 2), (2, 1), (1, 2)
    wide = np.zeros((2, 3, 9, 10), dtype=object)
    wide[:, :, 1:-1, 2:-2] = x.astype(object)
    found = any_kernel.convolve(x, w, stride, padding)
    assert found.shape == (2, 4, 4, 9)
    for b, o, i, j in np.ndindex(found.shape):
        patch = wide[b, :, stride[0] * i : stride[0] * i + 3, stride[1] * j : stride[1] * j + 2]
        assert int(found[b, o, i, j]) == int((patch * w[o].astype(object)).sum()) % 2**64


# -- refusals ----------------------------------------------------------------------------------------------------------------

W, I, F = np.zeros((2, 3), np.uint64), np.zeros((1, 2, 5, 5), np.uint64), np.zeros((3, 2, 3, 3), np.uint64)  # noqa: E741
V, C = np.ascontiguousarray(W.T), np.zeros((2, 2), np.uint64)
REFUSED: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("matmul", (W.astype(np.int64), V), TypeError, "x must be"),
    ("matmul", (W, V.astype(">u8")), TypeError, "y must be"),
    ("matmul", (W.tolist(), V), TypeError, "x must be"),
    ("matmul", (W, None), TypeError, "y must be"),
    ("matmul", (W[0], V), ValueError, "x must have"),
    ("matmul", (W, np.uint64(1)), ValueError, "y must have"),
    ("matmul", (W, W), ValueError, "x has 3 columns and y has 2 rows"),
    ("matmul", (np.zeros((2, 2, 3), np.uint64), np.zeros((3, 3, 2), np.uint64)), ValueError, r"x \(2,\), y \(3,\)"),
    ("inner", (W, W.astype(np.float64)), TypeError, "y must be"),
    ("inner", (W.astype(np.uint32), W), TypeError, "x must be"),
    ("inner", (W, W[0, 0:2]), ValueError, r"x \(2, 3\), y \(2,\)"),
    ("inner", (W[0], np.array(1, np.uint64)), ValueError, "y must have"),
    ("masked_matmul", (True, W.astype(np.int64), W, V, V, C), TypeError, "X must be"),
    ("masked_matmul", (True, W, W.astype(">u8"), V, V, C), TypeError, "a must be"),
    ("masked_matmul", (True, W, W, V.tolist(), V, C), TypeError, "Y must be"),
    ("masked_matmul", (True, W, W, V, V.astype(np.uint32), C), TypeError, "b must be"),
    ("masked_matmul", (True, W, W, V, V, C.astype(np.float64)), TypeError, "c must be"),
    ("masked_matmul", (True, W, W[:1], V, V, C), ValueError, r"X \(2, 3\), a \(1, 3\)"),
    ("masked_matmul", (True, W, W, V, V[:, :1], C), ValueError, r"Y \(3, 2\), b \(3, 1\)"),
    ("masked_matmul", (True, W, W, W, W, C), ValueError, "X has 3 columns and Y has 2 rows"),
    ("masked_matmul", (True, W, W, V, V, C[:1]), ValueError, r"c must have the shape \(2, 2\)"),
    ("masked_matmul", (True, W[0], W[0], V, V, C), ValueError, "X must have"),
    ("convolve", (I.astype(np.int64), F), TypeError, "x must be"),
    ("convolve", (I, F.tolist()), TypeError, "w must be"),
    ("convolve", (I[0], F), ValueError, "x must have 4"),
    ("convolve", (I, F[0]), ValueError, "w must have 4"),
    ("convolve", (I, F[:, :1]), ValueError, "x has 2 channels and w has 1"),
    ("convolve", (I, F, (0, 1)), ValueError, "stride"),
    ("convolve", (I, F, (1, 1), (0, -1)), ValueError, "padding"),
    ("convolve", (I[:, :, :2], F), ValueError, "larger than the padded x"),
    ("convolve", (I, F[:, :, :0]), ValueError, "w must not be empty"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_refusals(any_kernel: Kernel, function: str, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(any_kernel, function)(*arguments)


X3, Y3, O3 = W[None], V[None], np.zeros((1, 2, 2), np.uint64)
OUT = np.zeros((1, 3, 3, 3), np.uint64)
MISUSED: list[tuple[str, tuple[Any, ...]]] = [
    ("matmul", ()),
    ("matmul", (0,)),
    ("matmul", (99, 1, X3, Y3, O3)),
    ("matmul", (-1, 1, X3, Y3, O3)),
    ("matmul", (0, 1, X3[None], Y3[None], O3[None])),
    ("matmul", (0, 1, X3, Y3, np.zeros((1, 2, 3), np.uint64))),
    ("matmul", (0, 1, X3, Y3, np.zeros((1, 3, 2), np.uint64))),
    ("matmul", (0, 1, X3, Y3, np.zeros((2, 2, 2), np.uint64))),
    ("matmul", (0, 1, X3, np.concatenate((Y3, Y3)), O3)),
    ("matmul", (0, 1, X3.astype(np.uint32), Y3, O3)),
    ("matmul", (0, 1, X3, Y3, np.broadcast_to(np.uint64(0), (1, 2, 2)))),
    ("matmul", (0, 1, laid((1, 2, 3), 0, "unaligned"), Y3, O3)),
    ("masked_matmul", (0, 1, 1, X3, X3[:, :1], Y3, Y3, O3)),
    ("masked_matmul", (0, 1, 1, X3, X3, Y3, Y3[:, :2], O3)),
    ("masked_matmul", (0, 1, 1, X3, X3, Y3, Y3, O3[:, :1])),
    ("masked_matmul", (0, 1, 1, X3, X3[:0], Y3, Y3, O3)),
    ("masked_matmul", (0, 1, X3, X3, Y3, Y3, O3)),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F, OUT[:, :, :2])),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F, OUT[:, :2])),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F, np.concatenate((OUT, OUT)))),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F[:, :1], OUT)),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F[::-1], OUT)),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F, OUT[:, ::-1])),
    ("convolve", (0, 0, 1, 0, 0, 1, I, F, OUT)),
    ("convolve", (0, 1, 1, -1, 0, 1, I, F, OUT)),
    ("convolve", (0, 1, 1, 2**62, 0, 1, I, F, OUT)),
    ("convolve", (0, 1, 1, 0, 0, 1, I, F[:, :, :0], OUT)),
    ("convolve", (0, 1, 1, 0, 0, 1, I[:, :, :2], F, OUT)),
]


@pytest.mark.parametrize(("function", "arguments"), MISUSED)
def test_the_extension_itself_is_memory_safe(function: str, arguments: tuple[Any, ...]) -> None:
    kernel_of("portable")
    number = native._native.paths().split().index("portable")
    with pytest.raises((ValueError, BufferError)):
        getattr(native._native, function)(*((number if arguments[0] == 0 else arguments[0], *arguments[1:]) if arguments else ()))


def wrong_in_one_bit(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same but for the lowest bit of the last element."""

    def wrong(*arguments: Any) -> Any:
        result = function(*arguments)
        result.reshape(-1)[-1] ^= np.uint64(1)
        return result

    return wrong


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("matmul", (W, V)), ("inner", (W, W)), ("masked_matmul", (True, W, W, V, V, C)), ("convolve", (I, F))],
)
def test_a_planted_error_is_found(function: str, arguments: tuple[Any, ...]) -> None:
    planted = ReferenceKernel()
    agree(planted, function, *arguments)
    setattr(planted, function, wrong_in_one_bit(getattr(planted, function)))
    with pytest.raises(AssertionError):
        agree(planted, function, *arguments)
