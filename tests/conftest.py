"""Fixtures that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults import Server
from kernels import PATHS, REFERENCE, kernel_of

from mpc.kernel import Kernel


@pytest.fixture(scope="session", autouse=True)
def _records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever runs in here keeps its records in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Processes of participants that can be made to fail, forked from one that has imported everything."""
    made = Server()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=PATHS, scope="module")
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """The native kernel on each path."""
    return kernel_of(request.param)


@pytest.fixture(params=("reference", *PATHS), scope="module")
def any_kernel(request: pytest.FixtureRequest) -> Kernel:
    """The reference, and the native kernel on each path."""
    return REFERENCE if request.param == "reference" else kernel_of(request.param)
