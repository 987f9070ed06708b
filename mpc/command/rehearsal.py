"""A script planned by its process, before there are data or anybody else: what the node knows of it from then on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mpc.command import rehearsed
from mpc.command.child import ScriptProcess, script_process
from mpc.command.dialogue import PLAN_LIMIT, TEXT, Failed, Missing, Module, Planned, Planning, Script, Source
from mpc.command.modules import Shelf
from mpc.command.program import facts_of, library, program_digest, read, schema_path
from mpc.command.waiting import patiently
from mpc.data.schema import Schema
from mpc.errors import FAMILIES, MpcError, printable
from mpc.plan import Plan
from mpc.rules import Imposed
from mpc.transport.relay import malformed


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A script that has been planned by a confined process: what it is, and what it will do."""

    path: Path
    source: bytes
    schema: Schema
    name: str
    plan: Plan
    shelf: Shelf

    def facts(self) -> dict[str, str]:
        """What a party states in the handshake, but for the roster: of the very bytes that run."""
        code = library()
        program = program_digest(self.path.name, self.source, self.shelf.taken.items(), code)
        return facts_of(self.schema, self.plan, program, code)

    def place(self, text: str) -> str:
        """The line of the script or of its modules that a text begins with, where there is such a line; else nothing."""
        place = text.partition(", ")[0]
        file, _, number = place.rpartition(":")
        sources = {self.path.name: self.source} | {path.rsplit("/", 1)[-1]: source for path, source in self.shelf.taken.items()}
        lines = sources[file].count(b"\n") + 1 if file in sources else 0
        return place if number.isdecimal() and number.isascii() and 1 <= int(number[:9]) <= lines else ""


def rehearse(
    process: ScriptProcess,
    path: Path,
    source: bytes,
    schema: tuple[Schema, bytes],
    name: str,
    memory: int,
    traceback: bool,
    imposed: Imposed | None = None,
) -> Rehearsed:
    """Let the process plan the script, under the rules of a study if there is one; it has no data and no network then.

    Raises what either finds wrong.
    """
    rules = [(line, label, [*texts]) for (line, label), texts in (imposed or {}).items()]
    absolute, shelf = Path(os.path.abspath(path)), Shelf(Path(os.path.abspath(path)).parent)
    process.channel.tell(Script(str(absolute), len(source), len(schema[1]), name, memory, traceback, rules), [source, schema[1]])
    with patiently(f"planning {path.name}"):
        while True:
            match process.hear(Planning):
                case Module(name=module):
                    serve_module(process, shelf, module)
                case Planned(size=size):
                    if not 0 <= size <= PLAN_LIMIT:
                        raise malformed("a plan that is too large")
                    plan = rehearsed.heard(process.channel.body(size), schema[0], memory)
                    shelf.closed = True
                    return Rehearsed(absolute, source, schema[0], name, plan, shelf)
                case Failed() as failed:
                    raise reported(failed)


def rehearsed_alone(script: Path, schema: Path | None, memory: int, name: str = "", imposed: Imposed | None = None) -> Rehearsed:
    """A script of anybody's, planned by a confined process that ends with that, as party `name` or as the schema's first."""
    path = schema_path(script, schema)
    with script_process(script, 0) as process:
        process.rights()
        agreed = Schema.load(path)
        return rehearse(
            process, script, read(script), (agreed, path.read_bytes()), name or agreed.parties[0], memory, False, imposed
        )


def serve_module(process: ScriptProcess, shelf: Shelf, name: str) -> None:
    """Answer whether there is a module of this name."""
    found = shelf.find(name)
    if found is None:
        process.channel.tell(Missing())
    else:
        path, package, source = found
        process.channel.tell(Source(path, package, len(source)), [source])


def reported(failed: Failed) -> MpcError:
    """The error with which a script process ended, for its own site."""
    what, where, why, do = (printable(text, TEXT) for text in (failed.what, failed.where, failed.why, failed.do))
    return FAMILIES.get(failed.family, MpcError)(what, where=where, why=why, do=do, peer=printable(failed.peer, 32))
