"""Which kernel there is, and what all kernels have in common."""

from __future__ import annotations

import inspect

import pytest
from kernels import PATHS, REFERENCE, kernel_of, native

from mpc.errors import UsageError
from mpc.kernel import Kernel, load


def test_load() -> None:
    assert load("reference").name == "reference"
    assert load().name == ("reference" if native is None else "native")
    with pytest.raises(UsageError):
        load("fast")
    kernel_of("portable")
    assert load("native").name == "native"
    for wrong in ({"path": "mmx"}, {"threads": 0}, {"threads": 1000}):
        with pytest.raises(UsageError):
            native.NativeKernel(**wrong)


def test_load_without_the_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpc.kernel._compiled", lambda _: None)
    assert load().name == "reference"
    with pytest.raises(UsageError, match="not built"):
        load("native")


def functions() -> dict[str, inspect.Signature]:
    """The functions of the protocol."""
    found = inspect.getmembers(Kernel, inspect.isfunction)
    return {name: inspect.signature(function) for name, function in found if not name.startswith("_")}


@pytest.mark.parametrize("path", ["reference", *PATHS])
def test_every_function_of_the_protocol_is_there(path: str) -> None:
    kernel = REFERENCE if path == "reference" else kernel_of(path)
    assert len(functions()) >= 17
    for name, wanted in functions().items():
        found = inspect.signature(getattr(type(kernel), name))
        assert list(found.parameters) == list(wanted.parameters), name
        assert [p.default for p in found.parameters.values()] == [p.default for p in wanted.parameters.values()], name


def test_the_native_kernel_is_native() -> None:
    kernel = kernel_of("portable")
    inherited = {name for name in functions() if getattr(type(kernel), name) is getattr(type(REFERENCE), name)}
    assert not inherited
