"""Products beyond the matrix product against NumPy's einsum on Python integers, what they refuse, and what they save."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, plain, run
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.session import Session
from protocols.arithmetic import mul
from protocols.bilinear import contraction, dot3, einsum, einsum_cost, mul3, outer

MIX = 0x9E3779B97F4A7C15


def words(shape: tuple[int, ...], seed: int) -> Any:
    """Words that use all 64 bits."""
    x = np.arange(seed, seed + int(np.prod(shape)), dtype=np.uint64) * np.uint64(MIX)
    return (x ^ x >> np.uint64(29)).astype(np.int64).reshape(shape)


def both(spec: str, a: tuple[int, ...], b: tuple[int, ...], n: int, opened: bool = False) -> tuple[Any, Any, int]:
    """The protocol's result, NumPy's modulo 2^64, and the bytes a party sent."""
    columns = {"a": words(a, 3), "b": words(b, 1000)}

    def main(s: Session) -> tuple[Any, int]:
        x, y = born_masked(s, "a", a), born_masked(s, "b", b, owner=1)
        if not opened:
            x, y = plain(x), plain(y)
        s.flush()
        before = s._engine.cost.sent[s.name]
        product = einsum(s, x, y, spec)
        s.flush()
        sent = s._engine.cost.sent[s.name] - before
        return s.reveal(product, label="product"), sent

    got, sent = run(main, n, columns).results[NAMES[0]]
    right = np.asarray(np.einsum(spec, columns["a"].astype(object), columns["b"].astype(object)))
    return got, np.asarray(right % (1 << 64)), sent


SPECS = [
    ("ij,jk->ik", (3, 4), (4, 2)),
    ("ij,jk->ki", (3, 4), (4, 2)),
    ("ij,jk", (3, 4), (4, 2)),
    ("ba,cb", (4, 3), (2, 4)),
    ("i,j->ij", (3,), (4,)),
    ("i,j->ji", (3,), (4,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ijb,kjb->bki", (3, 4, 2), (5, 4, 2)),
    ("ij,ij->", (3, 4), (3, 4)),
    ("ij,ij", (3, 4), (3, 4)),
    ("ij,ji->j", (3, 4), (4, 3)),
    ("ijk,k->ij", (2, 3, 4), (4,)),
    ("k,ijk->ji", (4,), (2, 3, 4)),
    ("ij,kl->", (2, 3), (4, 2)),
    ("ij,kl->jk", (2, 3), (4, 2)),
    (",i->i", (), (5,)),
    (", ->", (), ()),
    ("abcd,dbe->aec", (2, 3, 2, 2), (2, 3, 4)),
    ("Ab,bC", (2, 3), (3, 2)),
]


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("spec", "a", "b"), SPECS, ids=[spec for spec, *_ in SPECS])
def test_einsum_is_numpys(spec: str, a: tuple[int, ...], b: tuple[int, ...], n: int) -> None:
    got, right, sent = both(spec, a, b, n)
    assert got.shape == right.shape
    assert np.array_equal(got.astype(object), right)
    assert sent == (n - 1) * einsum_cost(spec, a, b)[0]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_einsum_of_two_operands(data: st.DataObject) -> None:
    labels = st.lists(st.sampled_from("abcde"), unique=True, max_size=4)
    x, y = data.draw(labels), data.draw(labels)
    used = sorted({*x, *y})
    result = data.draw(st.permutations(used)) if used else []
    kept = result[: data.draw(st.integers(0, len(used)))]
    extents = {label: data.draw(st.integers(1, 3)) for label in used}
    spec = f"{''.join(x)},{''.join(y)}->{''.join(kept)}"
    got, right, sent = both(spec, tuple(extents[k] for k in x), tuple(extents[k] for k in y), 2, opened=True)
    assert np.array_equal(got.astype(object), right)
    assert got.shape == right.shape
    assert sent == 0, "open operands, also where a label is summed first"


REFUSED = {
    "ii,ij->j": "repeats",
    "ij,jk->iik": "repeats",
    "ij,jk->il": "nowhere",
    "ij,jk->i...": "letters",
    "ij->ji": "form",
    "ij,jk,kl->il": "letters",
    "i,jk->ik": "fit",
    "ij,ik->jk": "two extents",
}


@pytest.mark.parametrize("spec", REFUSED)
def test_what_is_no_einsum_of_two_operands_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=REFUSED[spec]):
        contraction(spec, (3, 4), (4, 2))


def test_products_of_three_factors_share_openings_and_take_one_round() -> None:
    columns = {"a": words((4, 1, 3), 1), "b": words((2, 1), 50), "c": words((3,), 90)}

    def main(s: Session) -> Any:
        x, y, z = (plain(born_masked(s, name, column.shape, k)) for k, (name, column) in enumerate(columns.items()))
        s.flush()
        before = s._engine.cost.openings, s._engine.cost.sent[s.name]
        results = mul3(s, x, y, z), dot3(s, x, y, z), mul3(s, z, z, z), mul(s, x, y), outer(s, x, z)
        s.flush()
        spent = s._engine.cost.openings - before[0], s._engine.cost.sent[s.name] - before[1]
        return s.reveal(*results, label="results"), spent

    (whole, dot, cube, _, wide), spent = run(main, 2, columns).results[NAMES[0]]
    x, y, z = (column.astype(object) for column in columns.values())
    for got, right in ((whole, x * y * z), (dot, (x * y * z).sum(-1)), (cube, z**3), (wide, np.multiply.outer(x, z))):
        assert np.array_equal(got.astype(object), right % (1 << 64))
    assert spent == (1, 8 * (12 + 2 + 3)), "every operand is opened once"
