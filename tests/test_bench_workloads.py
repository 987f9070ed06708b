"""The registry of workloads: every one of them computes what NumPy says, and says so where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import encoder, run

from benchmarks.workloads import chosen, registry
from benchmarks.workloads.named import distance, power
from mpc.errors import UsageError
from mpc.local import Options, run_threads
from mpc.plan import plan
from mpc.ring import Z64
from mpc.session import Session

MODELS = [name for name, one in registry().items() if one.group == "models"]


@pytest.mark.parametrize("parties", [2, 3])
def test_every_protocol_computes_what_it_says(parties: int) -> None:
    known = {
        name: one.make(one.quick, 0)
        for name, one in registry().items()
        if one.group == "protocols" and not (parties > 2 and one.pair)
    }
    columns = {f"{name} {k}": words for name, one in known.items() for k, words in enumerate(one.words)}

    def main(s: Session) -> dict[str, Any]:
        inputs = {name: s.input(s.parties[0], name, words.shape, encoder(Z64)).scale(1) for name, words in columns.items()}
        given = {name: [inputs[f"{name} {k}"] for k in range(len(one.arguments))] for name, one in known.items()}
        return {name: s.reveal(one.call(s, *given[name]), label="result") for name, one in known.items()}

    for found in run(main, parties, columns).results.values():
        for name, words in found.items():
            known[name].check(np.asarray(words))
    with pytest.raises(ArithmeticError, match="is off by 1"):
        known["x < 0"].check(1 - np.asarray(found["x < 0"]))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_computes_what_numpy_does(name: str) -> None:
    named = registry()[name]
    model = named.make(named.quick, 0)
    names, schema = model.names(2), model.schema(2)
    agreed = plan(model.main, names[0], names, context=schema)
    options = Options(context=schema, contract=agreed.contract, orders=agreed.orders)
    outcome = run_threads(model.main, names, {one: model.column(one) for one in names}, options)
    found = outcome.revealed[names[0]]
    assert model.distance(found) <= model.tolerance
    off = {label: _shifted(value) for label, value in found.items()}
    assert model.distance(off) > model.tolerance, "an oracle that takes anything is none"


def _shifted(value: Any) -> Any:
    array = np.array(value)
    for name in array.dtype.names or ():
        if array.dtype[name].kind != "U":
            array[name] = array[name].astype(float) + 1
    return array if array.dtype.names else array.astype(float) + 1


def test_a_table_with_names_of_rows_is_its_columns_of_numbers() -> None:
    table = np.array([("a", 1.0, 2), ("b", 3.0, 5)], dtype=[("row", "U1"), ("mean", float), ("count", int)])
    assert distance({"t": table}, {"t": np.array([[1, 2], [3, 4.5]])}) == 0.5


def test_sizes_are_offered_up_to_a_limit_of_rows_and_of_numbers() -> None:
    known = registry()
    once = known["one pass"]
    assert (once.fits(10_000_000, 5), once.fits(10_000_000, 6), once.fits(50_000, 1000), once.fits(50_001, 1000)) == (1, 0, 1, 0)
    assert (known["cancer/fit.py"].fits(569), known["cancer/fit.py"].fits(570)) == (True, False)
    assert not replace(once, most=99).fits(100)
    assert [power(n) for n in (999, 1000, 1500, 10**7)] == ["999", "10^3", "1500", "10^7"]


def test_workloads_are_chosen_by_their_names_or_how_they_begin() -> None:
    assert list(chosen("protocols", ["x <", "matm"])) == ["matmul", "matmul and truncate", "x < 0", "x < 0 as a number"]
    assert list(chosen("protocols", ["x < 0", "maximum of"])) == ["x < 0", "maximum of a row"]
    assert set(chosen("models", ())) == set(MODELS)
    with pytest.raises(UsageError, match="No workload is called so") as caught:
        chosen("models", ["x < 0"])
    assert "one of: mean of products, " in caught.value.do
