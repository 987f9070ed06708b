"""Rows of two columns with labels that they foretell, for tests of models, and how these are run."""

from __future__ import annotations

from typing import Any

import numpy as np

import mpc
from protocols import load

X = np.random.default_rng(4).normal(size=(60, 2)).clip(-3, 3)
Y = X @ [1.0, -0.7] + np.random.default_rng(5).logistic(size=60) > 0.2


def run(main: Any, debug: bool = True, bound: Any = None, **data: Any) -> Any:
    """main(*arrays), in one process that plays everybody."""

    def script(s: Any) -> Any:
        return main(*[load(s, "a", name) for name in data])

    return mpc.run_local(script, data={"a": data, "b": {}}, bound=bound or 4, debug=debug).results["a"]
