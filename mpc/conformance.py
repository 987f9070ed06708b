"""`@realizes`: what a protocol promises - functionality, domain, error, exact costs - stated beside it and tested from there."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from mpc.ring import Z64, Ring
from mpc.sharing.node import Shape

Function = TypeVar("Function", bound=Callable[..., Any])
Count = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Operand:
    """The domain of one secret argument: signed integers low..high, as elements of a ring."""

    low: int
    high: int
    ring: Ring = Z64


def signed(bits: int) -> Operand:
    """Integers of magnitude below 2^bits."""
    return Operand(-(1 << bits) + 1, (1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class Contract:
    """A protocol's promise. Costs are for fresh operands, as functions of the operands' shapes.

    `oracle` maps arrays of exact rationals to the exact result; `error` is the largest difference allowed, in units of the last
    place (0: equal in the ring); `rounds` counts exchanges, `online` the payload bytes each party sends to each peer, `dealt`
    the bytes the dealer sends in all. `shapes` are the operand shapes the grid tries, `params` the program constants.
    """

    function: Callable[..., Any]
    oracle: Callable[..., Any]
    domain: tuple[Operand, ...]
    error: float
    rounds: int
    online: Count
    dealt: Count
    shapes: tuple[tuple[Shape, ...], ...]
    params: dict[str, Any] = field(default_factory=dict)
    opened: bool = False  # whether operands already have an opened masked form
    parties: int | None = None  # the most it is for, where there is a limit: more are refused

    @property
    def name(self) -> str:
        """Module and name of the protocol, and its constants where it has any."""
        constants = ", ".join(f"{k}={v}" for k, v in self.params.items())
        state = "; operands open" if self.opened else ""
        return f"{self.function.__module__}.{self.function.__name__}" + (f"({constants}{state})" if constants or state else "")


def elementwise(operands: int) -> tuple[tuple[Shape, ...], ...]:
    """Shapes that try an elementwise protocol: several, one, none, and broadcasting where there are two operands."""
    same: list[tuple[Shape, ...]] = [(shape,) * operands for shape in ((7,), (2, 3), (1,), (), (0,))]
    return (*same, *((((4, 1), (3,)),) if operands == 2 else ()))


def realizes(
    oracle: Callable[..., Any],
    *,
    domain: Sequence[Operand],
    rounds: int,
    online: Count,
    dealt: Count,
    error: float = 0,
    shapes: tuple[tuple[Shape, ...], ...] | None = None,
    params: dict[str, Any] | None = None,
    opened: bool = False,
    parties: int | None = None,
) -> Callable[[Function], Function]:
    """Attach a contract to a protocol; changes no behaviour. May be stacked to promise several parameter choices."""

    def attach(function: Function) -> Function:
        tried = elementwise(len(domain)) if shapes is None else shapes
        contract = Contract(function, oracle, tuple(domain), error, rounds, online, dealt, tried, params or {}, opened, parties)
        function.__dict__["contracts"] = (contract, *function.__dict__.get("contracts", ()))
        return function

    return attach


def contracts(package: ModuleType) -> Iterator[Contract]:
    """Every contract stated in a package, in order of module and name."""
    for info in sorted(pkgutil.walk_packages(package.__path__, package.__name__ + "."), key=lambda info: info.name):
        module = importlib.import_module(info.name)
        for name in sorted(vars(module)):
            function = vars(module)[name]
            if getattr(function, "__module__", None) == info.name:
                yield from getattr(function, "__dict__", {}).get("contracts", ())
