"""What every secret array has in common: shape, structure, NumPy's protocol, and the refusal to reveal by accident."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from mpc.errors import Mistyped, UsageError
from mpc.lines import script_line
from mpc.sharing.node import Shape, ShapeError, broadcast, matmul_shape
from mpc.unknown import Unknown
from protocols.numbers.advice import CHOICE, INDEX, NEAREST, POWER, REDUCED, REVEAL, REVEALED, TOGETHER, similar
from protocols.numbers.advice import DIVIDE as DIVIDE  # for the modules above, too
from protocols.numbers.methods import Methods
from protocols.numbers.structure import TELLING, Structured, fitting, named
from protocols.numbers.structure import refuse as refuse  # what the modules above refuse with

UFUNCS = {
    "add": "plus", "subtract": "minus", "multiply": "times", "true_divide": "over", "divide": "over", "matmul": "matmul",
    "negative": "negated", "positive": "itself", "absolute": "absolute", "square": "squared", "power": "raised",
    "less": "less", "less_equal": "less_equal", "greater": "greater", "greater_equal": "greater_equal",
    "equal": "equal", "not_equal": "not_equal",
    "bitwise_and": "both", "bitwise_or": "either", "bitwise_xor": "differ", "invert": "inverted",
    "logical_and": "both", "logical_or": "either", "logical_xor": "differ", "logical_not": "inverted",
}  # fmt: skip
LOGIC = frozenset({"both", "either", "differ"})
GENERAL = frozenset({"vecdot", "matvec", "vecmat"})  # whose operands do not broadcast as a whole
FUNCTIONS = ("sum", "mean", "transpose", "reshape", "ravel", "squeeze", "broadcast_to", "expand_dims")


class NoSuchAttribute(UsageError, AttributeError):
    """What NumPy's arrays have and secret ones do not."""


class Secret(Structured, Methods, np.lib.mixins.NDArrayOperatorsMixin):
    """A secret array: a share and what it means. Immutable."""

    __slots__ = ()

    # -- NumPy ---------------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        what, name = f"np.{ufunc.__name__}", UFUNCS.get(ufunc.__name__, "")
        if method != "__call__":
            way = REDUCED.get(f"{ufunc.__name__}.{method}", f"{what}(x[:, None], y)" if method == "outer" else supported(self, ""))
            refuse(self, f"{what}.{method}", way)
        if "where" in kwargs:
            refuse(self, f"{what} with {named(kwargs)}", "choose afterwards: np.where(mask, result, 0)")
        if kwargs:
            refuse(self, f"{what} with {named(kwargs)}", "leave it out; secret arrays are immutable: a = a + x makes a new one")
        public_only(self, what, inputs)
        if len(inputs) == 2:
            with fitting(self, what):
                extent(inputs[0]), extent(inputs[1])  # lists of lists of different lengths end here
            inputs = widened(inputs[0], inputs[1], name), widened(inputs[1], inputs[0], name)
            logical(self, what, name, inputs)
        left, right = inputs[0], inputs[-1]
        if not name:
            return self._elementary(ufunc.__name__, what, inputs)
        x, wanted = (left, name) if isinstance(left, Secret) else (right, REFLECTED.get(name, name))
        if name == "over" and isinstance(right, Secret):
            refuse(x, "division by a secret", DIVIDE, "how small a divisor can be has to be stated")
        if not hasattr(type(x), wanted):
            refuse(x, what, POWER if wanted == "raised_from" else NEAREST.get(ufunc.__name__, supported(x, ufunc.__name__)))
        if len(inputs) == 1:
            return getattr(x, wanted)()
        with fitting(x, what):
            check_shapes(name, left, right)
            return getattr(x, wanted)(right if x is left else left)

    def _elementary(self, name: str, what: str, inputs: tuple[Any, ...]) -> Any:
        """A function of numbers that is no method of theirs."""
        from protocols.numbers import names

        numbers = [v.number() if isinstance(v, Secret) and truth(v) else v for v in inputs]  # type: ignore[attr-defined]  # truth(v)
        if name not in names.UFUNCS:
            refuse(self, what, NEAREST.get(name, supported(self, name)))
        with fitting(self, what):
            if name not in GENERAL:
                broadcast(extent(numbers[0]), extent(numbers[-1]))
            return names.UFUNCS[name](*numbers)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from protocols.numbers import names

        name, what = function.__name__, f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
        public_only(self, what, (*args, *kwargs.values()))
        first = args[0] if args and isinstance(args[0], Secret) else self
        ours = function is getattr(np, name, None)
        if function is getattr(np.linalg, name, None):
            name, ours = f"linalg.{name}", True
        direct = ours and len(args) > 0 and first is args[0]
        if direct and name in ("shape", "ndim", "size") and len(args) == 1 and not kwargs:
            return getattr(first, name)
        if direct and name in FUNCTIONS and hasattr(type(first), name):
            call, rest = getattr(first, name), args[1:]
        elif ours and name in names.FUNCTIONS:
            call, rest = names.FUNCTIONS[name], args
        else:
            early = "give the secret array as the first argument" if ours and name in FUNCTIONS else supported(first, name)
            refuse(first, what, NEAREST.get(name, NEAREST.get(function.__name__, early)))
        try:
            inspect.signature(call).bind(*rest, **kwargs)
        except TypeError as error:
            refuse(first, f"{what} called in this way: {error}", f"its arguments here: {inspect.signature(call)}")
        with fitting(first, what):
            return call(*rest, **kwargs)

    def __array_namespace__(self, *, api_version: str | None = None) -> Any:
        """The functions of the Python array API standard that take secret arrays; the others refuse by name."""
        from protocols.numbers import namespace

        return namespace.agreed(self, api_version)

    def _fresh(self, other: Any) -> Any:
        """`x += 1` is `x = x + 1`: Python falls back to that, and x becomes a new array."""
        return NotImplemented

    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ifloordiv__ = __imod__ = __ipow__ = __imatmul__ = _fresh
    __iand__ = __ior__ = __ixor__ = __ilshift__ = __irshift__ = _fresh

    # -- refusals --------------------------------------------------------------------------------------------------------------

    if not TYPE_CHECKING:  # a type checker is to know what there is

        def __getattr__(self, name: str) -> NoReturn:
            if name in Structured.__slots__:  # half made: there is no shape to tell
                raise AttributeError(name)
            what = f"A secret {type(self).__name__} of shape {self.shape} has no {name}."
            do = NEAREST.get(name, similar(name, _attributes(self)))
            raise NoSuchAttribute(what, where=f"{self.s.name}, {script_line()}", do=do)

    def __repr__(self) -> str:
        return f"<secret {type(self).__name__} {self.shape}>"

    def __format__(self, form: str) -> str:
        if form:  # digits are asked for
            refuse(self, f"the format {form!r}", REVEAL)
        return repr(self)

    def __bool__(self) -> bool:
        refuse(self, "bool()", CHOICE)

    def __float__(self) -> float:
        refuse(self, "float()", f"use np.sqrt, np.log and so on in place of math.sqrt, math.log; {TOGETHER}; {REVEAL}")

    def __int__(self) -> int:
        refuse(self, "int()", REVEAL)

    def __complex__(self) -> complex:
        refuse(self, "complex()", REVEAL)

    def __index__(self) -> int:
        refuse(self, "use as an index", self._position() + REVEAL)

    def __round__(self, _: Any = None) -> NoReturn:
        refuse(self, "round()", REVEALED)

    def __trunc__(self) -> NoReturn:
        refuse(self, "math.trunc(), math.floor() and math.ceil()", REVEALED)

    __floor__ = __ceil__ = __trunc__

    def as_integer_ratio(self) -> NoReturn:
        """Refused: statistics and fractions ask for it."""
        refuse(self, "exact fractions", f"use x.mean(), x.var(), x.std() in place of the module statistics; {REVEAL}")

    def __bytes__(self) -> bytes:
        refuse(self, "conversion to bytes", REVEAL)

    def __buffer__(self, _: int) -> NoReturn:
        refuse(self, "use as a buffer", REVEAL)

    def __fspath__(self) -> str:
        refuse(self, "use as a path or an argument of a program", REVEAL)

    def __hash__(self) -> int:
        what = f"A secret {type(self).__name__} of shape {self.shape} cannot be hashed."
        do = "sets, dict keys and caches compare values; use positions or names as keys, and np.where to choose"
        raise Mistyped(what, where=f"{self.s.name}, {script_line()}", why="it compares elementwise, in secret", do=do)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        refuse(self, "conversion to a plain NumPy array", f"{self._position()}{TOGETHER}; {REVEAL}")

    def _position(self) -> str:
        """What to write where whole numbers were meant as positions in a plain array."""
        return INDEX if getattr(self, "whole", False) else ""

    def __reduce_ex__(self, _: Any) -> NoReturn:
        refuse(self, "pickling or copying", "secret arrays are immutable and need no copy; to store one, reveal it")

    def __contains__(self, _: object) -> bool:
        refuse(self, "`in`", "whether it occurs is a secret truth value: (x == value).sum() > 0", TELLING)

    def item(self, *_: int) -> NoReturn:
        """Refused: it would reveal an element."""
        refuse(self, "item()", REVEAL)

    def tolist(self) -> NoReturn:
        """Refused: it would reveal every element."""
        refuse(self, "tolist()", REVEAL)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        refuse(self, "assignment into it", "make a new array: x = x.at[key].set(value), or np.where(condition, value, x)")

    def __delitem__(self, key: object) -> NoReturn:
        refuse(self, "deletion in it", "np.concatenate([x[:k], x[k + 1 :]]) is x without element k")


REFLECTED = {
    "minus": "minus_from", "over": "over_into", "matmul": "matmul_from", "raised": "raised_from",
    "less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal",
}  # fmt: skip


def supported(x: Secret, name: str) -> str:
    """Which NumPy names work on this kind of array in place of one that does not."""
    from protocols.numbers import names

    methods = [u for u, method in UFUNCS.items() if hasattr(type(x), method)] + [f for f in FUNCTIONS if hasattr(type(x), f)]
    return similar(name, {*methods, *names.UFUNCS, *names.FUNCTIONS})


def _attributes(x: Secret) -> list[str]:
    """What NumPy's arrays have and this one, too."""
    return [name for name in dir(np.ndarray) if not name.startswith("_") and hasattr(type(x), name)]


def check_shapes(name: str, left: Any, right: Any) -> None:
    """Raise ShapeError where the operands of an operator do not fit, before anything is computed from them."""
    a, b = extent(left), extent(right)
    if name != "matmul":
        broadcast(a, b)
        return
    if not a or not b:
        raise ShapeError("@ takes arrays with one axis or more; a number is multiplied with *")
    try:
        matmul_shape(a if len(a) > 1 else (1, *a), b if len(b) > 1 else (*b, 1))
    except ShapeError:
        raise ShapeError(f"shapes {a} and {b} do not fit a matrix product") from None


def extent(value: Any) -> Shape:
    """The shape of an operand, secret or public."""
    if isinstance(value, Secret):
        return value.shape
    try:
        return np.shape(value)
    except ValueError:
        raise ShapeError("the rows of a list differ in length") from None


def truth(x: Any) -> bool:
    """Whether x is an array of truth values, secret or public."""
    return hasattr(type(x), "number") if isinstance(x, Secret) else np.asarray(x).dtype == np.bool_


def widened(x: Any, other: Any, name: str) -> Any:
    """A Bool as the numbers 0 and 1 where the other operand is a number and the operation one of numbers, or a count, as @ is."""
    if not isinstance(x, Secret) or not truth(x) or not name or name in LOGIC or (truth(other) and name != "matmul"):
        return x
    return x if hasattr(type(x), name) and name not in ("equal", "not_equal") else x.number()  # type: ignore[attr-defined]  # truth(x)


def logical(x: Secret, what: str, name: str, operands: tuple[Any, ...]) -> None:
    """Refuse numbers in logic, and truth values in sums."""
    if name in LOGIC and not all(truth(operand) for operand in operands):
        refuse(x, f"{what} with numbers", "compare them first, so that both sides are truth values: x > 0, or array != 0")
    if name in ("plus", "minus") and all(truth(operand) for operand in operands):
        refuse(x, f"{what} of truth values", "use | & ^, count with .sum(), or multiply one by 1 for numbers")


def public_only(x: Secret, what: str, operands: Any) -> None:
    """Refuse a stand-in of the plan among the operands: its value would become part of the program."""
    for operand in operands:
        if isinstance(operand, Unknown):
            refuse(x, f"{what} with a revealed value", "pass that through public(s, value, from_=..., bound=...)")
        if isinstance(operand, list | tuple):
            public_only(x, what, operand)
