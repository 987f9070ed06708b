"""A user's script: loaded once, planned without data, and boiled down to the short facts that participants compare."""

from __future__ import annotations

import bdb
import contextlib
import dis
import hashlib
import io
import os
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import mpc
from mpc import __version__, setting
from mpc.data.schema import Schema
from mpc.errors import MpcError, UsageError, ours, printable, raised_in
from mpc.rules import Imposed

if TYPE_CHECKING:
    from types import TracebackType

    from mpc.plan import Asked, Plan
    from mpc.roster import Roster

MODULE = "mpc_script"  # never a name that an import statement means
DIGITS = 32  # hexadecimal digits of a digest that people compare: 128 bits
LIBRARY = ("mpc", "protocols")
NAMES_AND_TYPES = frozenset({AttributeError, ImportError, ModuleNotFoundError, NameError, TypeError, UnboundLocalError})
CORRECT = "correct the script; --traceback shows the calls that led there"
FOREIGN = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Program:
    """A script that has been executed as a module, the schema that it runs under, and the rules that a study states beside it."""

    path: Path
    source: bytes
    main: Callable[[Any], Any]
    schema: Schema
    imposed: Imposed = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where the script lies; its imports from here belong to the program."""
        return self.path.parent


def schema_path(script: Path, given: Path | None) -> Path:
    """The schema file: the one that was given, or schema.toml beside the script. UsageError where there is none."""
    path = given or script.parent / "schema.toml"
    if path.is_file():
        return path
    raise UsageError(
        "There is no schema.",
        where=str(path),
        why="" if given else "it is looked for beside the script",
        do="write schema.toml beside the script, or name another file with --schema",
    )


@contextlib.contextmanager
def loaded(script: Path, schema: Path | None = None, imposed: Imposed | None = None) -> Iterator[Program]:
    """The program in a file, with its folder importable and its modules remembered for as long as the context lasts.

    Raises UsageError for a script or schema that is missing or broken, naming the script's line.
    """
    path = Path(os.path.abspath(script))
    source = read(path)
    agreed = Schema.load(schema_path(script, schema))
    folder = str(path.parent)
    sys.path.insert(0, folder)
    try:
        yield Program(path, source, execute(path, source), agreed, imposed or {})
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
        for name in [MODULE, *_own_modules(path.parent)]:
            sys.modules.pop(name, None)


def read(path: Path) -> bytes:
    """A script's source; UsageError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        do = "give the path of a Python script that defines main(s)"
        raise UsageError("The script cannot be read.", where=str(path), why=str(error.strerror), do=do) from None


def execute(path: Path, source: bytes) -> Callable[[Any], Any]:
    """Run the module once, from the very bytes that the digest covers, and find its `main`; UsageError for a broken script."""
    module = types.ModuleType(MODULE)
    module.__file__ = str(path)
    sys.modules[MODULE] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102  # the script is what is to run
    except SyntaxError as error:
        where = f"{Path(error.filename or path).name}:{error.lineno or 1}"
        raise UsageError("The script is not sound Python.", where=where, why=error.msg) from error
    except (Exception, SystemExit) as error:
        raise explained(error, path, data=False) from error
    main = getattr(module, "main", None)
    if callable(main):
        return main  # type: ignore[no-any-return]  # whatever it is, it can be called
    do = "define def main(s): ... with the computation in it; s is the session"
    raise UsageError("The script has no function main.", where=path.name, do=do)


def explained(error: BaseException, script: Path, *, data: bool) -> MpcError:
    """What `error` says to a reader, with the script's line. Where data were about, a text that is not ours is left out.

    A script that is planned has no data, but can open files and repeat what is in them: even then a text is shown to all only where
    it is ours, or that of Python or NumPy of names and types.
    """
    place = _place(error, script.parent)
    if type(error) is ValueError and isinstance(error.__cause__, MpcError) and ours(error.__cause__):
        error = error.__cause__  # what NumPy says of a secret that was to become an element
    if isinstance(error, MpcError) and (not data or ours(error)):
        if place and place not in error.where:
            error.where = f"{place}, {error.where}" if error.where else place
        return error
    what, where = f"The script stopped with {type(error).__name__}.", place or script.name
    if isinstance(error, bdb.BdbQuit):
        return UsageError("The script stopped at a breakpoint.", where=where, do="breakpoints are for mpc run --debug")
    if not data and _says_no_data(error):
        return UsageError(what, where=where, why=printable(str(error)), do=CORRECT)
    why = "its text is not shown, for it may hold data"
    if data:
        do = "run again with --traceback to see it, or with mpc run --debug on data of your own"
        return MpcError(what, where=where, why=why, do=do)
    refusal = UsageError(what, where=where, why=why, do="correct the script; mpc plan and --traceback show the text")
    refusal.detail = str(error)  # a script can open any file, also while it is only planned
    return refusal


def _says_no_data(error: BaseException) -> bool:
    """Whether an error's text is this library's, or one that Python or NumPy makes of names and types."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    if innermost is None:
        return False
    if raised_in(innermost, LIBRARY) and _stated(innermost):
        return True
    return type(error) in NAMES_AND_TYPES and (raised_in(innermost, ("numpy",)) or not _stated(innermost))


def _stated(innermost: TracebackType) -> bool:
    """Whether a raise statement has raised it, whose words are those of whoever wrote it."""
    return dis.opname[innermost.tb_frame.f_code.co_code[innermost.tb_lasti]] == "RAISE_VARARGS"


@contextlib.contextmanager
def in_full() -> Iterator[None]:
    """For a command that keeps no record and tells nobody else: errors show the text of the script's own exceptions."""
    try:
        yield
    except MpcError as error:
        if error.detail:
            error.why, error.do = error.detail, CORRECT
        raise


def _place(error: BaseException, folder: Path) -> str:
    """`file:line` of the innermost call in the program's own files, or nothing where none took part."""
    place, trace = "", error.__traceback__
    while trace is not None:
        path = Path(trace.tb_frame.f_code.co_filename)
        if _is_own(path, folder):
            place = f"{path.name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _is_own(path: Path, folder: Path) -> bool:
    """Whether a file belongs to the program in `folder`: not this library, nor what is installed in an environment inside it."""
    if not path.is_relative_to(folder) or FOREIGN.intersection(path.relative_to(folder).parts):
        return False
    elsewhere = [*_library_folders(), Path(sys.prefix), Path(sys.base_prefix)]
    return not any(path.is_relative_to(other) for other in elsewhere if other != folder and other.is_relative_to(folder))


def _own_modules(folder: Path) -> dict[str, Path]:
    """Every imported module whose file belongs to the program, by name."""
    files = {
        name: getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name not in (MODULE, "__main__")
    }
    return {name: Path(file) for name, file in files.items() if isinstance(file, str) and _is_own(Path(file), folder)}


def _library_folders() -> list[Path]:
    root = Path(mpc.__file__).parent.parent
    return [root / name for name in LIBRARY]


def library() -> str:
    """Version and digest of the sources of this library: equal exactly where participants run the same code."""
    sources = hashlib.sha256()
    for folder in _library_folders():
        paths = sorted(folder.rglob("*.py"), key=lambda path: path.as_posix())
        if not paths:
            raise UsageError("This library's own sources are not to be found.", where=str(folder), do="install it again")
        for path in paths:
            content = path.read_bytes()
            sources.update(f"{path.relative_to(folder.parent).as_posix()}\n{len(content)}\n".encode() + content)
    return f"{__version__}, sources {sources.hexdigest()[:DIGITS]}"


def digest(program: Program, library: str) -> str:
    """SHA-256 over the script, every module it has imported from its folder, and the library; ask once it has been planned."""
    modules = [
        (path.relative_to(program.folder).as_posix(), path.read_bytes()) for path in set(_own_modules(program.folder).values())
    ]
    return program_digest(program.path.name, program.source, modules, library)


def program_digest(name: str, source: bytes, modules: Iterable[tuple[str, bytes]], library: str) -> str:
    """The same of a script's name and source, and the sources of its modules by their path below the script's folder."""
    return _short(hashlib.sha256(msgspec.msgpack.encode(("program", 1, name, source, sorted(modules), library))).digest())


def _short(full: bytes) -> str:
    return full.hex()[:DIGITS]


def planned(program: Program, name: str, *, memory: int, asked: Asked | None = None, accounts: bool = False) -> Plan:
    """The plan of the program as party `name` sees it; what the script prints meanwhile has no values in it and is dropped."""
    from mpc.plan import plan

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            whole, rules = (program.main, name, program.schema.parties), program.imposed
            return plan(*whole, memory=memory, context=program.schema, imposed=rules, asked=asked, accounts=accounts)
    except (Exception, SystemExit) as error:
        raise explained(error, program.path, data=False) from error


def facts(program: Program, plan: Plan) -> dict[str, str]:
    """What a party states in the handshake, but for the roster; causes come before what follows from them."""
    code = library()
    return facts_of(program.schema, plan, digest(program, code), code)


def facts_of(schema: Schema, plan: Plan, program: str, library: str) -> dict[str, str]:
    """The same from a program's digest."""
    return {
        "library": library,
        "schema": schema_fact(schema),
        "setting": setting.stated(plan.memory, schema.precision),
        "program": program,
        "plan": plan.digest()[:DIGITS],
    }


def schema_fact(schema: Schema) -> str:
    """What a party states of the schema."""
    return _short(schema.digest())


def roster_fact(roster: Roster) -> dict[str, str]:
    """What a party states of the roster besides. The dealer states this and the library only: it knows nothing of the program."""
    return {"roster": _short(roster.digest())}


def agreement(stated: Mapping[str, str]) -> str:
    """The one digest that people consent to. It covers program, schema, setting, plan and library, not who listens where."""
    covered = [(name, stated[name]) for name in ("library", "plan", "program", "schema", "setting")]
    return _short(hashlib.sha256(msgspec.msgpack.encode(("agreement", 1, covered))).digest())
