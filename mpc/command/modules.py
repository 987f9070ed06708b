"""The script's own modules: its node reads them, and remembers what it has handed out; the script process cannot open its folder.

So what people compare covers every line of it that runs, to the byte, and no file beside the script can be opened in its name.
"""

from __future__ import annotations

import importlib.machinery
import os
import stat
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path

from mpc.command.dialogue import MODULE_LIMIT
from mpc.command.program import FOREIGN
from mpc.errors import UsageError

Found = tuple[str, bool, bytes]  # path below the folder, whether it is a package, source; a folder without __init__.py has none
COUNT = 1000  # modules of one script
NAME = 200  # characters of a module's name


@dataclass(slots=True)
class Shelf:
    """The modules in a script's folder, at its node. `taken` holds what was handed out, by path; once it is `closed`, only that."""

    folder: Path
    taken: dict[str, bytes] = field(default_factory=dict)
    closed: bool = False

    def find(self, name: str) -> Found | None:
        """The module of this name, which may have dots in it; None where there is none."""
        parts = name.split(".")
        if len(name) > NAME or not all(part.isidentifier() for part in parts) or FOREIGN.intersection(parts):
            return None
        place = "/".join(parts)
        for path, package in ((f"{place}/__init__.py", True), (f"{place}.py", False)):
            source = self._source(path)
            if source is not None:
                return path, package, source
        return (place, True, b"") if os.path.isdir(self.folder / place) and self._straight(place) else None

    def _source(self, path: str) -> bytes | None:
        if path in self.taken:
            return self.taken[path]
        if self.closed or len(self.taken) >= COUNT or not self._straight(path):
            return None
        try:
            descriptor = os.open(self.folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return None
            if state.st_size > MODULE_LIMIT:
                raise UsageError("A module of the script is too large.", where=path, why=f"it has {state.st_size:,} bytes")
            self.taken[path] = file.read(MODULE_LIMIT)
        return self.taken[path]

    def _straight(self, path: str) -> bool:
        """Whether no link lies on the way: a link named like a module could lead to any file."""
        return os.path.realpath(self.folder / path) == os.path.join(os.path.realpath(self.folder), *path.split("/"))


class Finder(MetaPathFinder):
    """Finds the script's modules in the script process: it asks for them as if the script's folder came first; with `last`, for
    folders without an __init__.py, which count only where nobody else has anything."""

    def __init__(self, folder: str, ask: Callable[[str], Found | None], *, last: bool = False) -> None:
        self._folder, self._ask, self._last = folder, ask, last

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module, if it is one of the script's; packages of others are looked into by others."""
        if path is not None and not any(entry.startswith(self._folder + os.sep) for entry in path):
            return None
        found = self._ask(fullname)
        if found is None or self._last != (found[1] and not found[0].endswith(".py")):
            return None
        place, package, source = found
        origin, plain = os.path.join(self._folder, place), self._last
        loader = None if plain else _Served(origin, source)
        spec = importlib.machinery.ModuleSpec(fullname, loader, origin=None if plain else origin, is_package=package)
        if package:
            spec.submodule_search_locations = [origin if plain else os.path.dirname(origin)]
        spec.has_location = not plain
        return spec


class _Served(Loader):
    """Runs a module from its source, which came from the node."""

    def __init__(self, origin: str, source: bytes) -> None:
        self._origin, self._source = origin, source

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run it."""
        code = compile(self._source, self._origin, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  # the script's module is what is to run


def install(folder: str, ask: Callable[[str], Found | None]) -> None:
    """Let a script's modules be found: before the folders of sys.path, and after what is built into Python."""
    place = next((n for n, one in enumerate(sys.meta_path) if one is importlib.machinery.PathFinder), len(sys.meta_path))
    sys.meta_path.insert(place, Finder(folder, ask))
    sys.meta_path.append(Finder(folder, ask, last=True))
