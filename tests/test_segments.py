"""How a segment is run: values live no longer than they are needed, long loops within the agreed memory, large values in pieces."""

from __future__ import annotations

import gc
from typing import Any
from unittest import mock

import numpy as np
import pytest
from harness import NAMES, Seen, encoder, run

from mpc import opening
from mpc.errors import AvailabilityError, MpcError
from mpc.frame import Kind
from mpc.opening import Opener, Piece
from mpc.prg import BLOCK
from mpc.ring import BIT, Z64, Ring
from mpc.session import Session
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node
from mpc.sharing.share import Share
from mpc.sources.correlations import Pad
from protocols.arithmetic import mul, truncate
from protocols.bits import negative

LONG = 3 * BLOCK + 11


def born(s: Session, column: str, size: int, owner: int = 0, ring: Ring = Z64) -> Share:
    """An input of integers."""
    return s.input(s.parties[owner % len(s.parties)], column, (size,), encoder(ring), ring)


def values(name: str) -> list[Node]:
    """Every operation of a party that holds a value, wherever it is referred to."""
    return [one for one in gc.get_objects() if isinstance(one, Node) and one.value is not None and one.line.startswith(name)]


# -- memory -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_an_intermediate_is_gone_before_the_segment_ends(n: int) -> None:
    """Only what a handle still stands for, and what masked forms come from, outlives a chain of products."""
    alive: list[int] = []

    def main(s: Session) -> Any:
        x = end = born(s, "x", 4)
        for _ in range(20):
            end = mul(s, end, x)
        revealed = s.reveal(end, label="end")
        gc.collect()
        alive.append(len({id(one) for one in held(s)}))
        return revealed

    def held(s: Session) -> list[Node]:
        mine = s._counters["node"]
        return [one for one in values("test_segments") if one.index < mine]

    outcome = run(main, n, {"x": np.array([3, 1, -1, 2])})
    assert [int(v) for v in outcome.results[NAMES[0]]] == [pow(v, 21, 1 << 64) for v in (3, 1, -1, 2)]
    assert max(alive) <= 8 * n, "all parties' threads together hold the input, its mask, its opening and the result"


@pytest.mark.parametrize("eager", [False, True])
def test_a_long_loop_is_run_in_parts_at_the_same_points_everywhere(eager: bool) -> None:
    """Without a reveal, what is recorded stays within the agreed memory; parts cost the rounds that cannot be shared any more."""

    def main(s: Session) -> Any:
        x, parts = born(s, "x", 1000), []
        for _ in range(30):
            parts.append(mul(s, x, x.scale(3)))
            peak.append(s._recorded)
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return s.reveal(total, label="total")

    peak: list[int] = []
    given = np.arange(1000) - 500
    roomy = run(main, 2, {"x": given}, eager=eager)
    peak.clear()
    tight = run(main, 2, {"x": given}, eager=eager, memory=200_000)
    for one in (roomy, tight):
        assert np.array_equal(one.results[NAMES[0]].astype(np.int64), 90 * given**2)
    assert max(peak) <= 200_000 + 10_000
    assert tight.cost.sent == roomy.cost.sent
    assert tight.cost.dealt == roomy.cost.dealt
    assert tight.cost.rounds == roomy.cost.rounds if eager else tight.cost.rounds > roomy.cost.rounds


def test_three_hundred_independent_products_take_one_opening() -> None:
    """And the truncations of them all another: rounds do not grow with what is independent."""

    def main(s: Session) -> Any:
        x = born(s, "x", 300)
        results = [truncate(s, mul(s, x[k : k + 1], x[k : k + 1].scale(1)), 4) for k in range(300)]
        total = results[0]
        for one in results[1:]:
            total = total + one
        return s.reveal(total, label="total")

    outcome = run(main, 2, {"x": np.arange(300) << 2})
    assert abs(int(outcome.results[NAMES[0]][0]) - sum(k * k for k in range(300))) <= 300
    assert outcome.cost.openings == 1 + 2, "the input, the products, the truncations"


@pytest.mark.parametrize(("error", "kind"), [(MemoryError, AvailabilityError), (ValueError, MpcError)])
def test_an_error_in_deferred_work_names_the_line_that_made_the_operation(error: type[Exception], kind: type[MpcError]) -> None:
    """Not the line of the reveal, which is where the work is done; and no word of the error itself, which may hold data."""

    def main(s: Session) -> Any:
        x = born(s, "x", 4)
        product = x.reshape((1, 4)) @ s.constant(np.ones((4, 1), dtype=np.uint64))  # this line
        return s.reveal(product.sum(), label="sum")

    code = main.__code__
    line = code.co_firstlineno + 2
    with mock.patch.object(Additive, "value", failing(Additive.value, error)), pytest.raises(kind) as caught:
        run(main, 2, {"x": np.arange(4)})
    assert f"test_segments.py:{line}" in caught.value.where
    assert "7.25" not in str(caught.value)
    assert type(caught.value) is kind


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("error", [MemoryError, KeyError])
def test_an_error_in_the_middle_of_an_exchange_ends_the_session_whatever_the_script_catches(n: int, error: type[Exception]) -> None:
    """One party would go on in step with the others, but with a stream of corrections of which it has left some unread."""
    armed, got = [True], []

    def absorb(self: Opener, piece: Piece, *rest: Any) -> None:
        if piece.node.op == "open" and piece.stop == piece.node.size == LONG and self._local.first and armed:
            armed.clear()
            raise error
        real(self, piece, *rest)

    def main(s: Session) -> Any:
        x = born(s, "x", LONG)
        try:
            mul(s, mul(s, x.scale(3), x.scale(3)), x)
            s.flush()
        except (MpcError, MemoryError, KeyError):
            pass
        got.append(s.reveal(mul(s, born(s, "y", 3), born(s, "y", 3)), label="square"))

    real = Opener.absorb
    told = r"could not be computed|in the middle of its work"
    with mock.patch.object(Opener, "absorb", absorb), pytest.raises(MpcError, match=told):
        run(main, n, {"x": np.arange(LONG), "y": np.arange(3)}, deadline=5)
    assert not got


def failing(real: Any, error: type[Exception]) -> Any:
    """An evaluation that cannot do matrix products."""

    def value(self: Additive, node: Node) -> Any:
        if node.op == "matmul":
            raise error("7.25")
        return real(self, node)

    return value


# -- pieces -------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pieces() -> Any:
    """Values travel in pieces of one block."""
    with mock.patch.object(opening, "PIECE", 8 * BLOCK):
        yield


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("size", [BLOCK, BLOCK + 1, LONG])
def test_a_large_value_is_opened_in_pieces_to_the_same_words(pieces: None, n: int, size: int) -> None:
    """Inputs of every owner, openings under kept and fresh masks and of broadcast values, next to small ones."""
    rng = np.random.default_rng(size)
    x, y, z = rng.integers(-(2**62), 2**62, size=(3, size))

    def main(s: Session) -> Any:
        a, b, c = born(s, "x", size, 0), born(s, "y", size, 1), born(s, "z", size, 2)
        small = born(s, "z", size, 1)[:3]
        product = mul(s, a.scale(5) + b, (b - c).scale(7))
        spread = mul(s, small.reshape((3, 1)).scale(1), (a + c).scale(1).reshape((1, size)))
        return s.reveal(product, label="product"), s.reveal(spread, label="spread")

    outcome = run(main, n, {"x": x, "y": y, "z": z})
    product, spread = outcome.results[NAMES[0]]
    wide = [v.astype(np.uint64) for v in (x, y, z)]
    assert np.array_equal(product, (wide[0] * np.uint64(5) + wide[1]) * ((wide[1] - wide[2]) * np.uint64(7)))
    assert np.array_equal(spread, wide[2][:3, None] * (wide[0] + wide[2])[None])
    if n > 1:
        sent = outcome.traffic[NAMES[0]]
        assert sent.payload[Kind.OPEN] + sent.payload[Kind.REVEAL] == outcome.cost.sent[NAMES[0]]
        assert sent.frames[Kind.OPEN] > outcome.cost.openings * (n - 1)


@pytest.mark.parametrize("n", [2, 3])
def test_rings_of_other_widths_travel_in_pieces_too(pieces: None, n: int) -> None:
    """Planes of single bits end with the piece; words of GF(2)^k and packed bits stay whole."""
    rng = np.random.default_rng(7)
    x = rng.integers(-(2**60), 2**60, size=LONG)
    narrow = rng.integers(0, 2**21, size=LONG * 4)

    def main(s: Session) -> Any:
        ring = Ring(21)
        v = born(s, "narrow", LONG * 4, 1, ring)
        (pad,) = s.draw(Pad(ring, v.shape))
        opened = s.open(v + pad)
        again = s.embed(opened) - pad
        (bits,) = s.draw(Pad(BIT, (LONG,)))
        signs = negative(s, born(s, "x", LONG), 62) + bits - bits
        return s.reveal(again, label="narrow"), s.reveal(signs, label="signs")

    outcome = run(main, n, {"x": x, "narrow": narrow})
    again, signs = outcome.results[NAMES[0]]
    assert np.array_equal(again, narrow.astype(np.uint64))
    assert np.array_equal(signs, x < 0)


def test_what_a_probe_sees_of_pieces_is_the_whole_share(pieces: None) -> None:
    """Tests of uniformity look at shares as they were sent, before they were added up in place."""
    seen = Seen()

    def main(s: Session) -> Any:
        return s.reveal(mul(s, born(s, "x", LONG).scale(1), born(s, "x", LONG).scale(1)), label="square")

    outcome = run(main, 2, {"x": np.arange(LONG)}, probe=seen)
    assert np.array_equal(outcome.results[NAMES[0]], np.arange(LONG, dtype=np.uint64) ** 2)
    first, second = (seen.openings(name) for name in NAMES[:2])
    assert len(first) == len(second) == 2
    for mine, theirs in zip(first, second, strict=True):
        assert np.array_equal(mine.words, theirs.words)
        assert np.array_equal(mine.words - mine.others, theirs.others), "my share is what the other received"


def test_frames_of_one_exchange_do_not_count_as_rounds(pieces: None) -> None:
    """A round is one exchange, however many frames it takes."""

    def main(s: Session) -> Any:
        return s.reveal(mul(s, born(s, "x", LONG), born(s, "x", LONG, 1)).sum(), label="sum")

    told: list[int] = []
    outcome = run(main, 2, {"x": np.ones(LONG, dtype=np.int64)}, progress=told.append)
    assert int(outcome.results[NAMES[0]]) == LONG
    assert outcome.cost.rounds == 2
    assert sorted(told) == [1, 1, 2, 2], "by either party"
    assert outcome.traffic[NAMES[0]].frames[Kind.OPEN] == 8, "four frames an input"
