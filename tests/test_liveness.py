"""Memory in the plan: made and let go of as a run does it, so that what a process needs can be told from the script alone."""

from __future__ import annotations

import gc
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import NAMES, born_masked, encoder, plain, run
from jobs import Job

from mpc.accounts import PROCESS, Accounts
from mpc.command.program import loaded
from mpc.liveness import MAPPED, Held, Liveness, Mark
from mpc.packed import Bits
from mpc.plan import plan
from mpc.ring import BIT
from mpc.session import NODE, Session
from mpc.setting import MEMORY
from mpc.sharing.additive import Additive
from mpc.sharing.node import Node
from protocols.arithmetic import mul, square
from protocols.bits import negative, select

SIZE = 1 << 16
WORDS = 8 * SIZE


def kept(main: Any, n: int = 2, **options: Any) -> Accounts:
    """The accounts of a plan's only path."""
    (path,) = plan(main, NAMES[0], NAMES[:n], accounts=True, **options).paths
    assert path.accounts is not None
    return path.accounts


def words(main: Any, n: int = 2, **options: Any) -> float:
    """The peak of the first party in values of SIZE words, rounded down to a quarter."""
    return int(4 * kept(main, n, **options).memory[NAMES[0]] / WORDS) / 4


# -- what is held --------------------------------------------------------------------------------------------------------------


def test_a_mark_remembers_the_lines_of_its_peak() -> None:
    mark = Mark()
    a, b = Held([mark], "a:1", 3), Held([mark], "b:2", 5)
    assert (mark.peak, mark.lines) == (8, {"a:1": 3, "b:2": 5})
    del a
    c = Held([mark], "c:3", 2)
    assert (mark.peak, mark.lines) == (8, {"a:1": 3, "b:2": 5})
    d = Held([mark], "a:1", 4)
    del b, c, d
    assert (mark.peak, mark.lines) == (11, {"b:2": 5, "c:3": 2, "a:1": 4})


def test_memory_is_fresh_once_unless_it_is_large() -> None:
    mark = Mark()
    for count in (10, 8, 12):
        Held([mark], "a:1", count)
    assert (mark.fresh, mark.peak) == (12, 12)
    for _ in range(2):
        Held([mark], "a:1", MAPPED)
    assert mark.fresh == 12 + 2 * MAPPED
    first, second = Held([mark], "a:1", 7), Held([mark], "a:1", 8)
    assert mark.fresh == 15 + 2 * MAPPED
    del first, second


def test_an_intermediate_is_let_go_of_and_a_handle_keeps_its_value() -> None:
    def chain(s: Session, times: int, keep: list[Any] | None) -> None:
        x = end = born_masked(s, "x", (SIZE,))
        for _ in range(times):
            end = square(s, end)
            if keep is not None:
                keep.append(end)
        s.reveal(end.sum(), x.sum(), label="end")

    few, many = (words(lambda s, times=times: chain(s, times, None)) for times in (3, 12))
    assert few <= many <= few + 0.5
    few, many = (words(lambda s, times=times: chain(s, times, [])) for times in (3, 12))
    assert many - few == 3 * 9, "of each of nine more products the result, its opened form and its mask"


def test_a_view_takes_nothing_and_a_copy_does() -> None:
    def views(s: Session) -> None:
        x = plain(born_masked(s, "x", (SIZE,)))
        kept = [x[k:].reshape((1, -1)).T for k in range(1, 9)]
        s.reveal(kept[0].sum(), label="x")

    def copies(s: Session) -> None:
        x = plain(born_masked(s, "x", (SIZE,)))
        kept = [x + k for k in range(1, 9)]
        s.reveal(kept[0].sum(), label="x")

    def nothing(s: Session) -> None:
        s.reveal(plain(born_masked(s, "x", (SIZE,))).sum(), label="x")

    assert words(views) <= words(nothing) + 0.25
    assert words(copies) >= words(nothing) + 6


def test_a_value_that_travels_in_pieces_lies_where_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(s: Session) -> None:
        s.mask(plain(born_masked(s, "x", (4 * SIZE,))))
        s.flush()

    whole = words(main)
    monkeypatch.setattr("mpc.opening.PIECE", WORDS // 4)
    assert words(main) < whole, "at most two pieces are on their way"
    monkeypatch.setattr(Liveness, "_frame", lambda self, piece: None)
    assert words(main) == 3 * 4, "two forms of x, and the opened one of its multiple"


def test_only_its_owner_holds_a_table_before_it_is_shared() -> None:
    def main(s: Session) -> None:
        s.reveal(s.input("bob", "x", (SIZE,), encoder, BIT)[:8], label="x")

    found = kept(main)
    assert found.largest == "bob"
    assert WORDS <= found.memory["bob"] <= 1.25 * WORDS, "truth values are numbers in a table"
    assert WORDS // 64 <= found.memory["ada"] <= WORDS // 8, "and bits once they are shared"


def test_a_record_takes_memory_until_it_is_run() -> None:
    def main(s: Session) -> None:
        x = born_masked(s, "x", (4,))
        for _ in range(1000):
            x = -x
        s.reveal(x.sum(), label="x")

    whole, parts, single = (kept(main, memory=memory).memory["ada"] for memory in (MEMORY, 100 * NODE, 0))
    assert whole > 1000 * NODE > 5 * parts
    assert parts > 2 * single


# -- beside a run --------------------------------------------------------------------------------------------------------------


def program(s: Session) -> None:
    """A bit of everything that makes, shares and drops values."""
    x, y = born_masked(s, "x", (SIZE,)), born_masked(s, "y", (SIZE,), owner=1)
    less = negative(s, x - y, 62)
    larger = y + select(s, less, x - y)
    table = plain(larger).reshape((-1, 16))
    product = mul(s, table, table[:, :1])
    s.reveal(product.sum(0), label="product")
    s.reveal((table.T + product.T).sum(), square(s, y).sum(), label="sums")


def held_in_a_run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """After each evaluation by a lone party, what was evaluated and the bytes of all values that operations hold."""
    seen: list[tuple[str, int]] = []
    evaluate = Additive.value

    def evaluated(self: Additive, node: Node) -> Any:
        value = evaluate(self, node)
        buffers = {}
        for one in gc.get_objects():
            if isinstance(one, Node) and one.value is not None:
                base = one.value.bytes if isinstance(one.value, Bits) else one.value
                while isinstance(base.base, np.ndarray):
                    base = base.base
                buffers[id(base)] = base.nbytes
        seen.append((node.op, sum(buffers.values())))
        return value

    monkeypatch.setattr(Additive, "value", evaluated)
    monkeypatch.setattr("mpc.execution.DebugSource", type(None))  # what it looks at in the end would be kept until then
    run(program, 1, {name: np.arange(SIZE, dtype=np.int64) for name in "xy"})
    return seen


def held_in_a_plan(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The same of a plan, which counts records and frames as well: not here."""
    seen: list[tuple[str, int]] = []
    evaluate = Liveness._value

    def evaluated(self: Liveness, node: Node) -> Any:
        value = evaluate(self, node)
        seen.append((node.op, self.marks["ada"]._held))
        return value

    monkeypatch.setattr(Liveness, "_value", evaluated)
    monkeypatch.setattr(Liveness, "_frame", lambda self, piece: None)
    monkeypatch.setattr("mpc.liveness.NODE", 0)
    kept(program, 1)
    return seen


def test_a_plan_holds_what_a_run_holds_after_every_single_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    with monkeypatch.context() as patch:
        planned = held_in_a_plan(patch)
    with monkeypatch.context() as patch:
        real = held_in_a_run(patch)
    assert [op for op, _ in planned] == [op for op, _ in real]
    assert len(real) > 60
    shared = [op for op, _ in real].index("unmask")  # before that, an owner holds its table as well
    off = [abs(one - other) for (_, one), (_, other) in zip(planned[shared:], real[shared:], strict=True)]
    assert max(off) < 1 << 11, "constants and results: some hundred bytes"
    assert max(count for _, count in real) > 10 * WORDS


SCRIPT = """
from protocols import load, reveal


def main(s):
    x, y = load(s, "clinic", "features"), load(s, "insurer", "claims")
    z = x
    for _ in range(3):
        z = z * y / 100
    reveal(z.sum(), x.max(), label="sums")
"""


def test_a_process_needs_about_what_the_plan_says(tmp_path: Path) -> None:
    rows = 1 << 20
    job = Job(tmp_path)
    job.write("fit.py", SCRIPT)
    tables = {"clinic": "features", "insurer": "claims"}
    column = 'column = { name = "c", type = "real", bound = 100.0 }\n'
    job.write("schema.toml", f"rows = {rows}\n" + "".join(f"[party.{k}.{v}]\n{column}" for k, v in tables.items()))
    for party, table in tables.items():
        np.save(tmp_path / f"{table}.npy", np.linspace(-90, 90, rows))
        job.write(f"{party}.data.toml", f'[{table}]\nfile = "{table}.npy"\n')
    with loaded(tmp_path / "fit.py") as script:
        (path,) = plan(script.main, "clinic", tuple(tables), context=script.schema, accounts=True).paths
    assert path.accounts is not None
    out = job.run("run", "fit.py").out
    peaks = {name: int(count.replace(",", "")) for name, count in re.findall(r"^ (\w+) .* ([\d,]+) MB *$", out, re.MULTILINE)}
    for name, bytes in path.accounts.process.items():
        assert bytes > 1.5 * PROCESS
        assert abs(peaks[name] * 1e6 - bytes) < 0.25 * bytes
