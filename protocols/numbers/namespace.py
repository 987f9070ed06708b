"""The Python array API standard for secret arrays: `xp = x.__array_namespace__()`, for code written for arrays of any kind."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from mpc.lines import script_line
from protocols.numbers import names
from protocols.numbers.advice import NEAREST, similar
from protocols.numbers.secret import FUNCTIONS, UFUNCS, NoSuchAttribute, Secret, refuse

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")  # of the standard
PUBLIC = frozenset({  # what makes public arrays, or is none
    "arange", "empty", "eye", "full", "linspace", "ones", "zeros", "e", "inf", "nan", "newaxis", "pi", "bool", "float64", "int64",
    "zeros_like", "ones_like", "full_like",
})  # fmt: skip
STANDARD = frozenset(
    """
    abs acos acosh add all any arange argmax argmin argsort asarray asin asinh astype atan atan2 atanh bitwise_and
    bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor bool broadcast_arrays broadcast_to can_cast
    ceil clip complex128 complex64 concat conj copysign cos cosh count_nonzero cumulative_prod cumulative_sum diff divide e
    empty empty_like equal exp expand_dims expm1 eye finfo flip float32 float64 floor floor_divide from_dlpack full full_like
    greater greater_equal hypot iinfo imag inf int16 int32 int64 int8 isdtype isfinite isinf isnan less less_equal linspace
    log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul matrix_transpose max maximum mean
    meshgrid min minimum moveaxis multiply nan negative newaxis nextafter nonzero not_equal ones ones_like permute_dims pi
    positive pow prod real reciprocal remainder repeat reshape result_type roll round searchsorted sign signbit sin sinh sort
    sqrt square squeeze stack std subtract sum take take_along_axis tan tanh tensordot tile tril triu trunc uint16 uint32
    uint64 uint8 unique_all unique_counts unique_inverse unique_values unstack var vecdot where zeros zeros_like linalg
    """.split()  # noqa: SIM905  # a list as the standard has it
)
ALGEBRA = frozenset(
    """
    cholesky cross det diagonal eigh eigvalsh inv matmul matrix_norm matrix_power matrix_rank matrix_transpose outer pinv qr
    slogdet solve svd svdvals tensordot trace vecdot vector_norm
    """.split()  # noqa: SIM905  # a list as the standard has it
)


class Namespace(ModuleType):
    """The functions of the standard that secret arrays have, under its names; each is NumPy's own."""

    def __init__(self, name: str, plain: Any, standard: frozenset[str], prefix: str = "") -> None:
        super().__init__(name)
        self._plain, self._standard, self._prefix = plain, standard, prefix

    def __dir__(self) -> list[str]:
        return sorted(name for name in self._standard if self._supports(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name == "linalg" and not self._prefix:
            return Namespace("secret arrays' linalg", np.linalg, ALGEBRA, "linalg.")
        if not self._supports(name):
            self._refuse(name)
        return getattr(self._plain, name)

    def _supports(self, name: str) -> bool:
        if name not in self._standard:
            return False
        if not self._prefix and (name in PUBLIC or name == "linalg"):
            return True
        canonical = self._prefix + getattr(getattr(self._plain, name), "__name__", name)
        return canonical in {*names.FUNCTIONS, *names.UFUNCS, *UFUNCS, *FUNCTIONS}

    def _refuse(self, name: str) -> NoReturn:
        why = "not supported on secret arrays" if name in self._standard else "not in the array API standard"
        what = f"{self._prefix}{name} is {why}."
        do = NEAREST.get(name, similar(name, dir(self)))
        raise NoSuchAttribute(what, where=script_line(), do=do)


def agreed(x: Secret, version: str | None) -> Namespace:
    """The namespace of secret arrays; a version of the standard that it does not follow is refused."""
    if version is not None and version not in VERSIONS:
        refuse(x, f"version {version!r} of the array API standard", f"one of {', '.join(VERSIONS)}")
    return Namespace("secret arrays", np, STANDARD)
