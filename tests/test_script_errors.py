"""What is said of a script that stops while it is planned: its line, and a text that can repeat nothing of a file it has read."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobs import make_job

from mpc.command import program
from mpc.errors import MpcError, UsageError

SECRET = "p2,3,4"  # stands in clinic.csv

SHOWN = {
    "a misspelt argument": ("def f(a): ...\n    f(b=1)", "got an unexpected keyword argument 'b'"),
    "a misspelt name": ("nps.mean([1])", "name 'nps' is not defined"),
    "a misspelt function": ("import numpy\n    numpy.nothing", "module 'numpy' has no attribute 'nothing'"),
    "a missing module": ("import nothing_here", "No module named 'nothing_here'"),
    "types that do not go together": ("1 + 'a'", "unsupported operand type(s) for +: 'int' and 'str'"),
    "this library's own": ("s.mask(3)", "only a Share is masked, not a int"),
    "this library's own value error": (
        "from mpc.ring import Z64\n    s.window(s.input('clinic', 'features', (3, 2), lambda v: v, Z64), 60, 60)",
        "a window lies within the 64 bits of a share",
    ),
}
READ = "from pathlib import Path\n    row = Path('clinic.csv').read_text().split()[2]\n    "
HIDDEN = {
    "a text of the script's own": "raise TypeError(row)",
    "a value that Python repeats": "int(row)",
    "a key": "{}[row]",
    "a value that NumPy repeats": "import numpy\n    numpy.array([row], dtype=float)",
    "a value that NumPy repeats to this library": "from protocols.numbers.encoding import neighbours\n    neighbours(row, 3, 5)",
    "an error of the script's own kind": "E = type('E', (AttributeError,), {})\n    raise E(row)",
    "text in the name of an exit": "raise SystemExit(row)",
}


def stopped(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> MpcError:
    """The error in which planning ends."""
    job = make_job(folder)
    monkeypatch.chdir(folder)
    path = job.write("fit.py", f"def main(s):\n    {body}\n")
    with pytest.raises(MpcError) as caught, program.loaded(path) as loaded:
        program.planned(loaded, "clinic", memory=1 << 20)
    return caught.value


@pytest.mark.parametrize("case", SHOWN)
def test_what_python_and_this_library_say_of_names_and_types_is_shown(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, text = SHOWN[case]
    error = stopped(tmp_path, body, monkeypatch)
    assert isinstance(error, UsageError)
    assert text in error.why
    assert error.where == f"fit.py:{2 + body.count(chr(10))}"


@pytest.mark.parametrize("case", HIDDEN)
def test_what_may_repeat_a_file_is_not(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = READ + HIDDEN[case]
    error = stopped(tmp_path, body, monkeypatch)
    assert SECRET not in str(error)
    assert "its text is not shown" in error.why
    assert error.where == f"fit.py:{2 + body.count(chr(10))}"
    assert SECRET in error.detail, "which mpc plan shows"
