"""What a session has saved in shares, as the schema of a later one declares it: public, and the same text at every party."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from mpc.errors import IntegrityError, UsageError
from mpc.origin import Behind, Origin
from mpc.party import NAME, check_name

if TYPE_CHECKING:
    from mpc.ring import Array

WORDS = 1 << 24  # of one saved model at most: 128 MB at each party
FARTHEST = 256  # bits between a number's unit and 1
RING = 62  # bits of a number's limit
TEXT = 1 << 16  # characters of a model's parameters
LETTERS, ROWS = 200, 1 << 48  # characters of a table's name, and its rows, at most
TABLE = "saved "  # before its name: what its shares are called as they enter


class Piece(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One array of a model: value = word * 2^-fraction, |word| <= limit; `extra` bits of it can be dropped."""

    name: str
    kind: Literal["Fixed", "Int"]
    shape: tuple[int, ...]
    fraction: int
    limit: int
    extra: int = 0

    @property
    def size(self) -> int:
        """How many words it has."""
        return math.prod(self.shape)


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table that a model was made of, as it was then; `keyed` where its rows were those of other tables with a key as well."""

    owner: str
    name: str
    rows: int
    keyed: bool


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What everybody may know of a saved model: of which class, with which parameters and other public facts, in JSON, and arrays;
    among whom it is shared; and of which tables it was made, directly or through models saved before."""

    model: str
    facts: str
    parties: tuple[str, ...]
    tables: tuple[Made, ...]
    arrays: tuple[Piece, ...]

    @property
    def words(self) -> int:
        """Of each party's share."""
        return sum(piece.size for piece in self.arrays)

    def problem(self) -> str:
        """Why this can be no saved model; empty if it can."""
        if not self.model.isidentifier() or len(self.facts) > TEXT or not self.facts.isprintable():
            return "its model or its facts are not sound"
        if not self.parties or len({*self.parties}) < len(self.parties) or not all(map(NAME.fullmatch, self.parties)):
            return "it is shared among no possible parties"
        if not self.arrays or len({piece.name for piece in self.arrays}) < len(self.arrays):
            return "it has no arrays, or two of one name"
        if len({*self.tables}) < len(self.tables) or not all(self._possible(one) for one in self.tables):
            return "a table that it was made of is none, or stands there twice"
        for piece in self.arrays:
            if len(piece.shape) > 8 or any(not 0 <= extent <= WORDS for extent in piece.shape) or not piece.name.isprintable():
                return "an array has no possible shape or name"
            if abs(piece.fraction) > FARTHEST or not 1 <= piece.limit < 1 << RING or not 0 <= piece.extra < RING:
                return "an array has no possible scale or bound"
        return "" if 0 < self.words <= WORDS else f"it has {self.words:,} numbers; 1 to {WORDS:,} can be saved"

    def _possible(self, one: Made) -> bool:
        return one.owner in self.parties and one.name.isprintable() and 0 < len(one.name) <= LETTERS and 0 <= one.rows <= ROWS


class Saved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One [saved.NAME] section: `id` was drawn when it was saved, and no other saved model has it."""

    name: str
    id: str
    card: Card

    @property
    def table(self) -> str:
        """What each party's share is called as it enters."""
        return TABLE + self.name

    @property
    def behind(self) -> Origin:
        """The tables that it was made of, as what depends on them through it knows them."""
        return frozenset(Behind(one.owner, one.name, one.rows, self.name) for one in self.card.tables)

    def rows(self, party: str) -> int:
        """Of the shortest of the tables that it was made of, of this party's own if there are any; else its words."""
        own = [one.rows for one in self.card.tables if one.owner == party]
        return min(own or [one.rows for one in self.card.tables] or [self.card.words])

    def problem(self) -> str:
        """Why this can be no saved model; empty if it can."""
        try:
            check_name(self.name)
        except UsageError as error:
            return str(error.what)
        return self.card.problem() or ("" if _is_id(self.id) else "its id is not 64 hexadecimal digits")

    def lines(self) -> str:
        """The section, for the schemas of later sessions."""
        pieces = [
            f"  {{ name = {_text(p.name)}, kind = {_text(p.kind)}, shape = {list(p.shape)}, fraction = {p.fraction}, "
            f"limit = {p.limit}, extra = {p.extra} }},"
            for p in self.card.arrays
        ]
        parties = ", ".join(map(_text, self.card.parties))
        tables = [
            f"  {{ owner = {_text(t.owner)}, name = {_text(t.name)}, rows = {t.rows}, keyed = {str(t.keyed).lower()} }},"
            for t in self.card.tables
        ]
        head = [f"[saved.{self.name}]", f"id = {_text(self.id)}", f"model = {_text(self.card.model)}"]
        head += [f"facts = {_text(self.card.facts)}", f"parties = [{parties}]"]
        return "\n".join([*head, "tables = [", *tables, "]", "arrays = [", *pieces, "]"]) + "\n"


@dataclass(frozen=True)
class Share:
    """One party's share of a saved model, and of which one it is."""

    saved: Saved
    words: Array

    def of(self, declared: Saved, party: str) -> Array:
        """Its words, if it is of the very model that the schema declares; IntegrityError if not."""
        if self.saved != declared or self.words.shape != (declared.card.words,):
            raise IntegrityError(
                f"{party} has another version of the saved model {declared.name!r}.",
                where=party,
                why=f"the schema declares {declared.id[:16]}, and this is {self.saved.id[:16]}",
                do="let all parties use shares of one save, and the [saved] section that it printed",
            )
        return self.words


def read_card(text: str | bytes) -> Card:
    """A card from the JSON that a script saves it as; UsageError for what is no sound one."""
    try:
        card = msgspec.json.decode(text, type=Card)
        why = card.problem()
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = f"it is malformed: {type(error).__name__}"
    if why:
        raise UsageError("This cannot be saved.", why=why)
    return card


def stated(name: str, mark: str, card: str) -> Saved | None:
    """What somebody says that is saved; None if it cannot be."""
    try:
        found = Saved(name, mark, read_card(card))
    except UsageError:
        return None
    return None if found.problem() else found


def saved_section(name: str, value: object, where: str) -> Saved:
    """A [saved.NAME] section of a schema; UsageError if it is not a sound one."""
    try:
        found = msgspec.convert({"name": name, **_split(value)}, Saved)
        why = found.problem()
    except (msgspec.ValidationError, TypeError) as error:
        why = str(error)
    if why:
        do = f"put what mpc saved section {name} prints in its place, at every party"
        raise UsageError(f"bad [saved.{name}]", where=where, why=why, do=do)
    return found


def _split(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("it is not a section")
    return {"id": value.get("id"), "card": {key: content for key, content in value.items() if key != "id"}}


def _is_id(text: str) -> bool:
    return len(text) == 64 and not text.strip("0123456789abcdef")


def _text(text: str) -> str:
    return msgspec.json.encode(text).decode()  # of printable text, TOML's basic strings are JSON's
