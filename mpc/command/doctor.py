"""The command `mpc doctor`: run by every participant at once before a session, it says what works and who must change what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mpc.command import show
from mpc.command.entries import check
from mpc.command.program import library, roster_fact, schema_fact
from mpc.command.rehearsal import rehearsed_alone
from mpc.data.schema import Schema
from mpc.doctor import home, judge
from mpc.doctor.findings import Finding, State, exit_code, good
from mpc.doctor.meeting import Meeting
from mpc.doctor.talk import Facts
from mpc.identity import fingerprint
from mpc.passphrase import Source
from mpc.roster import Participant, Roster
from mpc.setting import MEMORY
from mpc.transport.address import listen
from mpc.transport.connect import key_of, refuse_key_log

MARKS = {State.ok: "ok", State.warn: "look", State.fail: "FAIL"}


@dataclass(frozen=True, slots=True)
class Examination:
    """What to examine, and for how long."""

    roster: Path
    name: str
    key: Path | None = None
    at: str = ""
    script: Path | None = None
    schema: Path | None = None
    out: Path = Path()
    wait: float = 60.0
    idle: float = 5.0
    memory: int = MEMORY
    kernel: str = "auto"
    passphrase: Source | None = None  # of my key; where the environment or a terminal has it by default


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, under headings, at the participant `name`."""

    name: str
    sections: dict[str, list[Finding]]

    @property
    def code(self) -> int:
        """The exit code: 0, 6 (identity), 2 (configuration) or 7 (somebody is missing)."""
        return exit_code(one for findings in self.sections.values() for one in findings)

    def todo(self, state: State) -> list[str]:
        """Who must do what, where facts stand so; each once."""
        found = [one for findings in self.sections.values() for one in findings if one.state is state]
        return list(dict.fromkeys(f"{one.who or self.name}: {one.do or one.words}" for one in found))

    def show(self) -> None:
        """Print all of it."""
        for title, findings in self.sections.items():
            rows = [(MARKS[one.state], one.what, one.words) for one in findings]
            show.table(title, ("", "what", "how it stands"), rows)
        for heading, state in (("Must be changed before a session:", State.fail), ("Worth a look:", State.warn)):
            if lines := self.todo(state):
                print("\n  ".join([heading, *lines]))
        print("A session would not begin." if self.code else "All is well: a session would begin.")


def examine(order: Examination, tell: Callable[[str], None] = print) -> Report:
    """Examine together with everybody's doctors, for `order.wait` seconds and as long as begun talks take.

    Raises what a session would raise at once: UsageError for the roster, for my key, certificate, script, schema or address.
    """
    refuse_key_log(order.name)
    roster, warnings = check(order.roster)
    me = roster.get(order.name)
    key = key_of(me, _key_file(order, me), order.passphrase)
    mine = Facts(_stated(order, roster, me), home.versions(order.kernel))
    meeting = Meeting(roster, me, key, listen(me, order.at), mine, order.idle, tell)
    try:
        others = ", ".join(meeting.visits)
        tell(f"{me.name}: mpc doctor must run at {others} as well; up to {order.wait:g} s until they have all met ...")
        named = home.names(one for one in roster.participants if one.name != me.name)
        meeting.run(order.wait)
    finally:
        meeting.end()
    sections = {f"At {me.name}, this machine": _here(order, me, warnings, meeting)}
    for name, visit in meeting.visits.items():
        found = [*([named[name]] if name in named else []), *judge.peer(roster, me.name, name, visit)]
        sections[f"Between {me.name} and {name} ({roster.get(name).address or 'no address'})"] = found
    said = {me.name: mine} | {name: visit.said.theirs for name, visit in meeting.visits.items() if visit.said}
    ordered = {name: said[name] for name in roster.names if name in said}
    sections["What all must agree on, and versions"] = judge.agreement(roster.dealer, mine, ordered)
    return Report(me.name, sections)


def _key_file(order: Examination, me: Participant) -> Path:
    return order.key or order.roster.parent / f"{me.name}.key"


def _here(order: Examination, me: Participant, warnings: list[str], meeting: Meeting) -> list[Finding]:
    return [
        home.key(_key_file(order, me)),
        good("certificate", f"mine has fingerprint {fingerprint(me.certificate)}"),
        good("address", f"{me.address}: listening" if me.listens else "none: I dial the others"),
        home.kernel_here(order.kernel),
        home.disk(order.out),
        *([home.confinement()] if me.role == "party" else []),
        *[Finding("roster", State.warn, line) for line in warnings],
        *[Finding("stranger", State.warn, f"a connection was refused from {line}") for line in meeting.strangers],
    ]


def _stated(order: Examination, roster: Roster, me: Participant) -> dict[str, str]:
    """What this participant would state in a session's handshake, as far as it was given what that comes from."""
    if me.role == "dealer" or (order.script is None and order.schema is None):
        return {"library": library()} | roster_fact(roster)
    if order.script is None:
        return {"library": library(), "schema": schema_fact(Schema.load(order.schema or ""))} | roster_fact(roster)
    roster.index(me.name)
    return rehearsed_alone(order.script, order.schema, order.memory, me.name).facts() | roster_fact(roster)
