"""A draft of a schema from a file: names and guessed types. Whatever is for people to agree on stays open, and says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from mpc.data.cells import Cells, Foreign, Mixed, Texts, Values
from mpc.data.checks import GAP_WORDS
from mpc.data.entry import day
from mpc.data.keys import identifiers
from mpc.data.private import Section, opened
from mpc.data.readers import LIKE_DATA
from mpc.errors import DataError

MOST_CODES = 100
_OPEN = "?"
_TRUTH = frozenset({"0", "1", "true", "false"})
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]*)(?:\.0*)?")  # a number that begins with 0 is rather a code
_REAL = re.compile(r"[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DIGITS = re.compile(r"[0-9]+")
_KINDS = ("bool", "int", "real", "date", "category")  # the narrower first
_HEAD = """\
# A draft: names and guessed types, and nothing else of the data. Nobody can read it before every ? is a value.
# names    are the file's own, in CSV its first line. They become public: read them before you send this
# bound    the public limit of the absolute value: agree on it with the others, do not take the largest value that you have
# missing  empty cells are refused, unless a column says missing = {{ fill = VALUE }} or missing = "indicator"

[party.{party}.{table}]
rows = ?"""


@dataclass(slots=True)
class _Guess:
    """What a column can be, by the cells seen so far."""

    name: str
    kinds: set[str] = field(default_factory=lambda: set(_KINDS))
    codes: set[str] | None = field(default_factory=set)  # None once there are too many, and not all different
    rows: int = 0
    filled: int = 0  # of these, rows whose cell is not missing
    recurs: bool = False  # the name is also a cell
    seen: bool = False  # there were texts to compare it with
    alike: bool = True  # the name is written as all cells are, with other digits

    def see(self, cells: Cells) -> None:
        """Drop what these cells cannot be."""
        if isinstance(cells, Texts) and not cells.typed:
            self._compare({cell.strip() for cell in cells.cells} - {""})
        self.kinds &= _possible(cells)
        texts = identifiers(cells) if "category" in self.kinds and self.codes is not None else ""
        if isinstance(texts, str) or self.codes is None:
            self.codes = None
            return
        self.rows += len(texts)
        self.filled += sum(map(bool, texts))
        self.codes.update(texts)
        if len(self.codes) > MOST_CODES and len(self.codes) < self.rows:
            self.codes = None

    def _compare(self, texts: set[str]) -> None:
        """Compare the name with cells: a file that has no line of names begins with cells like all the others."""
        self.recurs |= self.name in texts
        self.seen |= bool(texts)
        self.alike = self.alike and all(_DIGITS.sub("0", text) == _DIGITS.sub("0", self.name) for text in texts)

    @property
    def unnamed(self) -> bool:
        """Whether the name is rather a cell."""
        return self.recurs or (self.seen and self.alike and bool(_DIGITS.search(self.name)))

    @property
    def identifies(self) -> bool:
        """Whether every row has a text of its own."""
        return self.kinds == {"category"} and self.codes is not None and len(self.codes) == self.rows > 1 and "" not in self.codes

    @property
    def kind(self) -> str:
        """The narrowest type that fits; "" if none does."""
        return next((kind for kind in _KINDS if kind in self.kinds), "")

    @property
    def telling(self) -> bool:
        """Whether the texts tell of single rows: on average, each occurs less than twice."""
        return self.codes is not None and 2 * len(self.codes - {""}) > self.filled

    def entry(self, categories: bool) -> str:
        """The column as the schema would declare it; "" if it can be none."""
        kind = self.kind
        if not kind or (kind == "category" and (self.codes is None or len(self.codes) > MOST_CODES)) or not _usable(self.name):
            return ""
        codes = sorted((self.codes or set()) - {""})
        listed = categories and not self.telling and all(map(_usable, codes))
        values = f"[{', '.join(_quoted(code) for code in codes)}]" if listed else _OPEN
        rest = {"bool": "", "date": f", from = {_OPEN}, to = {_OPEN}", "category": f", values = {values}"}
        return f'  {{ name = {_quoted(self.name)}, type = "{kind}"{rest.get(kind, f", bound = {_OPEN}")} }},'


def drafted(path: Path, party: str, table: str, *, categories: bool = False) -> str:
    """A section of a schema for the table in the file `path`; DataError if it cannot be read.

    It tells the columns' names and types and, where `categories` asks for them, the texts in columns of up to 100 different ones
    that occur twice or more on average.
    """
    reader = opened(Section(file=path.name), path, str(path))
    try:
        if reader.doubt or not reader.names:
            raise _nameless(path, reader.doubt)
        guesses = [_Guess(name) for name in reader.names]
        for batch in reader.batches(range(len(guesses))):
            if batch.broken:
                row, text = batch.broken[0]
                raise DataError("a file is not a table", where=str(path), why=f"{reader.place(row)} {text}")
            for guess, cells in zip(guesses, batch.columns, strict=True):
                guess.see(cells)
        if any(guess.unnamed for guess in guesses):
            raise _nameless(path, LIKE_DATA)
    finally:
        reader.close()
    return "\n".join(_lines(guesses, party, table, categories)) + "\n"


def _nameless(path: Path, why: str) -> DataError:
    return DataError("a file has no line of column names", where=str(path), why=why, do="begin the file with a line of names")


def _lines(guesses: list[_Guess], party: str, table: str, categories: bool) -> Iterable[str]:
    key = next((guess for guess in guesses if guess.identifies and _usable(guess.name)), None)
    entries = [(guess, guess.entry(categories)) for guess in guesses if guess is not key]
    yield _HEAD.format(party=party, table=table)
    if key is not None:
        yield f"key = {_quoted(key.name)}"
    yield "columns = ["
    yield from (entry for _, entry in entries if entry)
    yield "]"
    for guess, entry in entries:
        if not entry:
            yield f"# left out, as neither numbers, days, nor a category: {_quoted(guess.name)}"
        elif categories and guess.telling and guess.kind == "category":
            yield f"# not written out, as most texts occur only once: {_quoted(guess.name)}"


def _possible(cells: Cells) -> set[str]:
    """The types that all these cells fit. Gaps fit all, and so do words for gaps: a test will say that they have to go."""
    if isinstance(cells, Mixed):
        return set(_KINDS).intersection(*(_possible(one) for one in cells.cells))
    if isinstance(cells, Foreign):
        return set()
    if isinstance(cells, Values):
        return _possible_values(cells)
    texts = {cell.strip() for cell in cells.cells if cell.strip().lower() not in GAP_WORDS} - {""}
    tests: dict[str, Callable[[str], object]] = {
        "date": lambda text: day(text) is not None,
        "bool": lambda text: text.lower() in _TRUTH,
        "int": _WHOLE.fullmatch,
        "real": _REAL.fullmatch,
    }
    tried = ("date",) if cells.typed else tuple(tests)
    return {"category"} | {kind for kind in tried if all(map(tests[kind], texts))}


def _possible_values(values: Values) -> set[str]:
    kind = values.cells.dtype.kind
    found = values.cells[~values.gaps]
    found = found[~np.isnan(found)] if kind == "f" else found
    if not len(found):
        return set(_KINDS)
    if kind in "bM":
        return {"bool"} if kind == "b" else {"date"}
    numbers = found.astype(np.float64)
    kinds = {"bool"} if np.isin(numbers, (0, 1)).all() else set()
    return kinds | ({"int", "real"} if kind in "iu" or (np.floor(numbers) == numbers).all() else {"real"})


def _usable(name: str) -> bool:
    return bool(name) and name == name.strip() and name.isprintable()


def _quoted(text: str) -> str:
    """A TOML string."""
    return msgspec.json.encode(text).decode()
