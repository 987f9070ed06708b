"""Timelines as JSON trace events, which Perfetto and chrome://tracing show: a process for each participant."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mpc.clock import SILENT, Clock, Profile, Recorder
from mpc.command import show
from mpc.errors import UsageError

HEAD = b'{"displayTimeUnit":"ms","otherData":{"by":"mpc"'  # how every such file begins


def clock(name: str, profile: bool, trace: Path | None, *others: Path | None) -> Clock:
    """What a participant's session tells where its time goes: a recorder, if a profile or a trace is wanted; see `check_trace`."""
    if trace is not None:
        check_trace(trace, *others)
    return Recorder(name, trace=trace is not None) if profile or trace is not None else SILENT


def report(profiles: Sequence[Profile], profile: bool, trace: Path | None) -> None:
    """Show the first participant's profile, and write the trace of all, as far as they were asked for. A trace that cannot be
    written is a line on standard error: the run went well."""
    if profile:
        show.profile(profiles[0])
    if trace is not None:
        try:
            write_trace(trace, profiles)
        except (OSError, UsageError) as error:
            print(f"The trace was not written: {error}", file=sys.stderr)
        for one in profiles:
            if one.dropped:
                print(f"The trace of {one.name} is incomplete: {one.dropped:,} stretches are left out.", file=sys.stderr)


def check_trace(path: Path, *others: Path | None) -> None:
    """Raises UsageError, before anything is run, for a file that could not be written afterwards, that is something else, or that
    lies where `others` will: results or a log."""
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError("The trace cannot be written.", where=str(path), do="name a file in a folder that exists")
    if any(other is not None and path.resolve().is_relative_to(other.resolve()) for other in others):
        raise UsageError("The trace would lie among the results, or replace the log.", where=str(path), do="choose another path")
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            "The trace cannot be written.", where=str(path), why=str(error.strerror), do="choose another path"
        ) from None
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode) or file.read(len(HEAD)) != HEAD:
            raise UsageError("The trace would replace another file.", where=str(path), do="choose another path for --trace")


def write_trace(path: Path, profiles: Sequence[Profile]) -> None:
    """Write the timelines of participants that ran on this machine, in place of an earlier trace or where there is no file."""
    events = [event for number, profile in enumerate(profiles, start=1) for event in _events(number, profile)]
    about = {"by": "mpc", "dropped": {profile.name: profile.dropped for profile in profiles}}
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode({"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}))
        check_trace(path)  # once more: it may be something else by now
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink()
        raise


def _events(number: int, profile: Profile) -> Iterator[dict[str, Any]]:
    """Microseconds, as the format wants them. Spans that lie within each other do so in time alone."""
    place = {"pid": number, "tid": number}
    yield {"ph": "M", "name": "process_name", **place, "args": {"name": profile.name}}
    yield {"ph": "M", "name": "process_sort_index", **place, "args": {"sort_index": number}}
    yield {"ph": "M", "name": "thread_name", **place, "args": {"name": "session"}}
    for span in profile.spans:
        yield {
            "ph": "X",
            "name": span.name,
            "cat": span.purpose or "schedule",
            "ts": span.start / 1e3,
            "dur": span.length / 1e3,
            **place,
            "args": {"line": span.line},
        }
