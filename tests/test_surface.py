"""docs/numpy.md is what the code does: every example, for every kind of array, against NumPy, and its cost as it is run."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
from surfaces import BOUND, OWNERS, agrees, arrays, found, names, wanted

import mpc
from benchmarks import surface
from mpc.errors import UsageError
from protocols import load, reveal
from protocols.numbers.advice import NEAREST
from protocols.numbers.catalogue import Row, sections
from protocols.numbers.methods import Methods
from protocols.numbers.names import FUNCTIONS, UFUNCS
from protocols.numbers.secret import FUNCTIONS as DIRECT
from protocols.numbers.secret import UFUNCS as OPERATORS
from protocols.numbers.secret import Secret

ROWS = [row for rows in sections().values() for row in rows]
CASES = [(row, kind) for row in ROWS for kind in row.kinds]
FORMS = [form for row in ROWS for form in row.forms]


def test_the_page_is_up_to_date() -> None:
    assert surface.FILE.read_text(encoding="utf-8") == surface.page(), "run: python -m benchmarks.surface"


@pytest.mark.parametrize(("row", "kind"), CASES, ids=[f"{row.forms[0]} {kind}" for row, kind in CASES])
def test_every_form_is_numpys(row: Row, kind: str) -> None:
    for form in row.forms:
        agrees(found(row, form, kind, debug=True), wanted(row, form, kind), row.error)


@pytest.mark.parametrize("others", [(), ("registry",)], ids=["two", "three"])
@pytest.mark.parametrize("section", sections())
def test_examples_between_parties(section: str, others: tuple[str, ...]) -> None:
    rows = [row for row in sections()[section] if not _plain(row)]
    kind = "I" if others else "F"
    rows = [row for row in rows if kind in row.kinds]
    values = arrays(kind)

    def main(s: Any) -> None:
        secrets = {name: load(s, owner, name) for owner, held in OWNERS.items() for name in held}
        for number, row in enumerate(rows):
            reveal(eval(row.forms[0], names(secrets)), label=str(number))

    data: dict[str, Any] = {owner: {name: values[name] for name in held} for owner, held in OWNERS.items()}
    run = mpc.run_local(main, data=data | {name: {} for name in others}, bound=BOUND)
    for number, row in enumerate(rows):
        agrees(run.revealed["insurer"][str(number)], wanted(row, row.forms[0], kind), row.error)


def _plain(row: Row) -> bool:
    """Whether it gives something public."""
    return bool(re.match(r"np\.(shape|ndim|size|zeros_like|ones_like|full_like)\(", row.forms[0]))


def test_what_an_example_costs_is_what_its_run_costs() -> None:
    row = next(row for row in ROWS if row.forms[0].startswith("np.cov(m"))
    rounds, sent, dealt = surface.cost(row)
    values = arrays("F")

    def main(s: Any, compute: bool) -> None:
        m, _ = load(s, "clinic", "m"), s.flush()
        if compute:
            np.cov(m, rowvar=False)

    costs = [
        mpc.run_local(lambda s, c=compute: main(s, c), data={"clinic": {"m": values["m"]}, "insurer": {}}, bound=8).cost
        for compute in (True, False)
    ]
    assert costs[0].rounds - costs[1].rounds == rounds
    assert costs[0].sent["clinic"] - costs[1].sent["clinic"] == sent
    assert costs[0].dealt - costs[1].dealt == dealt


def test_every_name_has_an_example() -> None:
    used = set(re.findall(r"np\.((?:linalg\.)?[a-z_0-9A-Z]+)\(", " ".join(FORMS)))
    canonical = {name if name.startswith("linalg.") else getattr(np, name).__name__ for name in used}
    assert {*FUNCTIONS, *UFUNCS, *OPERATORS, *DIRECT} - {"divide"} <= used | canonical
    methods = {name for name in vars(Methods) if not name.startswith("_")}
    assert methods <= set(re.findall(r"\.([a-zA-Z]+)", " ".join(FORMS)))
    assert len(used) >= 100


def test_nothing_is_both_supported_and_not() -> None:
    assert not NEAREST.keys() & {*FUNCTIONS, *UFUNCS, *OPERATORS, *DIRECT}


def _lacking(form: str) -> list[str]:
    """Keyword arguments that NumPy's function has and ours has not."""
    name = re.match(r"np\.((?:linalg\.)?[a-z_0-9A-Z]+)\(.*\)$", form)
    if name is None or form.count("np.") > 1:
        return []
    plain = np.linalg if name[1].startswith("linalg.") else np
    function = getattr(plain, name[1].removeprefix("linalg."))
    if isinstance(function, np.ufunc):
        return ["out", "dtype"] if function.signature else ["out", "where", "dtype"]
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:
        return []
    ours = FUNCTIONS.get(name[1])
    known = set(inspect.signature(ours).parameters) if ours else {"axis", "keepdims", "shape", "axes", "a", "x"}
    return [
        p for p in parameters if p not in known and p in ("out", "dtype", "where", "order", "mode", "casting", "sorter", "like")
    ]


@pytest.mark.parametrize("row", [row for row in ROWS if _lacking(row.forms[0])], ids=lambda row: row.forms[0])
def test_keywords_that_are_not_supported_are_refused_by_name(row: Row) -> None:
    form = row.forms[0]
    for keyword in _lacking(form):
        with pytest.raises(UsageError, match=keyword):
            found(row, f"{form[:-1]}, {keyword}=np.float64)", row.kinds[0], debug=True)


ELSEWHERE = {
    "save",
    "savez",
    "savez_compressed",
    "savetxt",
    "dtype",
    "det",
    "cholesky",
    "slogdet",
    "svd",
    "qr",
    "eig",
    "eigh",
    "pinv",
    "matrix_rank",
    "lstsq",
}


def test_names_that_are_not_supported_end_in_the_advice() -> None:
    def main(s: Any) -> None:
        x = load(s, "clinic", "x")
        more: dict[str, tuple[Any, ...]] = {
            "quantile": (0.5,), "percentile": (50,), "insert": (0, 1), "resize": (3,), "put": (0, 1), "place": (x, 1),
            "polyfit": (x, 1), "linspace": (x,),
            "putmask": (x, 1), "copyto": (x,), "fill_diagonal": (1,), "put_along_axis": (np.array([0]), 1, 0), "interp": (x, x),
            "histogramdd": (3,), "block": (), "floor_divide": (2,), "remainder": (2,), "arctan2": (x,), "logaddexp2": (x,),
            "divmod": (2,),
        }  # fmt: skip
        for name, way in NEAREST.items():
            if name not in ELSEWHERE and callable(getattr(np, name, None)):
                with pytest.raises(UsageError) as caught:
                    getattr(np, name)(x, *more.get(name, ()))
                assert caught.value.do == way, name
                assert f"np.{getattr(np, name).__name__}" in str(caught.value)

    mpc.run_local(main, data={"clinic": {"x": np.ones(4)}}, bound=8, debug=True)


# -- the array API standard ------------------------------------------------------------------------------------------------------


def standardised(x: Any) -> Any:
    """Code for arrays of any kind."""
    xp = x.__array_namespace__()
    centred = x - xp.mean(x, axis=0, keepdims=True)
    spread = xp.sqrt(xp.mean(xp.square(centred), axis=0))
    return xp.concat([xp.permute_dims(centred, (1, 0)), xp.expand_dims(spread, axis=1), xp.zeros((3, 1))], axis=1)


def test_code_for_any_array_runs_on_secret_ones() -> None:
    m = arrays("F")["m"]
    run = mpc.run_local(
        lambda s: reveal(standardised(load(s, "clinic", "m")), label="m"), data={"clinic": {"m": m}, "insurer": {}}, bound=8
    )
    agrees(run.results["insurer"], standardised(m), 2.0**-12)


def test_the_namespace_has_what_there_is_and_refuses_the_rest() -> None:
    def main(s: Any) -> None:
        x = load(s, "clinic", "x")
        xp = x.__array_namespace__(api_version="2023.12")
        assert {"sum", "matmul", "pow", "concat", "take_along_axis", "linalg", "pi"} <= set(dir(xp))
        assert not {"sort", "floor", "nonzero", "acosh"} & set(dir(xp))
        assert isinstance(xp.pow(x, 2), Secret)
        assert isinstance(xp.linalg.vector_norm(x), Secret)
        assert {"solve", "trace"} <= set(dir(xp.linalg))
        for name, where in (("sort", xp), ("floor", xp), ("svd", xp.linalg), ("median", xp)):
            assert not hasattr(where, name)
            with pytest.raises(UsageError, match=name):
                getattr(where, name)
        with pytest.raises(UsageError, match="1999"):
            x.__array_namespace__(api_version="1999")

    mpc.run_local(main, data={"clinic": {"x": np.ones(4)}}, bound=8, debug=True)


def test_every_name_of_the_namespace_is_numpys() -> None:
    def main(s: Any) -> None:
        xp = load(s, "clinic", "x").__array_namespace__()
        for name in dir(xp):
            if name != "linalg":
                assert getattr(xp, name) is getattr(np, name)
        assert len(dir(xp)) >= 80

    mpc.run_local(main, data={"clinic": {"x": np.ones(4)}}, bound=8, debug=True)
