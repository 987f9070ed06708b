"""Models kept in shares: saved by one session, and taken up by a later one of the same parties. Nothing of them is revealed."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import numpy as np

from mpc.data.saved import Card, Made, Piece, Saved
from mpc.errors import UsageError
from mpc.lines import script_line
from mpc.origin import Behind
from mpc.party import check_name
from mpc.ring import Array
from mpc.session import Session
from mpc.sharing.share import concat
from protocols.learn.base import Estimator
from protocols.numbers import Fixed, Int, Number, Secret, limits
from protocols.numbers.doors import check_assumptions, schema_of
from protocols.numbers.joining import joined

Model = TypeVar("Model", bound=Estimator)
ARRAY, PAIRS, PARTS = "array", "tuple", "parts"  # how a secret array, a tuple, and an array of several scales stand among facts


def save(s: Session, model: Estimator, name: str) -> None:
    """Save a fitted model under a public name: each party keeps a share of it, sealed for its own key. One round.

    What was assumed so far is checked first, which tells everybody one bit, as before a reveal. The session prints a [saved.NAME]
    section, for the schemas of the sessions that are to use the model; `load_model` does. Class, parameters, shapes, bounds and
    scales of a saved model are public, and so are the tables that it was made of: release rules of later sessions count what is
    revealed of it as depending on them.
    """
    if not isinstance(model, Estimator):
        do = "of arrays: fit a model, or reveal them to who needs them; save(s, model, name) takes the model second"
        raise UsageError(f"save keeps a fitted model, not a {type(model).__name__}.", where=script_line(), do=do)
    check_name(name)
    arrays: dict[str, Number] = {}
    state = {key: _told(key, value, arrays) for key, value in sorted(vars(model).items()) if key not in model._passing}
    if not arrays:
        raise UsageError(f"{model!r} holds nothing secret to save.", where=script_line(), do="call fit first")
    facts = msgspec.json.encode(state).decode()
    pieces = tuple(Piece(key, _kind(x), x.shape, int(x.frac), x.limit, min(x.extra, 61)) for key, x in arrays.items())
    card = Card(type(model).__name__, facts, s.parties, _made_of(s, arrays), pieces)
    if why := card.problem():
        raise UsageError(f"{model!r} cannot be saved.", where=script_line(), why=why)
    check_assumptions(s)
    s.save(concat([x.share.reshape((-1,)) for x in arrays.values()]), name, msgspec.json.encode(card).decode())


def _made_of(s: Session, arrays: dict[str, Number]) -> tuple[Made, ...]:
    """The tables that any of these depends on, also through models saved before."""
    schema = schema_of(s)
    found = frozenset[Behind]().union(*[x.share.node.origin for x in arrays.values()])
    keyed = {one[:3]: schema.keyed(one) for one in sorted(found, key=schema.keyed)}
    return tuple(Made(*place, key) for place, key in sorted(keyed.items()))


def load_model(s: Session, name: str, kind: type[Model]) -> Model:
    """The model that was saved under this name, an estimator of class `kind`, as it was: every party brings its own share.

    The schema's [saved.NAME] says which save it is; the session does not begin where a party has another one.
    """
    if not (isinstance(kind, type) and issubclass(kind, Estimator)):
        do = f"write load_model(s, {name!r}, LogisticRegression), or whichever class it is of"
        raise UsageError("load_model takes the class of the model last.", where=script_line(), do=do)
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


def _kind(x: Number) -> Any:
    return "Int" if isinstance(x, Int) else "Fixed"


def _told(key: str, value: Any, arrays: dict[str, Number]) -> Any:
    """A public fact as it is; a secret array by its name, put aside."""
    if isinstance(value, Number):
        return _kept(key, value.quiet(), arrays)
    if isinstance(value, tuple):
        return {PAIRS: [_told(f"{key}.{k}", part, arrays) for k, part in enumerate(value)]}
    if isinstance(value, np.ndarray | np.generic):
        return _told(key, value.tolist(), arrays)
    if isinstance(value, list) and not any(isinstance(part, Secret) for part in value):
        return value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"{key.strip('_')} of this model cannot be saved.", where=script_line(), why=f"it is a {type(value).__name__}")


def _kept(key: str, x: Number, arrays: dict[str, Number]) -> Any:
    """An array of one scale and limit; or as many as there are along the first axis along which they differ, and which is where."""
    apart = set(range(x.ndim)) - set(limits.alike(x.ndim, x.limits, np.asarray(x.fracs)))
    if not apart:
        arrays[key] = x
        return {ARRAY: key}
    axis = min(apart)
    scales = [np.moveaxis(np.broadcast_to(np.asarray(one, dtype=object), x.shape), axis, 0) for one in (x.fracs, x.limits)]
    groups: dict[str, list[int]] = {}
    for place in range(x.shape[axis]):
        groups.setdefault(str([limits.compact(np.asarray(one[place])).tolist() for one in scales]), []).append(place)
    parts = [(f"{key}.{k}", x.take(np.array(places), axis)) for k, places in enumerate(groups.values())]
    return {PARTS: [axis, list(groups.values()), [_kept(name, part, arrays) for name, part in parts]]}


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
        if how == PARTS and isinstance(content, list) and len(content) == 3:
            return _put_together(content, arrays)
        raise UsageError("The facts of a saved model do not fit its arrays.", where=script_line())
    return value


def _put_together(content: list[Any], arrays: dict[str, Number]) -> Any:
    """An array from its parts; UsageError where public facts are not those of one."""
    axis, groups, parts = content
    found = [_taken(part, arrays) for part in parts]
    places = [place for group in groups for place in group]
    fits = [isinstance(x, Number) and 0 <= axis < x.ndim and x.shape[axis] == len(of) for x, of in zip(found, groups, strict=True)]
    if not all(fits) or sorted(places) != list(range(len(places))):
        raise UsageError("The facts of a saved model do not fit its arrays.", where=script_line())
    return joined(found, axis).take(np.argsort(places), axis)
