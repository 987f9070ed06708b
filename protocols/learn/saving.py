"""Models kept in shares: saved by one session, and taken up by a later one of the same parties. Nothing of them is revealed."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np

from mpc.data.saved import Card, Piece, Saved
from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.party import check_name
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import concat
from protocols.learn.base import Estimator
from protocols.numbers import Fixed, Int, Number, Secret
from protocols.numbers.doors import check_assumptions, schema_of

Model = TypeVar("Model", bound=Estimator)
ARRAY, PAIRS = "array", "tuple"  # how a secret array and a tuple stand among the public facts


def save(s: Session, model: Estimator, name: str) -> None:
    """Save a fitted model under a public name: each party keeps a share of it, sealed for its own key. One round.

    What was assumed so far is checked first. The session prints a [saved.NAME] section, for the schemas of the sessions that are
    to use the model; `load_model` does. Class, parameters, shapes, bounds and scales of a saved model are public.
    """
    check_name(name)
    arrays: dict[str, Number] = {}
    state = {key: _told(key, value, arrays) for key, value in sorted(vars(model).items()) if key not in model._passing}
    if not arrays:
        raise UsageError(f"{model!r} holds nothing secret to save.", where=script_line(), do="call fit first")
    level = {key: _level(x) for key, x in arrays.items()}
    facts = msgspec.json.encode(state).decode()
    pieces = tuple(Piece(key, _kind(x), x.shape, int(x.frac), x.limit, min(x.extra, 61)) for key, x in level.items())
    card = Card(type(model).__name__, facts, s.parties, pieces)
    if why := card.problem():
        raise UsageError(f"{model!r} cannot be saved.", where=script_line(), why=why)
    check_assumptions(s)
    s.save(concat([x.share.reshape((-1,)) for x in level.values()]), name, msgspec.json.encode(card).decode())


def load_model(s: Session, name: str, kind: type[Model]) -> Model:
    """The model that was saved under this name, an estimator of class `kind`, as it was: every party brings its own share.

    The schema's [saved.NAME] says which save it is; the session does not begin where a party has another one.
    """
    saved = schema_of(s).saved_as(name)
    if saved.card.model != kind.__name__:
        what = f"What is saved as {name!r} is a {saved.card.model}, not a {kind.__name__}."
        raise UsageError(what, where=script_line(), do=f"write load_model(s, {name!r}, {saved.card.model})")
    arrays = _arrays(s, saved)
    model = kind()
    facts = _facts(saved)
    if set(facts) != set(vars(model)) - set(kind._passing):
        what, do = f"What is saved as {name!r} was made by another version of {kind.__name__}.", "fit and save it again"
        raise UsageError(what, where=script_line(), do=do)
    for key, value in facts.items():
        setattr(model, key, _taken(value, arrays))
    return model


def _arrays(s: Session, saved: Saved) -> dict[str, Number]:
    """Every party's share enters as its private input; their sum is the model, under masks that are new."""
    count, at = saved.card.words, 0
    found: dict[str, Number] = {}
    shares = [s.input(party, saved.table, (count,), _words) for party in s.parties]
    whole = shares[0]
    for share in shares[1:]:
        whole = whole + share
    for piece in saved.card.arrays:
        kind = Int if piece.kind == "Int" else Fixed
        share = whole[at : at + piece.size].reshape(piece.shape)
        found[piece.name] = kind(s, share, piece.fraction, piece.limit, piece.extra)
        at += piece.size
    return found


def _words(share: Array) -> Array:
    """A share as it is: it came as words."""
    return share


def _level(x: Number) -> Number:
    """x with one scale for all elements, without digits that are noise."""
    level = x.quiet()
    level = level if isinstance(level.frac, int) else level.reduced()
    return level.even(tuple(range(level.ndim)))


def _kind(x: Number) -> Any:
    return "Int" if isinstance(x, Int) else "Fixed"


def _told(key: str, value: Any, arrays: dict[str, Number]) -> Any:
    """A public fact as it is; a secret array by its name, put aside."""
    if isinstance(value, Number):
        arrays[key] = value
        return {ARRAY: key}
    if isinstance(value, tuple):
        return {PAIRS: [_told(f"{key}.{k}", part, arrays) for k, part in enumerate(value)]}
    if isinstance(value, np.ndarray | np.generic):
        return _told(key, value.tolist(), arrays)
    if isinstance(value, list) and not any(isinstance(part, Secret) for part in value):
        return value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"{key.strip('_')} of this model cannot be saved.", where=script_line(), why=f"it is a {type(value).__name__}")


def _facts(saved: Saved) -> dict[str, Any]:
    try:
        return msgspec.json.decode(saved.card.facts, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise UsageError(f"bad facts in [saved.{saved.name}]", do="write the section as it was printed") from None


def _taken(value: Any, arrays: dict[str, Number]) -> Any:
    if isinstance(value, dict):
        ((how, content),) = value.items() if len(value) == 1 else ((None, None),)
        if how == ARRAY and content in arrays:
            return arrays[content]
        if how == PAIRS and isinstance(content, list):
            return tuple(_taken(part, arrays) for part in content)
        raise UsageError("The facts of a saved model do not fit its arrays.", where=script_line())
    return value
