"""TOML that people read and sign: parsed with the line or the field of a mistake, and written in one way only."""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

import msgspec

from mpc.errors import UsageError, printable

LIMIT = 1 << 22  # bytes of a file
MARKS = 3  # accents and vowel signs on one letter; none strikes it out
BLANKS = frozenset(chr(one) for one in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0))  # seen as nothing
SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))  # of variants, seen as nothing, too
STRUCK = 1  # the combining class of strokes through a letter

Code = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Names = tuple[Text, ...]

Kind = TypeVar("Kind")


def parsed(data: bytes, kind: type[Kind], where: str, tables: Mapping[str, type]) -> Kind:
    """The struct that a TOML file spells. `tables` are its fields that are written as [[NAME]], with what each entry is.

    Raises UsageError, naming the line or the field, for anything that is not exactly this.
    """
    document = _document(data, where)
    for name, entry in tables.items():
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise UsageError("A field is not what it must be.", where=f"{where}, {name}", do=f"write [[{name}]] above each")
        places = [f"{where}, {name} {place}" for place in range(1, len(entries) + 1)]
        document[name] = tuple(_converted(one, entry, place) for one, place in zip(entries, places, strict=True))
    return _converted(document, kind, where)


def _document(data: bytes, where: str) -> dict[str, Any]:
    try:
        if len(data) > LIMIT:
            raise ValueError(f"it is longer than {LIMIT:,} bytes")
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        why = "it is not UTF-8 text"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = printable(str(error))
    raise UsageError("The file is not TOML.", where=where, why=why, do="correct the file")


def _converted(value: Any, kind: type[Kind], where: str) -> Kind:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        why, _, field = str(error).partition(" - at `$.")
    field = printable(field.rstrip("`"))
    place = f"{where}, {field}" if field else where
    raise UsageError("A field is not what it must be.", where=place, why=printable(why), do="docs/study.md lists the fields")


def legible(text: str) -> bool:
    """Whether a text steers no terminal, and its reader sees every character of it and nothing over another."""
    marks = 0
    for letter in text:
        marks = marks + 1 if unicodedata.category(letter).startswith("M") else 0
        unseen = letter in BLANKS or any(ord(letter) in some for some in SELECTORS)
        if unseen or marks > MARKS or unicodedata.combining(letter) == STRUCK:
            return False
    return text.isprintable()


def check_printable(*texts: str | Iterable[str]) -> None:
    """ValueError where a text is not `legible`."""
    for text in texts:
        if not all(legible(one) for one in ([text] if isinstance(text, str) else text)):
            raise ValueError(
                "Texts hold printable characters only, none that is not seen or strikes out another, and no line breaks"
            )


def check_once(what: str, names: Iterable[Any]) -> None:
    """ValueError where a name stands twice."""
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise ValueError(f"No two {what}")


def written(value: Any) -> str:
    """A text, number, date, or list of them as TOML."""
    if isinstance(value, tuple):
        return f"[{', '.join(written(one) for one in value)}]"
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def lines(struct: msgspec.Struct, *without: str) -> str:
    """`name = value` for each field, in the order of the struct."""
    names = [name for name in struct.__struct_fields__ if name not in without]
    return "".join(f"{name} = {written(getattr(struct, name))}\n" for name in names)
