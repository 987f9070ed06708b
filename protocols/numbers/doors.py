"""The doors: data come in through `load`, results leave through `reveal`; between them nothing has a plain value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.assumption import Assumption, statements
from mpc.data.schema import Schema, Table
from mpc.errors import IntegrityError, RangeError, UsageError
from mpc.lines import called_by_library, script_line
from mpc.ring import BIT, Array
from mpc.session import ASSUMED, RELEASED, Hidden, Session
from mpc.sharing.share import Share, concat
from mpc.unknown import Unknown
from protocols import bits, release
from protocols.numbers import limits
from protocols.numbers.arrays import Bool, Fixed, Int, Number
from protocols.numbers.encoding import GUARD, RING_BITS, neighbours, precision
from protocols.numbers.layout import Layout
from protocols.numbers.pending import way_of
from protocols.numbers.precision import note, warn_if_coarse
from protocols.numbers.rules import Check, Leaving, gate
from protocols.numbers.secret import Secret
from protocols.numbers.structure import explained

WHICH = (
    "one of these does not hold for the data, and here it is not revealed which: mpc run --debug, or run_local(..., debug=True), "
    "says that, on data of your own"
)
GENERALLY = "check the data; state a smaller low, a larger high or a wider bound; in training, lower the rate"


@explained
def load(s: Session, owner: str, name: str) -> Number | Bool:
    """The owner's table as a secret array: only the owner opens its file; the others know the schema.

    Its columns are `s.context.table(owner, name).features`: a category is one column a value, 1 where it holds; a date is the
    days since its first; a column with an indicator is followed by it. Real columns become fixed-point numbers with 20 bits, 4
    more than the schema's precision, below their declared bound, rounded up to a power of two; a table of whole numbers, days and
    categories becomes Int, one of truth values alone Bool. Raises UsageError for an unknown owner or table.
    """
    return loaded(s, schema_of(s).table(owner, name))


def schema_of(s: Session) -> Schema:
    """The schema that gives columns their meaning; UsageError in a session that has none."""
    if not isinstance(s.context, Schema):
        raise UsageError("This session has no schema.", do="put a schema.toml beside the script")
    return s.context


def loaded(s: Session, table: Table, order: npt.NDArray[np.int64] | None = None) -> Number | Bool:
    """What the owner holds under the table's name, at the scale of the table's bounds; the owner puts its rows in `order`."""

    def rows(x: Array) -> Array:
        return x if order is None else x[order]

    owner, name = table.owner, table.name
    if table.type == "real":
        reals = np.array([feature.type == "real" for feature in table.features])
        digits = precision(s) + GUARD
        frac = np.array([digits - ceil_log2(bound) for bound in table.bounds], dtype=np.int64)
        frac = np.where(reals, frac, np.maximum(frac, 0))  # whole numbers stay exact beside reals
        if np.abs(frac).max() > 256:
            raise UsageError(
                f"A bound of table {name!r} is not of a usable size.", where=owner, do="choose another unit for the column"
            )
        extra = int(np.min(frac[~reals], initial=GUARD))
        if table.vector:
            frac = frac[0]
        share = s.input(owner, name, table.shape, lambda x: encode(s, rows(x), frac))
        limits = [
            1 << digits if real else int(b) << int(f) for b, f, real in zip(table.bounds, np.atleast_1d(frac), reals, strict=True)
        ]
        frac = np.broadcast_to(frac, table.shape) if np.ndim(frac) else frac
        return Fixed(s, share, frac, limits[0] if table.vector else np.array(limits), extra)
    if table.type == "bool":
        return Bool(s, s.input(owner, name, table.shape, lambda x: rows(x).astype(np.uint8), BIT))
    share = s.input(owner, name, table.shape, lambda x: encode(s, rows(x), 0))
    made = Int(s, share, 0, np.array([max(1, int(bound)) for bound in table.bounds]))
    return made.counting(all(column.type in ("category", "bool") for column in table.columns))


def encode(s: Session, x: npt.NDArray[Any], frac: Any) -> Array:
    """Ring words of x with `frac` fraction bits, rounded to nearest; RangeError where one is not below 2^62."""
    words, outside = s.kernel.encode(np.asarray(x, dtype=np.float64), np.asarray(frac, dtype=np.int64))
    if outside:
        do = "check the data against the schema's bounds"
        raise RangeError(
            f"{outside} numbers cannot be held.", where=f"{s.name}, {script_line()}", why="they are 2^62 units or more", do=do
        )
    return words


def ceil_log2(x: float) -> int:
    """The smallest integer e with x <= 2^e, exactly."""
    mantissa, exponent = math.frexp(x)
    return exponent - (mantissa == 0.5)


def decode(s: Session, words: Any, frac: Any, limit: int) -> tuple[Any, int]:
    """The numbers that revealed words mean, and how many are beyond their limit; of a stand-in, a stand-in."""
    if isinstance(words, np.ndarray):
        return s.kernel.decode(words, np.asarray(frac, dtype=np.int64), limit)
    return words.astype(np.int64) * np.exp2(-np.asarray(frac, dtype=np.float64)), 0


@explained
def public(s: Session, value: Any, from_: str, bound: float) -> Fixed:
    """One party's public number (say, computed from something revealed), made equal at all parties: 1 round.

    |value| must be at most `bound`, which is part of the program; others' values are ignored.
    """
    if not 2.0**-40 <= bound <= 2.0**40:
        raise UsageError("The bound of a public number is between 2^-40 and 2^40.", where=script_line(), do="scale the number")
    size = ceil_log2(bound)
    frac = min(precision(s) + max(0, -size), RING_BITS - 2 - size)
    mine = from_ == s.name or s.alone
    if mine and isinstance(value, Hidden):
        do = f"name one of {', '.join(value.receivers)}, or reveal it to {from_} as well"
        raise UsageError(f"{from_} cannot publish what it has not received: {value!r}.", where=f"{s.name}, {script_line()}", do=do)
    known = mine and not isinstance(value, Unknown)
    shape = value.shape if isinstance(value, Hidden | Unknown) else np.shape(value)
    if known and np.asarray(value).dtype.kind not in "biuf":
        raise UsageError(
            f"A {type(value).__name__} is not what public publishes.", where=script_line(), do="give numbers, or an array"
        )
    plain = np.asarray(value, dtype=np.float64) if known else np.zeros(shape)
    if not (np.abs(plain) <= bound).all():
        what, why = (
            "A public value is outside its stated bound.",
            f"{from_} publishes what is not at most {bound:g}, or not a number",
        )
        raise RangeError(what, where=f"{s.name}, {script_line()}", why=why, do="state a wider bound, or look at how it came about")
    words = encode(s, plain, frac)
    return Fixed(s, s.embed(s.public(words, from_)), frac, math.ceil(bound * 2**frac))


@explained
def assume_bound(x: Number, bound: float, why: str = "") -> Number:
    """x with a tighter bound than could be proved. Checked on shares: one bit for all assumptions precedes the next reveal.

    `why` says what it means where it does not hold.
    """
    if not isinstance(x, Number) or not 0 < bound < math.inf:
        raise UsageError("assume_bound takes secret numbers and one positive number.", where=script_line())
    x = x.quiet()
    stated = neighbours(float(bound), x.fracs, x.limit)[0]  # 0 below the resolution: only zeros are within that
    held = x.limit if x.spans is None else limits.once(x.spans)
    if np.all(held <= stated):
        return x
    edges: list[Any] = [-int(stated), int(stated) + 1] if np.ndim(stated) == 0 else [
        np.broadcast_to(end.astype(np.int64).astype(np.uint64), x.shape) for end in (-stated, stated + 1)
    ]  # fmt: skip
    shifted = bits.at_least(x.s, x.share, edges, x.limit.bit_length() + 1)
    own = not called_by_library(wrapped=1)
    x.s.assume(shifted[0] + shifted[1], why or f"assume_bound states |x| <= {bound:g}", stated=own)
    return x._limited(np.maximum(np.minimum(stated, held), 1))


def worded(s: Session, why: str) -> None:
    """Say in the caller's words what the last assumption means, which a function has made that never makes none."""
    s.assumptions[-1] = replace(s.assumptions[-1], what=why, do="")


def check_assumptions(s: Session) -> None:
    """Reveal, to all, whether every assumed bound held; RangeError where one did not. Nothing else has been revealed yet."""
    if not s.assumptions:
        return
    checked = tuple(s.assumptions)
    s.assumptions.clear()
    try:
        flags = concat([one.bits.reshape((-1,)) for one in checked])
        held = not flags.shape[0] or _told(s.verdict(release.every(s, flags), ASSUMED))
    except BaseException:
        s.assumptions[:0] = checked  # whoever catches the error still has them to pass
        raise
    if not held:
        raise s.failed(_broken([one for one in checked if not s.alone or not _plainly(one.bits).all()], alone=s.alone))


def _broken(assumptions: Sequence[Assumption], *, alone: bool) -> RangeError:
    """What is said where one of these does not hold, or where all of them do not and this run plays everybody."""
    where, do = statements(assumptions)
    return RangeError(
        "A value is outside what a function needs, or what the script assumed, so no result would be right.",
        where=where,
        why="this run plays everybody and says which; others do not" if alone else WHICH,
        do=f"{do}; {GENERALLY}" if do else GENERALLY,
    )


def _plainly(flag: Share) -> Any:
    """What a share holds in a run that plays everybody."""
    return np.asarray(flag.ring.plain(flag.ring.reduce(flag.node.value)))


def check_rules(leaving: Leaving, rules: Sequence[Check]) -> tuple[str, ...]:
    """The texts of all rules of a reveal, which hold: one bit for them all is revealed, to all, and ReleaseError where it is 0.

    Broken assumptions come first: a verdict on numbers that are not what they should be would be another function of the data.
    """
    texts, held = gate(leaving, rules)
    check_assumptions(leaving.s)
    if held is not None and not _told(leaving.s.verdict(held, RELEASED)):
        leaving.refuse(texts, "all that anybody learns is this one bit: not which of them fails, where, or by how much")
    return texts


def _told(held: Any) -> bool:
    """A verdict as a truth value; a plan goes on."""
    return bool(held[0]) if isinstance(held, np.ndarray) else True


@explained
def reveal(
    *x: Secret,
    to: str | Sequence[str] | None = None,
    label: str = "",
    columns: Sequence[str] | None = None,
    rows: Sequence[str] | None = None,
    rules: Sequence[Check] = (),
) -> Any:
    """Compute everything recorded so far and give x to the named receivers (all parties by default); Hidden elsewhere.

    `label` says what it is: people consent to it. Plain NumPy: float64 for Fixed, int64 for Int, bool for Bool; a scalar for no
    axes. All arguments travel in one round.

    With `columns`, public names, all arguments together are shown and written as one table: vectors and matrices of as many
    rows, side by side; numbers without axes, or one vector, as a single row. `rows` names the rows. What is returned is the same.

    `rules`, such as [cells(5)], and what the schema's [release] asks besides, are checked on shares first. Everybody learns a bit;
    where it is 0, the session ends with a ReleaseError, and nobody has seen anything of x.
    """
    _all_secret(x)
    s, layout = x[0].s, Layout.of([v.shape for v in x], columns, rows)
    x = tuple(v.quiet() if isinstance(v, Number) else v for v in x)
    texts = check_rules(Leaving(x, label), rules)
    words = s.reveal(*[v.share for v in x], to=to, label=label, notes=[note(v) for v in x], rules=texts)
    values = [_meaning(v, w, label) for v, w in zip(x, words if len(x) > 1 else (words,), strict=True)]
    for secret, value in zip(x, values, strict=True):
        warn_if_coarse(secret, value, label)
    for value in values if layout is None else [layout.table(values)]:
        s.announce(label, s.receivers(to), value)
    return values[0] if len(values) == 1 else tuple(values)


def _all_secret(x: tuple[Any, ...]) -> None:
    """UsageError where something else than secret arrays is to be revealed, which says how to write what was meant."""
    strange = next((v for v in x if not isinstance(v, Secret)), None)
    if x and strange is None:
        return
    do = 'reveal(x, label="what it is")'
    if isinstance(strange, str):
        do = f"the label has a name: {do}"
    elif isinstance(strange, list | tuple | dict):
        do = 'write several one after another: reveal(a, b, label="..."), with columns=["...", "..."] as one table'
    elif strange is not None:
        do = way_of(strange) or "what is not secret needs no reveal: print it"
    what = f"reveal takes secret arrays, not {'nothing' if not x else f'a {type(strange).__name__}'}."
    raise UsageError(what, where=script_line(), do=do)


@explained
def peek(x: Secret) -> Any:
    """What a secret array holds, in a debugging run, where one process plays all parties; refused in every other."""
    if not x.s.alone:
        raise UsageError("Only a debugging run shows what a secret holds.", where=script_line(), do="mpc run --debug, or reveal it")
    x.s.flush()
    return _meaning(x, _plainly(x.share).copy(), "peek")


def _meaning(x: Secret, words: Any, label: str) -> Any:
    if isinstance(words, Hidden):
        return words
    if isinstance(x, Bool):
        return words.astype(np.bool_)[()]
    if not isinstance(x, Number):
        raise UsageError(f"reveal does not know what a {type(x).__name__} means.")
    numbers, outside = decode(x.s, words, x.frac, x.limit)
    if outside:
        raise x.s.failed(
            IntegrityError(
                f"What was revealed as {label!r} is outside the range that its bounds prove.",
                where=f"{x.s.name}, {script_line()}",
                why="a party's data or arithmetic is faulty, or an earlier value left the ring",
                do="check the inputs against their declared bounds at every party; do not use this result",
            )
        )
    return words.astype(np.int64)[()] if isinstance(x, Int) else numbers[()]
