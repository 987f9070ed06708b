"""Means, variances, covariances and correlations of a million rows, between two parties, at both ends of the precision there is."""

from __future__ import annotations

import numpy as np
import pytest

import mpc
from protocols import assume_bound, load, reveal, rsqrt

ROWS = 10**6
RNG = np.random.default_rng(9)
X = RNG.normal(40, 7, ROWS).clip(-100, 100)  # bounds are some ten and thirty standard deviations
Y = (3 * X + RNG.normal(-100, 30, ROWS)).clip(-1000, 1000)
BOUNDS = {"x": 100.0, "y": 1000.0}


def moments(s):
    """What everybody learns of two columns: moments as a reader of a NumPy book would write them."""
    x, y = load(s, "a", "x"), load(s, "b", "y")
    covariance = assume_bound(((x - x.mean()) * (y - y.mean())).mean(), 1000)  # its proved bound is that of x times that of y
    correlation = covariance * (rsqrt(x.var(), low=10) * rsqrt(y.var(), low=500))
    return reveal(x.mean(), y.mean(), x.var(), y.var(ddof=1), covariance, correlation, label="moments")


@pytest.mark.parametrize(("precision", "tolerance", "inverse"), [(16, 1e-5, 1e-4), (26, 1e-7, 1e-6)])
def test_moments_of_a_million_rows(precision, tolerance, inverse):
    *results, correlation = mpc.run_local(moments, data={"a": {"x": X}, "b": {"y": Y}}, bound=BOUNDS, precision=precision).results[
        "a"
    ]
    right = [X.mean(), Y.mean(), X.var(), Y.var(ddof=1), np.cov(X, Y, ddof=0)[0, 1]]
    np.testing.assert_allclose(results, right, rtol=tolerance)
    assert correlation == pytest.approx(np.corrcoef(X, Y)[0, 1], rel=inverse)
