"""What a correlation is: a pure function of masks, with fields for the masks and for program constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpc.kernel import Kernel
from mpc.ring import Ring, Value
from mpc.sharing.node import Shape
from mpc.sharing.share import Share

Output = tuple[Ring, Shape]


@dataclass(frozen=True)
class Correlation:
    """Base of all descriptions. Fields that are shares must be masks or structural views of masks; the others are integers."""

    @property
    def masks(self) -> tuple[Share, ...]:
        """The masks it is a function of."""
        return tuple(v for v in self._values() if isinstance(v, Share))

    @property
    def params(self) -> tuple[Any, ...]:
        """The program constants it depends on."""
        return tuple(v for v in self._values() if not isinstance(v, Share))

    def _values(self) -> list[Any]:
        return [getattr(self, name) for name in self.__dataclass_fields__]  # faster than fields(), which counts

    @staticmethod
    def outputs(*shapes_and_params: Any) -> tuple[Output, ...]:
        """Ring and shape of each result, from the masks' shapes and the constants."""
        raise TypeError("an abstract correlation has no outputs")

    @staticmethod
    def compute(kernel: Kernel, *values_and_params: Any) -> tuple[Value, ...]:
        """The results in the clear, from the masks' values and the constants."""
        raise TypeError("an abstract correlation computes nothing")
