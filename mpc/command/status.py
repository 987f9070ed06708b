"""`mpc status`: the runs of this site, and why the last one that went wrong did."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mpc.command import saves, show, stores
from mpc.command.records import FINAL, VANISHED, Record, default_folder, recent
from mpc.errors import FAMILIES, MpcError, UsageError, printable

COLUMNS = ("began (UTC)", "name", "script", "session", "state", "phase", "rounds", "code", "reason")


def status(folder: Path | None, count: int) -> None:
    """Print the latest runs, newest first. UsageError for a folder that does not exist."""
    chosen = folder or default_folder()
    if folder is not None and not folder.is_dir():
        raise UsageError("There is no such folder.", where=str(folder), do="give the folder that --state named")
    found = recent(chosen, count) if chosen is not None else []
    if not found:
        print("No runs are on record.")
    _runs(found)
    show.table("Stores", stores.COLUMNS, stores.listing(chosen)[:count] if chosen is not None else [])
    show.table("Shares of saved models", saves.COLUMNS, saves.listing(chosen)[:count] if chosen is not None else [])


def _runs(found: Sequence[tuple[Path, tuple[Record, bool] | None]]) -> None:
    rows, last = list[tuple[str, ...]](), ""
    for path, entry in found:
        if entry is None:
            rows.append(("", "", "", "", "unreadable", "", "", "", path.name))
            continue
        record, vanished = entry
        rows.append(_row(record, vanished))
        if not last and (vanished or record.state in FINAL[1:]):
            last = _reason(record, vanished)
    show.table("", COLUMNS, rows)
    if last:
        print(show.one_screen(last))


def _row(record: Record, vanished: bool) -> tuple[str, ...]:
    code = "" if record.exit_code is None else str(record.exit_code)
    state = VANISHED if vanished else record.state
    texts = (record.name, record.script, record.session[:8], state, record.phase, str(record.rounds), code, record.what)
    return record.began[:19].replace("T", " "), *(printable(text) for text in texts)


def _reason(record: Record, vanished: bool) -> str:
    head = f"{printable(record.name)}, {record.began[:19].replace('T', ' ')}"
    if vanished:
        why = "its process was killed, or the machine went down"
        error = MpcError(f"The run {VANISHED}.", where=f"phase {record.phase}", why=why, do="look into the system's log")
    else:
        kind = FAMILIES.get(record.family, MpcError)
        error = kind(record.what, where=record.where, why=record.why, do=record.do)
    text = "\n".join(line if line.isprintable() else printable(line, len(line)) for line in str(error).split("\n"))
    return f"{head}: {text}\n  then: {error.then}"
