"""Towards an agreed schema: a draft from a file, and a test of a party's files against it."""

from __future__ import annotations

import sys
from pathlib import Path

from mpc.command import show
from mpc.command.program import DIGITS
from mpc.data.draft import drafted
from mpc.data.schema import Schema, Table
from mpc.data.tables import DataSource
from mpc.errors import DataError, UsageError
from mpc.party import NAME


def infer(file: Path, party: str, table: str | None, *, categories: bool) -> str:
    """A draft of the schema's section for the table in `file`; its name is the file's if none is given."""
    name = table or file.name.split(".")[0].lower()
    if table is None and not NAME.fullmatch(name):
        name = "table"
    for kind, one in (("party", party), ("table", name)):
        if not NAME.fullmatch(one):
            why = "names are 1 to 32 of a-z, 0-9, _ and -, and begin with a letter"
            raise UsageError(f"{one!r} is no name of a {kind}", why=why)
    return drafted(file, party, name, categories=categories)


def check(party: str, schema_path: Path, data: Path | None) -> int:
    """Test every table of `party`, print what does not fit or that all is well; the exit code."""
    schema = Schema.load(schema_path)
    tables = schema.tables_of(party, where="--as")
    file = data or (schema_path.parent / f"{party}.data.toml" if tables else None)
    screen = show.Screen()
    try:
        source = DataSource(schema, party, file, show.loading(screen))
        errors = source.problems()
    finally:
        screen.close()
    for error in errors:
        print(show.one_screen(f"error: {error}"), file=sys.stderr)
    if errors:
        return DataError.exit_code
    print(f"{party}: {_counted(len(tables), 'table fits', 'tables fit')} the schema{': ' if tables else ''}{_described(tables)}")
    for hint in source.hints():
        print(hint)
    print(f"Digest of the schema, the same at everyone: {schema.digest().hex()[:DIGITS]}")
    return 0


def _described(tables: tuple[Table, ...]) -> str:
    return ", ".join(
        f"{table.name} ({_counted(table.rows, 'row', 'rows')}, {_counted(table.width, 'column', 'columns')}"
        + (f", key {table.key!r})" if table.key else ")")
        for table in tables
    )


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
