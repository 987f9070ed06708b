"""Notebooks without a server: their cells, and what each shows. `python tests/notebooks.py FILE` writes that into the file."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """The notebook as it lies in its file."""
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def write(path: Path, notebook: dict[str, Any]) -> None:
    """The notebook as Jupyter writes it."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of a fresh run of all its cells. What a cell raises ends the run."""
    names: dict[str, Any] = {"__name__": "__main__"}
    count, cells = 0, []
    for place, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            count += 1
            outputs = _outputs("".join(cell["source"]), f"cell {place}", names, count)
            cell = cell | {"execution_count": count, "outputs": outputs}
        cells.append(cell)
    return notebook | {"cells": cells}


def _outputs(source: str, file: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What Jupyter would keep: the text that was printed, and the value of the last line where that is an expression."""
    body = ast.parse(source, file).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";") else None
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        exec(compile(ast.Module(body, []), file, "exec"), names)
        value = eval(compile(ast.Expression(last.value), file, "eval"), names) if isinstance(last, ast.Expr) else None
    found: list[dict[str, Any]] = []
    if out.getvalue():
        found.append({"name": "stdout", "output_type": "stream", "text": out.getvalue().splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        found.append({"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return found


def shown(cell: dict[str, Any]) -> str:
    """The text that a cell's outputs show."""
    return "".join("".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in cell.get("outputs", ()))


if __name__ == "__main__":
    write(Path(sys.argv[1]), executed(read(Path(sys.argv[1]))))
