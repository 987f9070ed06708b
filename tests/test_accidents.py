"""Nothing secret becomes plain by accident: in the plan, at two parties, and where one process plays all and has the values."""

from __future__ import annotations

import collections
import contextlib
import copy
import io
import pickle
import re
import struct
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import accidents
import numpy as np
import pytest
from marks import Marks

import mpc
from mpc.command.program import explained
from mpc.errors import MpcError
from mpc.lines import script_line
from mpc.session import Hidden, Session
from mpc.sharing.share import Handle, Share
from protocols import load, peek
from protocols.numbers import Secret

COUNT = 12
DATA = {
    "real": 61.80339 + 3.14159 * np.arange(COUNT),
    "whole": 141421 + 27183 * np.arange(COUNT),
    "truth": np.array([True, False, True, True, False, False, True, False, False, False, True, True]),
}
BOUNDS = {"real": 128.0, "whole": 1e6, "truth": 1.0}
FRACTION = 13  # of numbers below 2^7
MARKS = (Marks(tuple(f"{v:.5f}" for v in DATA["real"]), FRACTION), Marks(tuple(map(str, DATA["whole"])), 0))
NUMBERS = ("Fixed", "Int", "Bool")
KINDS = (*NUMBERS, "Hidden", "Share", "Public")
LINE = re.compile(r"\b(mishaps|accidents|test_accidents)\.py:\d+")
SHAPES = re.compile(r"<secret \w+ \(|<hidden: |<(Share|Public) \(")
WITHOUT_VALUES = {  # where what holds no value may go
    "Hidden": {
        "pickle", "pickle of a list", "copy", "deepcopy", "deepcopy of a list", "asdict", "astuple", "shelve",
        "new shape, by Python",
    },
    "Share": {"hash", "dict key", "set", "lru_cache", "Counter"},  # told apart by identity
}  # fmt: skip
TRUTH = [text.join(map(str, kind)).encode() for text in (", ", " ", "") for kind in (DATA["truth"], 1 * DATA["truth"])]
TRUTH.append(DATA["truth"].tobytes())
ALONE = threading.Lock()  # output, warnings and files are the process's, and two parties are threads of it
WAYS = accidents.ways()
SAYS = {  # what a beginner is told in place of each
    "bool of a number": "np.where(condition, a, b)", "if": "np.where", "max": "x.max()", "any": "x.sum() > 0", "and": "& | ~",
    "float of a number": "np.sqrt", "sqrt": "in place of math.sqrt", "floor": "round what is revealed",
    "bytes": "conversion to bytes",
    "statistics.mean": "x.mean()", "round": "round what is revealed", "hash": "cannot be hashed", "lru_cache": "positions or names",
    "dict key": "cannot be hashed", "array of a list": "np.stack([x, y])", "copy": "need no copy", "in": "(x == value).sum() > 0",
    "mask": "(x * group).sum()", "unique": "count public values", "nonzero": "keep the shape", "item assignment": "np.where",
    "item deletion": "np.concatenate([x[:k], x[k + 1 :]])", "out": "secret arrays are immutable",
    "subprocess": "an argument of a program",
    "f-string with digits": "reveal(x, label=", "tobytes": "reveal(x, label=", "np.save": "reveal(x, label=",
    "DLPack": "reveal(x, label=", "pandas, DataFrame": "np.stack([x, y])",
}  # fmt: skip


@dataclass
class Case:
    """One thing that met one accident in one run."""

    kind: str
    result: Any
    error: BaseException | None
    texts: list[str | bytes]
    words: list[int]

    def everything(self) -> Iterator[str | bytes]:
        """All that somebody could have seen of it."""
        yield from self.texts
        yield from texts(self.result)
        for error in chain(self.error):
            yield from (str(error), repr(error), str(vars(error)), "".join(traceback.format_exception(error)))
            for frame, _ in traceback.walk_tb(error.__traceback__):
                if frame.f_code is not tried.__code__:  # which holds words, to look for them
                    yield from variables(frame.f_locals.values())


def variables(values: Iterable[Any]) -> Iterator[str]:
    """Local variables as a debugger or a notebook shows them."""
    for value in values:
        with contextlib.suppress(Exception):  # some are half made
            yield repr(value)


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def texts(value: Any) -> Iterator[str | bytes]:
    """A result as it would be shown or stored."""
    if isinstance(value, bytes):
        yield value
    yield from (repr(value), str(value))


def words_of(*things: Any) -> list[int]:
    """The words in the memory of this process of shares and publics; none in a plan."""
    found: list[int] = []
    for thing in things:
        node = thing.node if isinstance(thing, Handle) else thing.share.node
        if node.value is not None and not node.ring.packed:
            found += [int(word) for word in np.asarray(node.value).ravel()]
    return found


def met(s: Session, way: Callable[[Any], Any]) -> list[Case]:
    """What comes of it for every kind of thing."""
    secrets = [load(s, "a", name) for name in DATA]
    public, mask = s.mask(secrets[0].share)
    hidden = Hidden("result", ("b",), (COUNT,))
    s.flush()
    words = words_of(*secrets, public, mask)
    things = (*secrets, hidden, secrets[0].share, public)
    return [tried(kind, thing, way, words) for kind, thing in zip(KINDS, things, strict=True)]


def tried(kind: str, thing: Any, way: Callable[[Any], Any], words: list[int]) -> Case:
    """What comes of it for one of them."""
    result, error, out = None, None, io.StringIO()
    with ALONE, contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            result = way(thing)
        except (Exception, SystemExit) as caught:
            error = caught
        files = [path for path in Path().rglob("*") if path.is_file()]
        return Case(kind, result, error, [out.getvalue(), *(path.read_bytes() for path in files), *map(str, files)], words)


def runs(way: Callable[[Any], Any]) -> list[Case]:
    """All cases of one accident: in one process that plays both parties, and in the plan and at both parties."""
    cases: list[Case] = []

    def main(s: Session) -> None:
        cases.extend(met(s, way))

    for debug in (True, False):
        mpc.run_local(main, data={"a": DATA, "b": {}}, bound=BOUNDS, debug=debug)
    assert len(cases) == 4 * len(KINDS)
    assert sum(bool(case.words) for case in cases) == 3 * len(KINDS), "there is nothing to leak"
    return cases


def plain(case: Case) -> list[str]:
    """What of the values and words is to be seen."""
    seen = b"\n".join(text.encode() if isinstance(text, str) else text for text in case.everything())
    found = [hit for marks in MARKS for hit in marks.hits(seen)]
    found += [f"truth values as {form!r}" for form in TRUTH if form in seen]
    return found + [f"a word as {form!r}" for word in case.words for form in forms(word) if form in seen]


def forms(word: int) -> list[bytes]:
    """How a word of a share could look."""
    raw = struct.pack("<Q", word)
    signed = word - (word >> 63 << 64)
    written = (str(word), str(signed), f"{word:x}", f"{word:X}", f"{word:o}", raw.hex(), f"{float(signed):.6e}"[:8])
    return [raw, raw[::-1], *(text.encode() for text in written if len(text.strip("-")) > 4)]


def stated(error: BaseException | None) -> MpcError | None:
    """The error of ours that somebody reads: it, or what NumPy names as the cause of its own."""
    while error is not None and not isinstance(error, MpcError):
        error = error.__cause__
    return error


def judged(case: Case, ends: str, name: str) -> str:
    """What is wrong with how it ended; nothing where all is well."""
    if hits := plain(case):
        return f"shows {hits[0]}"
    ours = stated(case.error)
    if ours is not None and not (LINE.search(ours.where) and ours.do):
        return f"an error without line or way out: {ours}"
    if ends == "SHOWN":
        shown = any(SHAPES.search(text) for text in case.everything() if isinstance(text, str))
        return "" if shown and (case.error is None or case.kind not in NUMBERS) else f"shows nothing: {case.error!r}"
    if case.kind not in NUMBERS:
        held = name in WITHOUT_VALUES.get("Share" if case.kind == "Public" else case.kind, ())
        return "" if case.error is not None or held or opaque(case.result) else f"gave {case.result!r}"
    if ends == "REFUSED":
        return "" if ours is not None else f"is not refused by us: {case.error!r}, {case.result!r}"
    if ends == "PYTHON":  # a command would name the line
        named = case.error is not None and LINE.search(explained(case.error, Path(__file__), data=True).where)
        return "" if named else f"is not refused: {case.result!r}"
    if case.error is not None:
        return "" if ends == "EITHER" and ours is not None else f"ends in {case.error!r}"
    return "" if opaque(case.result) else f"gave {case.result!r}"


def opaque(result: Any) -> bool:
    """Whether a result is something, or some things, without a plain value."""
    if isinstance(result, list | tuple | collections.deque):
        return bool(result) and all(map(opaque, result))
    return isinstance(result, Secret | Handle | Hidden)


@pytest.mark.parametrize("name", WAYS)
def test_nothing_becomes_plain_by_accident(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ends, way = WAYS[name]
    assert not [f"{case.kind}: {wrong}" for case in runs(way) if (wrong := judged(case, ends, name))]


@pytest.mark.parametrize("name", [name for name in SAYS if name in WAYS])
def test_an_error_says_what_to_write_instead(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def main(s: Session) -> None:
        error = stated(tried("Fixed", load(s, "a", "real"), WAYS[name][1], []).error)
        assert SAYS[name] in str(error)

    mpc.run_local(main, data={"a": DATA, "b": {}}, bound=BOUNDS, debug=True)


def planted(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, body: Any, way: str) -> list[str]:
    """What is found wrong with a way once something shows what it must not."""
    monkeypatch.setattr(kind, name, body)
    ends, action = WAYS[way]
    return [wrong for case in runs(action) if (wrong := judged(case, ends, way))]


def words(x: Any) -> Any:
    """What must not be shown; nothing in a plan."""
    return (x if isinstance(x, Handle) else x.share).node.value


PLANTED: dict[str, tuple[type, str, Any, str, str]] = {
    "words in a repr": (Secret, "__repr__", lambda x: f"<secret {words(x)}>", "failed assertion, shown", "shows"),
    "bytes in a repr": (Secret, "__repr__", lambda x: f"<secret ({memoryview(words(x)).tobytes().hex()}", "print, shown", "shows"),
    "words of a share": (Share, "__repr__", lambda x: f"<Share ({words(x)}", "repr, shown", "shows"),
    "a value in an error": (Secret, "__float__", lambda x: int(words(x)), "float of a number", "TypeError"),
    "a float": (Secret, "__float__", lambda x: 0.5, "float of a number", "not refused"),
    "a truth value": (Secret, "__bool__", lambda x: True, "if", "not refused"),
    "a truth value of a share": (Handle, "__bool__", lambda x: True, "and", "gave 1"),
    "an error without a line": (Secret, "__int__", lambda x: refused_badly(), "int", "without line"),
    "bytes in a file": (Secret, "__reduce_ex__", lambda x, _: (bytes, (words(x).tobytes(),)), "shelve", "shows"),
    "an element": (Secret, "__iter__", lambda x: iter([1.0]), "iteration, secret", "gave"),
}  # fmt: skip


def refused_badly() -> None:
    raise MpcError("no")


@pytest.mark.parametrize("name", PLANTED)
def test_what_would_become_plain_is_noticed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kind, attribute, body, way, seen = PLANTED[name]
    assert any(seen in wrong for wrong in planted(monkeypatch, kind, attribute, body, way))


def test_a_record_of_operations_cannot_be_stored() -> None:
    def main(s: Session) -> None:
        node = load(s, "a", "whole").share.node
        for store in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(MpcError, match="holds words of shares"):
                store(node)

    mpc.run_local(main, data={"a": DATA, "b": {}}, bound=BOUNDS, debug=True)


def test_the_line_is_the_scripts_own_whoever_came_between(tmp_path: Path) -> None:
    """Packages, NumPy and generated code pass a call on; where nobody else called, the innermost of them is named."""
    script, package = tmp_path / "fit.py", tmp_path / "site-packages" / "frames" / "core.py"
    names: dict[str, Any] = {"script_line": script_line, "np": np}

    def defined(source: str, file: str) -> None:
        exec(compile(source, file, "exec"), names)

    defined("\ndef inner(_):\n    names.append(script_line())\n    return 0.0", str(package))
    defined("def made(_): return float(np.vectorize(inner)(0))", "<string>")
    defined("\n\n\ndef main():\n    return made(0)", str(script))
    names["names"] = []
    names["main"]()
    assert set(names["names"]) == {"fit.py:5"}
    names["names"].clear()
    code = compile("inner(0)", str(package), "exec")
    alone = threading.Thread(target=exec, args=(code, names))
    alone.start()
    alone.join()
    assert names["names"] == ["core.py:3"]


def test_peek_is_the_only_way_and_only_where_one_process_plays_all() -> None:
    def main(s: Session) -> Any:
        x = load(s, "a", "whole")
        return peek(x).tolist()

    data: Any = {"data": {"a": DATA, "b": {}}, "bound": BOUNDS}
    assert mpc.run_local(main, **data, debug=True).results["a"] == DATA["whole"].tolist()
    with pytest.raises(MpcError, match="Only a debugging run"):
        mpc.run_local(main, **data)
