"""The native kernel against the reference on every path, the reference against exact integers, and the wire format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mpc.errors import UsageError
from mpc.kernel import Kernel, load
from mpc.kernel.reference import ReferenceKernel
from mpc.ring import Ring

try:
    from mpc.kernel import native
except ImportError:
    native = None

PATHS = ("avx512", "avx2", "portable")
REFERENCE = ReferenceKernel()
EXTREMES = np.array([0, 1, 2, 2**32 - 1, 2**32, 2**32 + 1, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1], dtype=np.uint64)
quick = settings(max_examples=150, deadline=None)


def kernel_of(path: str) -> Kernel:
    if native is None:
        if any(shutil.which(compiler) for compiler in ("g++", "c++", "clang++")):
            pytest.fail("the extension mpc.kernel._native is not built although there is a compiler: install the package again")
        pytest.skip("no C++ compiler here, so the native kernel is not built")
    if path not in native.paths():
        pytest.skip(f"this processor has no {path}")
    return native.NativeKernel(path)


@pytest.fixture(params=PATHS, scope="module")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernel_of(request.param)


@pytest.fixture(params=("reference", *PATHS), scope="module")
def any_kernel(request: pytest.FixtureRequest) -> Kernel:
    return REFERENCE if request.param == "reference" else kernel_of(request.param)


def agree(kernel: Kernel, function: str, *arguments: Any) -> None:
    """Both kernels return equal arrays of equal type and shape, and leave their arguments alone."""
    before = [np.copy(x) for x in arguments]
    found, wanted = (getattr(k, function)(*arguments) for k in (kernel, REFERENCE))
    for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, wanted)), strict=True):
        assert isinstance(one, np.ndarray)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.flags.owndata or one.base is not None
        assert not any(np.may_share_memory(one, x) for x in arguments if isinstance(x, np.ndarray))
        np.testing.assert_array_equal(one, other)
    for x, old in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(x, old)


def words(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Words of `shape`, a third of them extreme."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2**64, shape, dtype=np.uint64)
    return np.where(rng.random(shape) < 1 / 3, rng.choice(EXTREMES, shape), x)


def laid(shape: tuple[int, ...], seed: int, layout: str) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The same, as it lies in memory in one of many ways."""
    if layout == "turned":
        return words(shape[::-1], seed).T
    if layout == "spread":
        return words(tuple(2 * n for n in shape), seed)[tuple(slice(None, None, 2) for _ in shape)]
    if layout == "backwards":
        return words(shape, seed)[tuple(slice(None, None, -1) for _ in shape)]
    if layout == "repeated":
        return np.broadcast_to(words((1,) * len(shape), seed), shape)
    if layout == "unaligned":
        x = words(shape, seed)
        return np.frombuffer(b"?" + x.tobytes(), dtype=np.uint64, offset=1, count=x.size).reshape(shape)
    return words(shape, seed)


sizes = st.sampled_from((0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33))
layouts = st.sampled_from(("plain", "turned", "spread", "backwards", "repeated", "unaligned"))
seeds = st.integers(0, 2**32 - 1)


@quick
@given(m=sizes, k=sizes, n=sizes, one=layouts, other=layouts, seed=seeds)
def test_matmul(kernel: Kernel, m: int, k: int, n: int, one: str, other: str, seed: int) -> None:
    agree(kernel, "matmul", laid((m, k), seed, one), laid((k, n), seed + 1, other))


@pytest.mark.parametrize(
    ("m", "k", "n"),
    [(128, 31, 1), (31, 128, 1), (1, 128, 31), (97, 129, 5), (100, 300, 130), (3, 700, 770), (200, 5, 3), (5, 257, 4), (1, 0, 1)],
)
@pytest.mark.parametrize("layout", ["plain", "turned", "spread"])
def test_matmul_beyond_one_block(kernel: Kernel, m: int, k: int, n: int, layout: str) -> None:
    agree(kernel, "matmul", laid((m, k), m, layout), laid((k, n), n, layout))


@quick
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4), layout=layouts, seed=seeds)
def test_matmul_batches(kernel: Kernel, shapes: hnp.BroadcastableShapes, layout: str, seed: int) -> None:
    one, other = shapes.input_shapes
    agree(kernel, "matmul", laid((*one, 3, 9), seed, layout), laid((*other, 9, 5), seed + 1, layout))


@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (9, 33, 10), (31, 128, 1), (128, 31, 1), (6, 140, 17)])
def test_matmul_is_exact(any_kernel: Kernel, m: int, k: int, n: int) -> None:
    x, y = words((m, k), 1), words((k, n), 2)
    a, b = ([[gmpy2.mpz(int(v)) for v in row] for row in z] for z in (x, y))
    wanted = [[int(sum(a[i][h] * b[h][j] for h in range(k)) % 2**64) for j in range(n)] for i in range(m)]
    assert any_kernel.matmul(x, y).tolist() == wanted


@quick
@given(
    shapes=hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, min_side=0, max_side=9),
    layout=layouts,
    seed=seeds,
)
def test_inner(kernel: Kernel, shapes: hnp.BroadcastableShapes, layout: str, seed: int) -> None:
    agree(kernel, "inner", *(laid(shape, seed + i, layout) for i, shape in enumerate(shapes.input_shapes)))


@pytest.mark.parametrize("n", [0, 1, 7, 8, 511, 512, 513, 2000])
def test_inner_is_exact(any_kernel: Kernel, n: int) -> None:
    x, y = words((n,), 3), words((n,), 4)
    found = any_kernel.inner(x, y)
    assert found.shape == ()
    assert int(found) == sum(int(a) * int(b) for a, b in zip(x, y, strict=True)) % 2**64


@quick
@given(shapes=hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, min_side=0, max_side=9), layout=layouts, seed=seeds)
def test_multiply_add(kernel: Kernel, shapes: hnp.BroadcastableShapes, layout: str, seed: int) -> None:
    agree(kernel, "multiply_add", *(laid(shape, seed + i, layout) for i, shape in enumerate(shapes.input_shapes)))


@pytest.mark.parametrize(
    "layouts", ["plain plain plain", "repeated plain plain", "plain repeated spread", "turned backwards repeated"]
)
def test_multiply_add_beyond_one_block(kernel: Kernel, layouts: str) -> None:
    agree(kernel, "multiply_add", *(laid((1300,), seed, layout) for seed, layout in enumerate(layouts.split())))


def test_multiply_add_is_exact(any_kernel: Kernel) -> None:
    x, y = np.meshgrid(EXTREMES, EXTREMES)
    wanted = [[(int(a) * int(b) + 2**64 - 1) % 2**64 for a, b in zip(*rows, strict=True)] for rows in zip(x, y, strict=True)]
    assert any_kernel.multiply_add(x, y, np.array(2**64 - 1, dtype=np.uint64)).tolist() == wanted


def rings() -> st.SearchStrategy[Ring]:
    return st.builds(Ring, st.integers(1, 64), st.booleans())


def plain_pack(x: np.ndarray[Any, Any], bits: int) -> bytes:
    """The wire format once more, from Python integers."""
    flat = [int(v) for v in x.reshape(-1)]
    out = b"".join((v % 2 ** (bits // 8 * 8)).to_bytes(bits // 8, "little") for v in flat)
    for bit in range(bits // 8 * 8, bits):
        plane = sum((v >> bit & 1) << i for i, v in enumerate(flat))
        out += plane.to_bytes((len(flat) + 7) // 8, "little")
    return out


@quick
@given(ring=rings(), shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9), layout=layouts, seed=seeds)
def test_packing(any_kernel: Kernel, ring: Ring, shape: tuple[int, ...], layout: str, seed: int) -> None:
    x = laid(shape, seed, layout).astype(ring.dtype)
    packed = any_kernel.pack(x, ring.bits, ring.boolean)
    assert len(packed) == ring.bytes(x.size)
    assert bytes(packed) == plain_pack(x, ring.bits)
    for buffer in (bytes(packed), memoryview(packed), bytearray(packed)):
        back = any_kernel.unpack(buffer, ring.bits, ring.boolean, shape)
        assert (back.dtype, back.shape) == (np.dtype(ring.dtype), shape)
        np.testing.assert_array_equal(back, ring.reduce(x))
        back[...] = 0  # the result is the caller's own


@pytest.mark.parametrize("bits", range(1, 65))
def test_packing_every_width(any_kernel: Kernel, bits: int) -> None:
    for boolean in (False, True):
        x = words((41,), bits).astype(Ring(bits, boolean).dtype)
        assert bytes(any_kernel.pack(x, bits, boolean)) == plain_pack(x, bits)


@quick
@given(shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=99), layout=layouts, seed=seeds)
def test_digit_compare(kernel: Kernel, shape: tuple[int, ...], layout: str, seed: int) -> None:
    tables, digits = laid(shape, seed, layout).astype(np.uint16), (laid(shape, seed + 1, layout) % 16).astype(np.uint8)
    agree(kernel, "digit_compare", tables, digits)
    agree(kernel, "digit_compare", *(x[..., ::-2] if x.ndim else x for x in (tables, digits)))
    agree(kernel, "one_hot", digits)


def test_digit_compare_compares(any_kernel: Kernel) -> None:
    value, digit = (x.astype(np.uint8) for x in np.meshgrid(np.arange(16), np.arange(16)))
    mask = words(value.shape, 5).astype(np.uint16)
    shares = mask, any_kernel.one_hot(value) ^ mask
    eq, gt = (a ^ b for a, b in zip(*(any_kernel.digit_compare(share, digit) for share in shares), strict=True))
    np.testing.assert_array_equal(eq, value == digit)
    np.testing.assert_array_equal(gt, value > digit)


def test_all_words_of_a_table(any_kernel: Kernel) -> None:
    table = np.arange(2**16, dtype=np.uint16)
    for digit in (0, 7, 14, 15):
        eq, gt = any_kernel.digit_compare(table, np.full_like(table, digit, dtype=np.uint8))
        np.testing.assert_array_equal(eq, table >> digit & 1)
        np.testing.assert_array_equal(gt, [(int(v) >> digit + 1).bit_count() % 2 for v in table])


W, B, T = np.zeros((2, 3), np.uint64), np.zeros(3, np.uint8), np.zeros(3, np.uint16)
REFUSED: list[tuple[str, tuple[Any, ...], type[Exception], str]] = [
    ("matmul", (W.astype(np.int64), W.T), TypeError, "x must be"),
    ("matmul", (W, W.T.astype(">u8")), TypeError, "y must be"),
    ("matmul", (W.tolist(), W.T), TypeError, "x must be"),
    ("matmul", (W[0], W.T), ValueError, "x must have"),
    ("matmul", (W, W), ValueError, "x has 3 columns and y has 2 rows"),
    ("matmul", (np.zeros((2, 2, 3), np.uint64), np.zeros((3, 3, 2), np.uint64)), ValueError, r"x \(2,\), y \(3,\)"),
    ("inner", (W, W.astype(np.float64)), TypeError, "y must be"),
    ("inner", (W, W[0, 0:2]), ValueError, r"x \(2, 3\), y \(2,\)"),
    ("inner", (W[0], np.array(1, np.uint64)), ValueError, "y must have"),
    ("multiply_add", (W, W, B), TypeError, "z must be"),
    ("multiply_add", (W, W, W.T), ValueError, r"z \(3, 2\)"),
    ("pack", (W, 0, False), ValueError, "bits"),
    ("pack", (W, 65, False), ValueError, "bits"),
    ("pack", (W, 8, True), TypeError, "x must be"),
    ("unpack", (bytes(9), 8, True, (2, 5)), ValueError, "buffer must have 10 bytes"),
    ("unpack", (bytes(1), 8, True, (-1, -1)), ValueError, "shape"),
    ("digit_compare", (B, B), TypeError, "tables must be"),
    ("digit_compare", (T, T), TypeError, "digits must be"),
    ("digit_compare", (T, B[:2]), ValueError, "same shape"),
    ("digit_compare", (T, B + np.uint8(16)), ValueError, "digits must be from 0 to 15"),
    ("one_hot", (B + np.uint8(255),), ValueError, "digits must be from 0 to 15"),
    ("one_hot", (T,), TypeError, "digits must be"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_refusals(any_kernel: Kernel, function: str, arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        getattr(any_kernel, function)(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (0,),
        (99, W[None], W.T[None], np.zeros((1, 2, 2), np.uint64)),
        (-1, W[None], W.T[None], np.zeros((1, 2, 2), np.uint64)),
        (0, W, W.T, np.zeros((2, 2), np.uint64)),
        (0, W[None], W.T[None], np.zeros((1, 2, 3), np.uint64)),
        (0, W[None], W.T[None], np.zeros((2, 2, 2), np.uint64)),
        (0, W[None].astype(np.uint32), W.T[None], np.zeros((1, 2, 2), np.uint64)),
        (0, W[None], W.T[None], np.broadcast_to(np.uint64(0), (1, 2, 2))),
        (0, laid((1, 2, 3), 0, "unaligned"), W.T[None], np.zeros((1, 2, 2), np.uint64)),
    ],
)
def test_the_extension_itself_is_memory_safe(arguments: tuple[Any, ...]) -> None:
    kernel_of("portable")
    with pytest.raises((ValueError, BufferError)):
        native._native.matmul(*arguments)


def wrong_in_one_bit(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*arguments: Any) -> Any:
        result = function(*arguments)
        first = result[0] if isinstance(result, tuple) else result
        first.reshape(-1)[-1] ^= first.dtype.type(1)
        return result

    return wrong


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("matmul", (W, W.T)), ("inner", (W, W)), ("multiply_add", (W, W, W)), ("digit_compare", (T, B)), ("one_hot", (B,))],
)
def test_a_planted_error_is_found(function: str, arguments: tuple[Any, ...]) -> None:
    planted = ReferenceKernel()
    agree(planted, function, *arguments)
    setattr(planted, function, wrong_in_one_bit(getattr(planted, function)))
    with pytest.raises(AssertionError):
        agree(planted, function, *arguments)


def test_load() -> None:
    assert load("reference").name == "reference"
    assert load().name == ("reference" if native is None else "native")
    with pytest.raises(UsageError):
        load("fast")
    kernel_of("portable")
    assert load("native").name == "native"
    with pytest.raises(UsageError):
        native.NativeKernel("mmx")


def test_load_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpc.kernel._compiled", lambda: None)
    assert load().name == "reference"
    with pytest.raises(UsageError, match="not built"):
        load("native")
