"""How cost grows: what is measured, what is marked, and the arithmetic of a billion rows."""

from __future__ import annotations

import msgspec
import pytest
from test_bench_rows import row
from test_estimate import FREE

from benchmarks import growth, projection
from benchmarks.growth import Grid
from benchmarks.projection import Line
from benchmarks.rows import Row
from benchmarks.sessions.figures import Setting
from benchmarks.workloads import registry
from mpc.errors import UsageError
from mpc.estimate import NETWORKS


def at(rows: int, seconds: float, **facts: object) -> Row:
    """A point of growth by rows."""
    return row(seconds=seconds, amount=rows, group="it, by rows", low=seconds * 0.99, high=seconds * 1.01, **facts)


def test_one_thing_is_varied_at_a_time_and_only_as_far_as_it_is_offered() -> None:
    grid, setting = Grid(sizes=(1_000, 10**6, 10**7), widths=(10, 1000), counts=(2, 8), delays=(0, 100), base=10_000), Setting()
    tasks = list(grid.tasks(registry()["one pass"], setting))
    shown = [
        (task.group.split(", ")[1], task.size, task.features, task.setting.parties, task.setting.network.name) for task in tasks
    ]
    assert shown == [
        ("by rows", 1_000, 0, 2, "loopback"),
        ("by rows", 10**6, 0, 2, "loopback"),  # 10^7 rows of 10 columns are more than 5 x 10^7 numbers
        ("by columns", 10_000, 10, 2, "loopback"),
        ("by columns", 10_000, 1000, 2, "loopback"),
        ("by parties", 10_000, 0, 2, "loopback"),
        ("by parties", 10_000, 0, 8, "loopback"),
        ("by delay", 10_000, 0, 2, "0 ms"),
        ("by delay", 10_000, 0, 2, "100 ms"),
    ]
    plain = {task.group.split(", ")[1] for task in grid.tasks(registry()["filtered mean"], setting)}
    assert plain == {"by rows", "by parties", "by delay"}
    assert {task.group.split(", ")[1] for task in grid.tasks(registry()["cancer/fit.py"], setting)} == {"by delay"}


def test_what_grows_in_proportion_or_less_is_not_marked() -> None:
    assert growth.marks([at(1_000, 1.0), at(10_000, 10.0), at(100_000, 60.0), at(1_000_000, 660.0)]) == []


def test_what_grows_worse_is_marked_with_the_cost_that_explains_it() -> None:
    exact = [(5, 100, 7), (5, 1000, 70), (5, 20_000, 700)]
    points = [
        at(rows, seconds, rounds=rounds, sent=sent, dealt=dealt)
        for rows, seconds, (rounds, sent, dealt) in zip((1_000, 10_000, 100_000), (1.0, 10.0, 150.0), exact, strict=True)
    ]
    (mark,) = growth.marks(points)
    assert (mark.group, mark.start, mark.stop, mark.by, mark.times) == ("it, by rows", "10,000", "100,000", 10, 15)
    assert mark.because == "bytes sent grow 20 times"


def test_where_no_cost_explains_it_the_part_of_the_time_that_grew_is_named() -> None:
    before, after = at(1_000, 1.0, spent={"TLS": 0.5, "kernel": 0.5}), at(10_000, 20.0, spent={"TLS": 6.0, "kernel": 14.0})
    (mark,) = growth.marks([before, after])
    assert mark.because == "rounds and bytes grow in proportion or less: it is this machine, or arithmetic, most of it kernel"
    parts = {"spent": {"dealer": 1.0, "TLS": 1.0}, "serving": {"NumPy": 0.5, "TLS": 0.5}}
    more = {"spent": {"dealer": 30.0, "TLS": 10.0}, "serving": {"NumPy": 25.0, "TLS": 5.0}}
    (mark,) = growth.marks([at(1_000, 2.0, **parts), at(10_000, 40.0, **more)])
    assert mark.because.endswith("most of it waiting for the dealer, whose own time grows in NumPy")


def test_samples_that_differ_as_much_are_no_reason_for_a_mark() -> None:
    before, after = at(1_000, 1.0), at(10_000, 12.0)
    assert len(growth.marks([before, after])) == 1
    wide = msgspec.structs.replace(before, high=1.3)
    assert growth.marks([wide, after]) == []


def test_groups_are_not_mixed() -> None:
    other = msgspec.structs.replace(at(10_000, 90.0), group="that, by rows")
    assert growth.marks([at(1_000, 1.0), other]) == []


@pytest.mark.parametrize(("seconds", "marked"), [(10.9, False), (14.0, True)])
def test_a_delay_is_explained_by_rounds_or_marked(seconds: float, marked: bool) -> None:
    """92 rounds and the end of the session take 10 s of 100 ms each."""
    near, far = (
        msgspec.structs.replace(at(1_000, taken), group="it, by delay", network=name, rounds=92)
        for name, taken in (("0 ms", 0.1), ("100 ms", seconds))
    )
    found = growth.marks([near, far])
    assert bool(found) is marked
    assert all("92 rounds explain 10 s" in one.because for one in found)
    assert all((one.cells()["from"], one.cells()["to"], one.cells()["grew"]) == ("0 ms", "100 ms", "") for one in found)


# -- a billion rows ---------------------------------------------------------------------------------------------------------------


def test_a_line_goes_through_its_points() -> None:
    line = Line.through((10, 7.0), (30, 17.0))
    assert (line.each, line.fixed, line.at(100)) == (0.5, 2.0, 52.0)


def test_the_arithmetic_is_that_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact costs of a plan at another size stand on the lines; the text shows every product."""
    monkeypatch.setattr(projection, "LARGE", 4000)
    named, network = registry()["filtered mean"], NETWORKS[1]
    found = projection.project(projection.planned(named, 0, 2), FREE, network)
    assert found.sizes == (2000, 4000)
    there = projection.quantities(projection.at(named, 7000, 0, 2), 2, FREE, network)
    for what in ("rounds", "operations", "bytes sent by a party", "bytes dealt"):
        assert found.lines[what].at(7000) == pytest.approx(there[what]), what
    text = "\n".join(found.text("filtered mean", 10**9, network))
    sent = found.lines["bytes sent by a party"]
    assert f"1,000 x {sent.each:.3g} MB a million rows = {sent.at(10**9) / 1e9:.3g} GB" in text
    assert "LAN (0.1 ms one way, 1 Gb/s): from plans at 2,000 and 4,000 rows" in text


def test_batches_make_rounds_grow_with_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "LARGE", 8 * 1024)
    named = registry()["one pass"]
    found = projection.project(projection.planned(named, 4, 2), FREE, NETWORKS[0])
    there = projection.quantities(projection.at(named, 16 * 1024, 4, 2), 2, FREE, NETWORKS[0])
    assert there["rounds"] > 4 * 16
    assert found.lines["rounds"].at(16 * 1024) == pytest.approx(there["rounds"], rel=0.03)


def test_what_a_fixed_part_takes_off_is_said_and_a_slight_one_is_left_out() -> None:
    lines = {
        "rounds": Line(5, 0), "bytes dealt": Line(-2e5, 13_400), "seconds computing": Line(-2.0, 1e-7),
        projection.HELD: Line(1e9, 150.0),
    }  # fmt: skip
    found = projection.Projection((10, 20), lines, 0.0).text("it", 10**9, NETWORKS[0])
    assert [" ".join(line.split()) for line in found[2:]] == [
        "rounds 5",
        "bytes dealt 1,000 x 13.4 GB a million rows = 13.4 TB",
        "seconds computing 1,000 x 0.1 s a million rows less 2 s = 98.0 s",
        "memory of a party at once 1,000 x 150 MB a million rows and 1 GB = 151 GB",
        "with 16 GB of memory: 10 blocks of 100,000,000 rows, 50 rounds in all",
    ]


def test_what_is_no_line_is_said() -> None:
    found = projection.Projection((10, 20), {"rounds": Line(0, 1), projection.HELD: Line(0, 1)}, 0.2)
    assert found.text("it", 100, NETWORKS[0])[-1].endswith("order of magnitude.")


@pytest.mark.parametrize("name", ["x < 0", "cancer/fit.py"])
def test_what_has_no_rows_cannot_be_projected(name: str) -> None:
    with pytest.raises(UsageError, match="any number of rows"):
        projection.planned(registry()[name], 0, 2)
