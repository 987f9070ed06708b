"""Pictures and the page: everything that there are figures for is drawn and written, between marks and nowhere else."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest
from test_bench_growth import at
from test_bench_rows import row

from benchmarks import page, plots, rows
from benchmarks.rows import Document
from benchmarks.workloads import registry
from mpc.errors import UsageError
from mpc.plan import plan

SPENT = {"kernel": 1.0, "NumPy": 1.0, "keystream": 1.0, "TLS": 2.0, "peer": 2.0, "dealer": 2.0, "Python": 1.0}
HERE = Path(__file__).parent.parent


def document() -> Document:
    """Something of everything."""
    common = {"parties": 2, "network": "loopback"}
    grown = [at(10**k, 10.0**k, name="it") for k in range(3, 6)] + [at(10**6, 10.0**8, name="it")]
    late = [row("it", 1.0 + k, group="it, by delay", network=f"{k} ms") for k in (0, 20)]
    wide = [row("it", 1.0 * k, group="it, by parties", parties=k) for k in (2, 3)]
    columns = [row("it", 1.0 * k, group="it, by columns", features=k) for k in (10, 100)]
    beside = [
        row(name, section="peers", against=peer, value=3.0, beside=3.0, group=f"Beside {peer}") for name in "ab" for peer in "xy"
    ]
    return Document(
        machine={"processor": "a | b"},
        notes=["something was not there"],
        rows=[
            row("copy", section="kernel", group="Passes"), row("round", section="transport", group="Links"),
            row("x < 0", spent=SPENT, **common), row("fit", section="models", spent=SPENT, **common),
            *grown, *late, *wide, *columns, *beside,
        ],
    )  # fmt: skip


def test_every_picture_is_drawn_as_png_and_svg(tmp_path: Path) -> None:
    written = plots.draw(document(), tmp_path / "pictures")
    assert [path.name for path in written] == [f"{name}.{kind}" for name in plots.NAMES for kind in plots.KINDS]
    for path in written:
        head = path.read_bytes()
        assert head.startswith(b"\x89PNG") if path.suffix == ".png" else b"<svg" in head[:1000]
    assert "times as long as this library" in (tmp_path / "pictures" / "peers.svg").read_text(encoding="utf-8")


def test_the_picture_of_peers_has_one_network_and_says_who_got_small_sizes() -> None:
    fast = [row(name, section="peers", against=peer, value=3.0, network="loopback") for name, peer in (("a", "spu"), ("b", "mpyc"))]
    slow = row("a", section="peers", against="spu", value=7.0, network="20 ms")
    ((name, figure),) = plots.pictures(Document(rows=[*fast, slow]))
    (axes,) = figure.axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert (name, widths) == ("peers", [[3.0], [3.0]])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["spu", "mpyc (3 parties, small sizes)"]


def test_pictures_are_grey(tmp_path: Path) -> None:
    """Whatever is told apart is told apart by hatches, marks and dashes: no colour has more of one of the three than of another."""
    from matplotlib.image import imread

    for path in plots.draw(document(), tmp_path):
        if path.suffix == ".png":
            pixels = imread(path)[..., :3]
            assert (pixels.max(axis=-1) == pixels.min(axis=-1)).all(), path.name
    styles = list(zip(plots.HATCHES, plots.SHADES, strict=True))
    assert len(set(plots.HATCHES)) == len(set(plots.SHADES)) == len(styles) == len(plots.PURPOSES)


def test_the_same_figures_are_the_same_svg(tmp_path: Path) -> None:
    one, other = (plots.draw(document(), tmp_path / name) for name in ("a", "b"))
    assert [path.read_bytes() for path in one if path.suffix == ".svg"] == [
        path.read_bytes() for path in other if path.suffix == ".svg"
    ]


def test_every_second_is_in_one_part() -> None:
    found = plots.grouped({**SPENT, "something else": 4.0})
    assert found["computing"] == 2.0
    assert found["Python"] == 5.0
    assert sum(found.values()) == sum(SPENT.values()) + 4.0


def test_without_figures_or_matplotlib_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.draw(Document(rows=[row("copy", section="kernel")]), tmp_path / "pictures")
    assert list(tmp_path.iterdir()) == [], "no empty folder is left"
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="need matplotlib"):
        plots.draw(document(), tmp_path)


# -- the page ---------------------------------------------------------------------------------------------------------------------

PAGE = """# Title
Before.
<!-- figures: protocols -->
old
<!-- end -->
Between.
<!-- figures: worse -->
<!-- end -->
<!-- figures: absent -->
old
<!-- end -->
After.
"""


def test_the_page_is_written_between_its_marks(tmp_path: Path) -> None:
    file, figures = tmp_path / "benchmarks.md", tmp_path / "given.json"
    file.write_text(PAGE, encoding="utf-8")
    rows.write(figures, document())
    written = page.write(file, figures, False, 1, False)
    text = file.read_text(encoding="utf-8")
    assert "old" not in text
    assert text.count("<!-- figures: ") == text.count("<!-- end -->") == 3
    for kept in ("# Title\nBefore.\n", "Between.\n", "After.\n"):
        assert kept in text
    assert "| what | size |" in text
    assert "| x < 0 | 10^3 |" in text
    assert "![Where the time of protocols goes](benchmarks/time-protocols.png)" in text
    assert "| it, by rows | 100,000 | 1,000,000 | 10 times | 1e+03 times as long |" in text
    assert text.count("Not measured.") == 1
    assert {path.name for path in written} >= {"benchmarks.md", "figures.json", "figures.csv", "rows.png", "peers.svg"}
    assert all(path.is_file() for path in written)
    assert rows.read(tmp_path / "benchmarks" / "figures.json") == document()
    page.write(file, figures, False, 1, False)
    assert file.read_text(encoding="utf-8") == text, "the same figures are the same page"


def test_peers_stay_as_they_were_measured_until_they_are_again(tmp_path: Path) -> None:
    file, given, folder = tmp_path / "benchmarks.md", tmp_path / "given.json", tmp_path / "benchmarks"
    file.write_text(PAGE.replace("absent", "peers"), encoding="utf-8")
    first, whole = {"date": "1 May", "commit": "abc"}, document()
    alone = [one for one in whole.rows if one.section != "peers" and not one.group.endswith("by delay")]
    for machine, listed in ((first, whole.rows), ({"date": "2 May"}, alone), ({"date": "3 May"}, alone)):
        rows.write(given, Document(machine=machine, rows=listed))
        page.write(file, given, False, 1, False)
        text = file.read_text(encoding="utf-8")
        assert "Measured at 1 May, commit abc.\n\n*Beside x*" in text
        assert (folder / "peers.png").exists()
        assert (folder / "delay.png").exists() is (machine is first), "no picture is left of what there are no figures of"
    assert [one for one in rows.read(folder / "figures.json").rows if one.section == "peers"] == whole.rows[-4:]
    rows.write(given, Document(machine={"date": "4 May"}, rows=whole.rows))
    page.write(file, given, False, 1, False)
    assert "Measured at 4 May, commit unknown." in file.read_text(encoding="utf-8")


def test_the_main_job_is_told_by_its_plan_and_not_with_figures_of_another_version() -> None:
    model = registry()[page.JOB].make(569, 0)
    names = model.names(2)
    cost = plan(model.main, names[0], names, context=model.schema(2)).longest.cost
    exact = {"rounds": cost.rounds, "sent": max(cost.sent.values()), "dealt": cost.dealt}
    job = row(page.JOB, 0.1, section="models", network="loopback", parties=2, error=1e-5, peak=10**6, peak_dealer=10**6, **exact)
    job = msgspec.structs.replace(job, amount=569)
    text = page.blocks(Document(rows=[job]), "pictures", [])["job"]
    for told in (
        f"| rounds | {cost.rounds} |",
        f"| dealt | {cost.dealt:,} B |",
        *(f"| {sent:,} B |" for sent in cost.sent.values()),
    ):
        assert told in text
    other = msgspec.structs.replace(job, dealt=cost.dealt + 1)
    assert "not those of this version" in page.blocks(Document(rows=[other]), "pictures", [])["job"]


def test_where_a_peer_is_close_or_better_is_listed() -> None:
    def beside(name: str, value: float, there: int, error: float, more: float) -> rows.Row:
        facts = {"section": "peers", "group": "Beside it 1.0", "parties": 2, "sent": 100, "dealt": 200}
        return row(name, value=value, beside_sent=there, error=error, beside_error=more, **facts)

    found = [
        beside("a", 1.5, 100, 1e-3, 1e-3),
        beside("b", 2.0, 200, 1e-3, 1e-4),
        beside("c", 9.0, 500, 0.0, 0.0),
        beside("d", 1.2, 150, 0.0, 0.0),
    ]
    assert page.blocks(Document(rows=found), "pictures", [])["lost"].splitlines() == [
        "- A peer takes less than 2 times as long: *it 1.0* in a (1.5), d (1.2).",
        "- A peer sends fewer bytes, all of them and our dealer's counted: *it 1.0* in a (0.5 x), d (0.75 x).",
        "- A peer is closer to NumPy: *it 1.0* in b (1.0e-04 against 1.0e-03).",
    ]
    assert page.blocks(Document(rows=found[2:3]), "pictures", [])["lost"].count(": nowhere.") == 3


def test_estimates_are_summed_up_by_network() -> None:
    near = [row(section="models", network="loopback", estimated=part, peak=100, peak_estimated=50) for part in (0.5, 0.75, 2.0)]
    far = row(section="models", network="WAN", estimated=3.0)
    text = page.blocks(Document(rows=[*near, far]), "pictures", [])["models"]
    assert text.endswith(
        "Estimates as multiples of what was measured: of time on loopback 0.50 to 2.00, median 0.75; of time on other networks "
        "3.00 to 3.00, median 3.00; of memory 0.50 to 0.50, median 0.50."
    )


def test_what_was_measured_quickly_says_so() -> None:
    quick = page.blocks(Document(quick=True), "pictures", [])["machine"]
    assert "say nothing of speed" in quick
    assert "say nothing of speed" not in page.blocks(Document(), "pictures", [])["machine"]
    assert "- something was not there" in page.blocks(document(), "pictures", [])["machine"]


def test_the_real_page_has_all_marks() -> None:
    text = (HERE / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    names = [match[1] for match in page.MARK.findall(text)]
    assert sorted(names) == sorted(page.blocks(Document(), "", []))


def test_a_page_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no page"):
        page.write(tmp_path / "none.md", None, True, 1, False)


def test_cells_do_not_break_the_table() -> None:
    assert page.markdown([{"what": "a|b", "time": "1 s", "empty": ""}]) == "| what | time |\n| --- | ---: |\n| a\\|b | 1 s |"
