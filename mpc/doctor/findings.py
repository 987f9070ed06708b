"""What a doctor finds: one fact each, how it stands, in words, and who must act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mpc.errors import AvailabilityError, IntegrityError, UsageError

MISSING, CONFIGURED, IDENTITY = AvailabilityError.exit_code, UsageError.exit_code, IntegrityError.exit_code


class State(StrEnum):
    """How a fact stands: a session works; works, with something to look at; or does not work."""

    ok = "ok"
    warn = "warn"
    fail = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `who` must do what `do` says, where it does not stand well; `code` is the exit code that a failure asks for."""

    what: str
    state: State
    words: str
    who: str = ""
    do: str = ""
    code: int = 0


def good(what: str, words: str) -> Finding:
    """A fact that stands well."""
    return Finding(what, State.ok, words)


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if a session would begin; else what the gravest failure asks for: identity, then configuration, then somebody missing."""
    codes = {one.code for one in findings if one.state is State.fail}
    return next((code for code in (IDENTITY, CONFIGURED, MISSING) if code in codes), 0)


def odd_ones(values: Mapping[str, str]) -> tuple[str, ...]:
    """Who differs from the rest: those outside a strict majority, or everybody where there is none."""
    value, count = Counter(values.values()).most_common(1)[0]
    if 2 * count <= len(values):
        return tuple(values)
    return tuple(name for name, its in values.items() if its != value)
