"""Timelines as JSON trace events, which Perfetto and chrome://tracing show: a process for each participant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mpc.clock import SILENT, Clock, Profile, Recorder
from mpc.command import show
from mpc.errors import UsageError

HEAD = b'{"displayTimeUnit":"ms","otherData":{"by":"mpc"'  # how every such file begins


def clock(name: str, profile: bool, trace: Path | None) -> Clock:
    """What a participant's session tells where its time goes: a recorder, if a profile or a trace is wanted."""
    if trace is not None:
        check_trace(trace)
    return Recorder(name, trace=trace is not None) if profile or trace is not None else SILENT


def report(profiles: Sequence[Profile], profile: bool, trace: Path | None) -> None:
    """Show the first participant's profile, and write the trace of all, as far as they were asked for."""
    if profile:
        show.profile(profiles[0])
    if trace is not None:
        write_trace(trace, profiles)


def check_trace(path: Path) -> None:
    """Raises UsageError, before anything is run, for a file that could not be written afterwards or that is something else."""
    if not path.parent.is_dir() or path.is_dir():
        raise UsageError("The trace cannot be written.", where=str(path), do="name a file in a folder that exists")
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(HEAD)) != HEAD:
                raise UsageError("The trace would replace another file.", where=str(path), do="choose another path for --trace")


def write_trace(path: Path, profiles: Sequence[Profile]) -> None:
    """Write the timelines of participants that ran on this machine, over an earlier trace or where there is no file."""
    events = [event for number, profile in enumerate(profiles, start=1) for event in _events(number, profile)]
    about = {"by": "mpc", "dropped": {profile.name: profile.dropped for profile in profiles}}
    path.write_bytes(msgspec.json.encode({"displayTimeUnit": "ms", "otherData": about, "traceEvents": events}))


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
