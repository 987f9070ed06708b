"""The agreed schema: which party holds which table, of what shape, type and bound. Public, and the same text at every party."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import msgspec

from mpc.data.columns import Column, Feature, Table
from mpc.data.declarations import declared
from mpc.data.place import listed, suggestion
from mpc.data.saved import Saved
from mpc.errors import UsageError
from mpc.origin import Behind, Origin
from mpc.rules import NOTHING, Required
from mpc.setting import PRECISION

__all__ = ["Column", "Feature", "Schema", "Table"]


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables, sorted by owner and name, and all parties, sorted, including those that hold no data.

    `release` is what must hold before anything that depends on these tables is revealed; `precision` is how many bits every number
    keeps below its bound; `saved` is what earlier sessions have saved in shares.
    """

    tables: tuple[Table, ...]
    parties: tuple[str, ...]
    release: Required = NOTHING
    precision: int = PRECISION
    saved: tuple[Saved, ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> Schema:
        """The schema in the TOML file `path`; UsageError naming file, party, table and column if it is not a sound one."""
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            why = (error.strerror or "") if isinstance(error, OSError) else "it is not UTF-8 text"
            raise UsageError("the schema cannot be read", where=str(path), why=why) from None
        return cls.loads(text, file=str(path))

    @classmethod
    def loads(cls, text: str, *, file: str = "schema.toml") -> Schema:
        """The schema in the TOML text `text`; `file` only names it in a UsageError."""
        return cls(*declared(text, file))

    def table(self, owner: str, name: str) -> Table:
        """The table `name` of the party `owner`; UsageError naming both and what there is instead."""
        call = f"load({owner!r}, {name!r})"
        held = {table.name: table for table in self.tables_of(owner, where=call)}
        if name not in held:
            what, why = f"party {owner!r} has no table {name!r} in the schema", f"its tables are: {listed(held)}"
            raise UsageError(what, where=call, why=why, do=suggestion(name, held))
        return held[name]

    def tables_of(self, party: str, *, where: str = "") -> tuple[Table, ...]:
        """The tables that `party` owns, sorted by name; () if it holds none. UsageError, at `where`, if there is no such party."""
        if party not in self.parties:
            what, why = f"the schema has no party {party!r}", f"the parties are: {listed(self.parties)}"
            raise UsageError(what, where=where, why=why, do=suggestion(party, self.parties))
        return tuple(table for table in self.tables if table.owner == party)

    def owners(self, name: str, among: Collection[str] | None = None, *, where: str = "") -> tuple[str, ...]:
        """The parties, sorted, or those `among` them, that hold rows of one table `name`: with the same columns, bounds apart.

        UsageError, at `where`, if nobody has such a table, or if two of them declare different columns for it.
        """
        held = sorted((table for table in self.tables if table.name == name), key=lambda table: table.owner)
        if not held:
            names = sorted({table.name for table in self.tables})
            why = f"the tables are: {listed(names)}"
            raise UsageError(f"no party has a table {name!r} in the schema", where=where, why=why, do=suggestion(name, names))
        if among is not None:
            held = [self.table(owner, name) for owner in sorted(set(among))]
        for table in held[1:]:
            if (_kinds(table), table.vector) != (_kinds(held[0]), held[0].vector):
                raise UsageError(
                    f"the parties' tables {name!r} do not have the same columns",
                    where=", ".join(filter(None, (where, f"{held[0].owner!r} and {table.owner!r}"))),
                    why=_difference(held[0], table),
                    do='write the columns once, in [shared.NAME], and like = "NAME" in the tables of each party',
                )
        return tuple(table.owner for table in held)

    def digest(self) -> bytes:
        """32 bytes, SHA-256 of what the schema means: formatting, comments and the order of keys and tables leave it alone."""
        meaning = ("mpc schema 3", self.parties, [astuple(table) for table in self.tables], self.precision, *self.release.texts)
        return hashlib.sha256(msgspec.msgpack.encode((*meaning, self.saved) if self.saved else meaning)).digest()

    @property
    def behind(self) -> dict[str, Origin]:
        """What was saved, by the name under which its shares enter: the tables that it was made of."""
        return {one.table: one.behind for one in self.saved}

    def keyed(self, table: Behind) -> bool:
        """Whether a table's rows have a key, or had when a model was made of it: then other tables may be of the same people."""
        if not table.saved:
            return any(one.key for one in self.tables if (one.owner, one.name) == table[:2])
        made = [one for model in self.saved if model.name == table.saved for one in model.card.tables]
        return any(one.keyed for one in made if (one.owner, one.name) == table[:2])

    def saved_as(self, name: str) -> Saved:
        """What was saved under this name; UsageError if the schema does not declare it."""
        found = {one.name: one for one in self.saved}
        if name in found:
            return found[name]
        what, why = f"nothing is saved as {name!r} in the schema", f"there are: {listed(found)}"
        do = suggestion(name, found) or (
            f"put the section [saved.{name}] into the schema, the same at every party: mpc saved section {name} prints it, where "
            "a share of it is kept"
        )
        raise UsageError(what, where=f"load_model({name!r})", why=why, do=do)


def _kinds(table: Table) -> tuple[Column, ...]:
    """The columns of a table without their bounds."""
    return tuple(replace(column, bound=0.0) for column in table.columns)


def _difference(one: Table, other: Table) -> str:
    if len(one.columns) != len(other.columns):
        return f"one has {len(one.columns)} columns, the other {len(other.columns)}"
    for number, (here, there) in enumerate(zip(one.columns, other.columns, strict=True), start=1):
        if here.name != there.name:
            return f"column {number} is {here.name!r} at one and {there.name!r} at the other"
        if replace(here, bound=there.bound) != there:
            return f"column {number}, {here.name!r}, differs in type, unit, values or in what stands for a missing cell"
    return "one is declared by a single 'column', the other by 'columns'"
