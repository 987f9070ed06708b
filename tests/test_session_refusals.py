"""What the waist refuses: accidental reveals, calls that make no sense, reveals outside the plan, programs that differ."""

from __future__ import annotations

import copy
import pickle
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from harness import NAMES, plain, run, secret, wire

from mpc.conformance import signed as domain
from mpc.errors import ConsentError, IntegrityError, UsageError
from mpc.frame import Kind
from mpc.plan import plan
from mpc.ring import BIT
from mpc.session import Hidden, Session
from mpc.sharing.share import Share
from mpc.sources.correlations import Pad
from protocols.arithmetic import mul, truncate

X = np.arange(24, dtype=np.int64).reshape(4, 6) - 7
Y = X[::-1] ^ 12345


def born(s: Session, column: str = "x", shape: tuple[int, ...] = (4, 6), owner: int = 0) -> Share:
    """An input as it is born."""
    return secret(s, column, domain(63), shape, owner)


def result(main: Any, n: int = 2, **options: Any) -> Any:
    """What the first party got."""
    return run(main, n, {"x": X, "y": Y}, **options).results[NAMES[0]]


# -- doors that are shut ----------------------------------------------------------------------------------------------------------

ACCIDENTS = {
    "bool": bool,
    "float": float,
    "int": int,
    "index": lambda x: range(x),
    "iteration": list,
    "unpacking": lambda x: max(*x),
    "membership": lambda x: 3 in x,
    "length": len,
    "asarray": np.asarray,
    "array": np.array,
    "a NumPy function": np.sum,
    "a NumPy operator": lambda x: np.ones(3) * x,
    "equality": lambda x: x == 3,
    "equality of two": lambda x: x == x.scale(1),
    "order": lambda x: x < 3,
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "a float factor": lambda x: x * 2.5,
    "a list index": lambda x: x[[0, 1]],
    "a Boolean index": lambda x: x[np.ones(4, dtype=bool)],
    "assignment": lambda x: x.__setitem__(0, 1),
}


@pytest.mark.parametrize("kind", ["share", "public", "hidden"])
@pytest.mark.parametrize("how", ACCIDENTS)
def test_nothing_is_revealed_by_accident(how: str, kind: str) -> None:
    def main(s: Session) -> None:
        x = born(s)
        if kind == "hidden":
            handle = next(v for v in [s.reveal(x, to=name, label="x") for name in s.parties] if isinstance(v, Hidden))
            if how in ("pickle", "copy", "deepcopy"):
                return  # it holds nothing
        else:
            handle = x if kind == "share" else s.mask(x)[0]
        s.flush()
        with pytest.raises((TypeError, AttributeError, UsageError)):
            ACCIDENTS[how](handle)

    run(main, 2, {"x": X})


def test_printing_shows_shape_and_ring() -> None:
    def main(s: Session) -> Any:
        x = born(s)
        s.flush()
        return [f"{x}", repr(x), str(s.mask(x)[0]), f"{x!s:>40}".strip(), repr(s.reveal(x, to=s.parties[1], label="x"))]

    assert result(main) == [
        "<Share (4, 6) over Z_2^64>",
        "<Share (4, 6) over Z_2^64>",
        "<Public (4, 6) over Z_2^64>",
        "<Share (4, 6) over Z_2^64>",
        "<hidden: x, for bob only>",
    ]


WRONG = {
    "x * y": (lambda s, x, y: x * y, TypeError, r"protocols\.arithmetic\.mul"),
    "x @ y": (lambda s, x, y: x @ y.T, TypeError, r"protocols\.arithmetic\.matmul"),
    "x.inner(y)": (lambda s, x, y: x.inner(y), TypeError, "protocols"),
    "x * 3": (lambda s, x, y: x * 3, TypeError, "scale"),
    "rings that differ": (lambda s, x, y: x + s.draw(Pad(BIT, x.shape))[0], (TypeError, ValueError), "ring|Z_2"),
    "shapes that differ": (lambda s, x, y: x + y[:3], ValueError, r"\(4, 6\).*\(3, 6\)"),
    "a reveal of a public": (lambda s, x, y: s.reveal(s.constant(np.ones(3)), label="p"), (TypeError, UsageError), "."),
    "a mask of a public": (lambda s, x, y: s.mask(s.constant(np.ones(3))), (TypeError, UsageError), "."),
    "an unknown owner": (lambda s, x, y: s.input("zoe", "x", (4, 6), np.asarray), UsageError, "no party 'zoe'"),
    "an unknown receiver": (lambda s, x, y: s.reveal(x, to="zoe", label="x"), UsageError, "no party 'zoe'"),
    "an unknown sender": (lambda s, x, y: s.public(np.ones(3), from_="zoe"), UsageError, "no party 'zoe'"),
    "an index out of range": (lambda s, x, y: x[4], IndexError, "."),
    "a gather out of range": (lambda s, x, y: x.gather([4]), IndexError, "."),
    "a negative extent": (lambda s, x, y: x.reshape((-4, -6)), ValueError, r"\(-4, -6\)"),
    "a size that differs": (lambda s, x, y: x.reshape((5, -1)), ValueError, "."),
}


@pytest.mark.parametrize("how", WRONG)
def test_what_makes_no_sense_is_refused_where_it_is_written(how: str) -> None:
    action, error, text = WRONG[how]

    def main(s: Session) -> None:
        x, y = born(s), born(s, "y")
        with pytest.raises(error, match=text):
            action(s, x, y)

    run(main, 2, {"x": X, "y": Y})


# -- reveals and lockstep ----------------------------------------------------------------------------------------------------------


def test_only_planned_reveals_happen() -> None:
    def main(s: Session, extra: int = 0) -> Any:
        x = born(s)
        for _ in range(2 + extra):
            s.reveal(x, label="x")
        s.reveal(x[:2], to=s.parties[0], label="x" if extra >= 0 else "other")
        return "done"

    contract = plan(main, NAMES[0], NAMES[:2]).contract
    assert sorted(contract.values()) == [1, 2]
    assert result(main, contract=contract) == "done"
    for extra in (1, -1):
        with pytest.raises(ConsentError, match="not in the agreed plan"):
            result(lambda s, extra=extra: main(s, extra), contract=contract)


def test_a_refused_reveal_ends_the_session_though_the_script_catches_the_error() -> None:
    planning = True

    def main(s: Session) -> Any:
        x = born(s)
        if not planning:
            with suppress(ConsentError):
                s.reveal(x[:1], label="x")
        return s.reveal(x, label="x")

    found = plan(main, NAMES[0], NAMES[:2])
    planning = False
    for options in ({}, {"orders": found.orders}):
        with wire() as frames, pytest.raises(ConsentError, match="not in the agreed plan"):
            run(main, 2, {"x": X}, contract=found.contract, **options)
        assert not any(frame.kind is Kind.REVEAL for frame in frames)


def test_a_result_goes_to_its_receivers_only() -> None:
    main = lambda s: (s.reveal(born(s), to=("cyd", "ada"), label="x"), s.reveal(born(s, "y"), to="bob", label="y"))  # noqa: E731
    with wire() as frames:
        outcome = run(main, 3, {"x": X, "y": Y})
    for name, (x, y) in outcome.results.items():
        assert isinstance(x, Hidden) == (name == "bob")
        assert isinstance(y, Hidden) == (name != "bob")
    for frame in frames:
        if frame.kind is Kind.REVEAL:
            assert len(frame.payload) in (0, 24 * 8)
    assert sum(len(frame.payload) for frame in frames if frame.kind is Kind.REVEAL and frame.receiver == "bob") == 2 * 24 * 8
    assert np.array_equal(outcome.results["bob"][1].view(np.int64), Y)


DIVERGENCES = {
    "a constant": lambda s, x, odd: x.scale(3 if odd else 2),
    "a public array": lambda s, x, odd: x + s.constant(np.full((4, 6), int(odd), dtype=np.uint64)),
    "an offset": lambda s, x, odd: x + int(odd),
    "an operation": lambda s, x, odd: -x if odd else x,
    "another operation": lambda s, x, odd: (x - x) if odd else (x + x),
    "an order": lambda s, x, odd: x.transpose((0, 1)) if odd else x.reshape((24,)).reshape((4, 6)),
    "a slice": lambda s, x, odd: x[::-1] if odd else x[:],
    "a shape": lambda s, x, odd: x[: 3 if odd else 2],
    "an operand": lambda s, x, odd: mul(s, x, x) if odd else mul(s, x, -x),
    "a column": lambda s, x, odd: born(s, "y" if odd else "x", owner=1),
    "a correlation": lambda s, x, odd: truncate(s, x, 4 + odd),
    "an opening": lambda s, x, odd: mul(s, x, x.scale(1)) if odd else x,
}
REVEALS = {
    "a label": lambda s, x, odd: s.reveal(x, label="a" if odd else "b"),
    "a receiver": lambda s, x, odd: s.reveal(x, to=s.parties[int(odd)], label="x"),
    "a number of reveals": lambda s, x, odd: [s.reveal(x, label="x") for _ in range(1 + odd)],
    "which value": lambda s, x, odd: s.reveal(x if odd else -x, label="x"),
}


@pytest.mark.parametrize("eager", [False, True], ids=["deferred", "eager"])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("what", [*DIVERGENCES, *REVEALS])
def test_programs_that_differ_end_before_anything_is_revealed(what: str, n: int, eager: bool) -> None:
    revealed: list[Any] = []

    def main(s: Session) -> None:
        x, odd = plain(born(s)), s.name == s.parties[-1]
        revealed.append(REVEALS[what](s, x, odd) if what in REVEALS else s.reveal(DIVERGENCES[what](s, x, odd), label="x"))

    with pytest.raises(IntegrityError), wire() as frames:
        run(main, n, {"x": X, "y": Y}, eager=eager)
    if what != "a number of reveals":
        assert not revealed
        assert not [frame for frame in frames if frame.kind is Kind.REVEAL and frame.payload], "words left a party"
