"""The doctor: what it finds in order and out of order, whom it tells to act, and what it makes of hostile peers."""

from __future__ import annotations

import functools
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_transport_tls import alice_and, context, frame
from test_transport_tls import identity as short_lived

from mpc import cli
from mpc import frame as frames
from mpc.command.doctor import Examination, Report, examine
from mpc.doctor import home, judge, meeting
from mpc.doctor.findings import Finding, State, exit_code, good, odd_ones
from mpc.doctor.meeting import Visit, fault_of, presented_at, stay_silent
from mpc.doctor.talk import Bulk, Facts, Fault, Outcome, Ping, Pong, Said, talk
from mpc.errors import AvailabilityError, IntegrityError, UsageError
from mpc.frame import NO_SESSION, Kind, encode
from mpc.identity import fingerprint, generate, write_key
from mpc.roster import Participant, Roster
from mpc.transport.connect import connect
from mpc.transport.greet import IDLE

NAMES = ("clinic", "insurer", "dealer")
SCHEMA = "rows = 3\n[party.clinic.x]\ncolumn = { name = 'a', type = 'real', bound = 9.0 }\n[party.insurer]\n"


@functools.cache
def identity(name: str) -> tuple[bytes, bytes]:
    """A key and a certificate that no warning is about; the same for the same name throughout the tests."""
    return generate(name)


@dataclass
class Sites:
    """A folder for each participant, with its key, roster and schema; whatever a test changes there, it changes at one only."""

    folder: Path
    pool: ThreadPoolExecutor
    listeners: list[socket.socket] = field(default_factory=list)

    def roster(self, name: str) -> Roster:
        return Roster.load(self.folder / name / "roster.toml")

    def change(self, at: str, name: str, **fields: Any) -> None:
        """Change one entry of the roster that one participant has."""
        entries = [replace(one, **fields) if one.name == name else one for one in self.roster(at).participants]
        (self.folder / at / "roster.toml").write_text(Roster(tuple(entries)).dumps())

    def order(self, name: str, **options: Any) -> Examination:
        here = self.folder / name
        given: dict[str, Any] = {"wait": 8.0, "idle": 0.0, "out": here} | options
        return Examination(here / "roster.toml", name, **given)

    def start(self, name: str, tell: Callable[[str], object] = lambda line: None, **options: Any) -> Future[Report]:
        return self.pool.submit(examine, self.order(name, **options), tell)

    def all(self, *names: str, **options: Any) -> dict[str, Report]:
        started = {name: self.start(name, **options) for name in names or NAMES}
        return {name: one.result(20) for name, one in started.items()}

    def dead_address(self) -> str:
        """An address whose connections nobody ever takes: they queue, and that is all."""
        self.listeners.append(socket.create_server(("127.0.0.1", 0)))
        return f"127.0.0.1:{self.listeners[-1].getsockname()[1]}"


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return f"127.0.0.1:{one.getsockname()[1]}"


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    entries = [
        Participant(name, "dealer" if name == "dealer" else "party", free_address(), identity(name)[1].decode(), f"{name} Ltd")
        for name in NAMES
    ]
    for name in NAMES:
        (tmp_path / name).mkdir()
        write_key(tmp_path / name / f"{name}.key", identity(name)[0])
        (tmp_path / name / "roster.toml").write_text(Roster(tuple(entries)).dumps())
        (tmp_path / name / "schema.toml").write_text(SCHEMA)
    with ThreadPoolExecutor(8) as pool:
        made = Sites(tmp_path, pool)
        yield made
        for one in made.listeners:
            one.close()


def words(report: Report, heading: str, what: str) -> str:
    """The words of the one finding of that name under the heading that contains `heading`."""
    found = [one for title, findings in report.sections.items() if heading in title for one in findings if one.what == what]
    assert len(found) == 1, report.sections
    return found[0].words


def failures(report: Report) -> set[str]:
    return {one.what for findings in report.sections.values() for one in findings if one.state is State.fail}


# -- in order ----------------------------------------------------------------------------------------------------------------


def test_three_doctors_find_everything_in_order(sites: Sites) -> None:
    for name in NAMES:
        sites.change(name, "insurer", address="")
    schema = {name: sites.folder / name / "schema.toml" for name in ("clinic", "insurer")}
    started = {name: sites.start(name, idle=0.2, schema=schema.get(name)) for name in NAMES}
    reports = {name: one.result(20) for name, one in started.items()}
    assert {name: report.code for name, report in reports.items()} == dict.fromkeys(NAMES, 0)
    clinic = reports["clinic"]
    assert clinic.todo(State.fail) == []
    assert clinic.todo(State.warn) == [f"clinic: run: mpc key passphrase {sites.folder / 'clinic' / 'clinic.key'}"]
    assert words(clinic, "clinic and dealer", "dealer to clinic") == words(clinic, "clinic and insurer", "insurer to clinic")
    assert "dials itself" in words(clinic, "clinic and insurer", "clinic to insurer")
    assert fingerprint(identity("insurer")[1]) in words(clinic, "clinic and insurer", "certificate")
    assert "for 0.2 s stayed open" in words(clinic, "clinic and insurer", "silence")
    assert "ms" in words(clinic, "clinic and insurer", "clock")
    assert "Mbit/s" in words(clinic, "clinic and insurer", "speed")
    assert words(clinic, "agree", "roster").endswith("at clinic, insurer, dealer")
    assert words(clinic, "agree", "schema").endswith("at clinic, insurer")
    assert "dealer 3." in words(clinic, "agree", "Python")


@pytest.mark.parametrize("turn", range(4))
def test_connections_that_cross_keep_nobody_from_meeting(turn: int, sites: Sites) -> None:
    reports = sites.all()
    assert [report.code for report in reports.values()] == [0, 0, 0], [one.sections for one in reports.values()]
    for name, report in reports.items():
        for peer in set(NAMES) - {name}:
            for way in (f"{name} to {peer}", f"{peer} to {name}"):
                assert "can dial" in words(report, f"{name} and {peer}", way)


def test_who_is_not_there_yet_is_waited_for(sites: Sites) -> None:
    """The others start only once the first has been told that it waits, and its first calls have been refused."""
    late: list[Future[Report]] = []

    def tell(line: str) -> None:
        if "must run at" in line:
            threading.Timer(0.3, lambda: late.extend(sites.start(name) for name in NAMES[1:])).start()

    assert sites.start("clinic", tell).result(20).code == 0
    assert [one.result(20).code for one in late] == [0, 0]


def test_who_is_missing_is_named_and_the_others_examined(sites: Sites) -> None:
    reports = sites.all("clinic", "insurer", wait=1.5)
    for name, peer in (("clinic", "insurer"), ("insurer", "clinic")):
        report = reports[name]
        assert report.code == 7
        assert "can dial" in words(report, f"{name} and {peer}", f"{peer} to {name}")
        assert "dealer is missing: nothing accepts connections at" in words(report, "and dealer", "here")
        assert [line for line in report.todo(State.fail) if line.startswith("dealer: run: mpc doctor --roster ROSTER --as dealer")]
        assert words(report, "agree", "roster").endswith("at clinic, insurer")


# -- out of order ------------------------------------------------------------------------------------------------------------


def test_a_wall_in_one_direction_is_no_obstacle_but_worth_a_look(sites: Sites) -> None:
    address = free_address()
    for name in NAMES:
        sites.change(name, "insurer", address=address)
    started = {name: sites.start(name, at=free_address() if name == "insurer" else "") for name in NAMES}
    reports = {name: one.result(20) for name, one in started.items()}
    assert {report.code for report in reports.values()} == {0}
    for report in reports.values():
        (line,) = [line for line in report.todo(State.warn) if "clinic reach" in line] or [""]
        assert report.name == "dealer" or line == (
            f'insurer: let connections from clinic reach {address}, or set its address to "" in everyone\'s roster'
        )
    for name in ("clinic", "insurer"):
        assert "no obstacle to a session" in words(reports[name], "insurer", "clinic to insurer")


def test_a_silent_connection_that_is_cut_is_told_at_both_ends(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def cut(one: Participant, made: ssl.SSLContext, seconds: float, stop: threading.Event) -> str:
        asked.append(seconds)
        return "cut"

    monkeypatch.setattr(meeting, "stay_silent", cut)
    for report in sites.all(idle=7.0).values():
        assert report.code == 0
        (line,) = [one for one in report.todo(State.warn) if "mpc key passphrase" not in one]
        assert line.startswith("the administrators of both: let firewalls and gateways between keep connections for longer")
    assert asked == [7.0] * 3, "once for each two"


def test_what_differs_at_one_is_told_to_that_one(sites: Sites) -> None:
    sites.change("insurer", "dealer", organisation="Another notary")
    (sites.folder / "insurer" / "schema.toml").write_text(SCHEMA.replace("9.0", "8.0"))
    schema = {name: sites.folder / name / "schema.toml" for name in ("clinic", "insurer")}
    started = {name: sites.start(name, schema=schema.get(name)) for name in NAMES}
    for name, one in started.items():
        report = one.result(20)
        assert report.code == 6, name
        assert failures(report) == {"roster", "schema"}
        assert "insurer: take the roster that the others have" in report.todo(State.fail)
        assert "clinic and insurer: bring the schema to the state that all agree on" in report.todo(State.fail)
        shown = words(report, "agree", "roster")
        assert all(digest(sites, who) in shown for who in NAMES)


def digest(sites: Sites, name: str) -> str:
    return sites.roster(name).digest().hex()[:32]


def test_a_new_key_that_only_its_owner_knows_of_is_shown_at_both_ends(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same name with another key: one has replaced its key, the others still have the old entry."""
    key, certificate = generate("insurer")
    (sites.folder / "insurer" / "insurer.key").write_bytes(key)
    sites.change("insurer", "insurer", certificate=certificate.decode())
    monkeypatch.setattr(meeting, "GRACE", 0.5)
    reports = sites.all()
    old, new = fingerprint(identity("insurer")[1]), fingerprint(certificate)
    assert {report.code for report in reports.values()} == {6}
    for name in ("clinic", "dealer"):
        told = words(reports[name], "and insurer", "certificate")
        assert f"presented fingerprint {new} instead of the roster's, {old}" in told
    told = words(reports["insurer"], "and clinic", "certificate")
    assert "clinic does not accept the certificate" in told
    assert any(
        line.startswith("clinic: compare the fingerprint of insurer, " + new) for line in reports["insurer"].todo(State.fail)
    )


def test_an_address_that_leads_to_another_participant_is_recognised(sites: Sites) -> None:
    addresses = {one.name: one.address for one in sites.roster("clinic").participants}
    sites.change("clinic", "insurer", address=free_address())
    sites.change("clinic", "dealer", address=addresses["insurer"])
    reports = sites.all()
    clinic = reports["clinic"]
    assert clinic.code == 6
    told = words(clinic, "and dealer", "clinic to dealer")
    assert f"presented fingerprint {fingerprint(identity('insurer')[1])} instead of" in told
    assert any(line.startswith("clinic and dealer: compare over the phone") for line in clinic.todo(State.fail))


def test_a_stranger_at_the_door_is_reported_and_gets_nothing(sites: Sites) -> None:
    host, port = sites.roster("clinic").get("clinic").endpoint
    knocked: list[bytes] = []

    def knock() -> None:
        made = context(ssl.PROTOCOL_TLS_CLIENT, "mallory")
        with suppress(OSError), made.wrap_socket(socket.create_connection((host, port), timeout=5)) as sock:
            sock.sendall(b"MPC\x01look" + bytes(16))
            knocked.append(sock.recv(100))
        others.extend(sites.start(name) for name in NAMES[1:])

    others: list[Future[Report]] = []
    report = sites.start("clinic", lambda line: "must run" in line and sites.pool.submit(knock)).result(20)
    assert "127.0.0.1" in words(report, "this machine", "stranger")
    assert knocked in ([], [b""])
    assert [report.code, *(one.result(20).code for one in others)] == [0, 0, 0]


def test_a_peer_in_a_session_is_told_apart_and_its_session_goes_on(sites: Sites) -> None:
    warnings: list[str] = []

    def session(name: str) -> Any:
        roster = sites.roster(name)
        return connect(roster, name, identity(name)[0], wait=8, deadline=8, warn=warnings.append)

    insurer = sites.pool.submit(session, "insurer")
    report = sites.start("clinic", wait=1).result(20)
    assert report.code == 7
    assert words(report, "and insurer", "here") == "insurer is starting a session and does not run its doctor"
    assert "insurer: run mpc doctor first, and the session after it" in report.todo(State.fail)
    linked = [insurer, *(sites.pool.submit(session, name) for name in ("clinic", "dealer"))]
    for closing_one in [sites.pool.submit(one.result(20).close) for one in linked]:
        closing_one.result(10)
    assert any("it runs its doctor" in line for line in warnings)


def test_nobody_answers_where_connections_are_swallowed(sites: Sites) -> None:
    address = sites.dead_address()
    sites.change("clinic", "dealer", address=address)
    report = sites.start("clinic", wait=0.5).result(20)
    assert f"dealer is missing: no answer from {address}" in words(report, "and dealer", "here")
    assert any("let connections from clinic reach" in line for line in report.todo(State.fail))


@pytest.mark.parametrize("name", ["clinic", "insurer"])
def test_what_a_session_refuses_at_home_the_doctor_refuses(name: str, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    key, old = generate(name, days=30, _now=datetime.now(UTC) - timedelta(days=60))
    sites.change("clinic", name, certificate=old.decode())
    with pytest.raises(UsageError, match=f"certificate of {name} is not valid now") as caught:
        examine(sites.order("clinic"))
    assert "mpc keygen --replace" in str(caught.value)
    with pytest.raises(IntegrityError if name == "insurer" else UsageError, match="not valid now"):
        connect(sites.roster("clinic"), "clinic", key if name == "clinic" else identity("clinic")[0], wait=1)
    monkeypatch.setenv("SSLKEYLOGFILE", "keys")
    with pytest.raises(UsageError, match="SSLKEYLOGFILE"):
        examine(sites.order("clinic"))


def test_keys_and_rosters_that_are_not_mine_are_refused_before_anybody_is_asked(sites: Sites) -> None:
    with pytest.raises(UsageError, match="Nobody has this name"):
        examine(replace(sites.order("clinic"), name="observer"))
    with pytest.raises(UsageError, match="does not belong to the certificate"):
        examine(replace(sites.order("clinic"), key=sites.folder / "insurer" / "insurer.key"))
    roster = sites.folder / "clinic" / "roster.toml"
    roster.write_text(roster.read_text().replace('"dealer Ltd"', '"CLINIC  ltd"'))
    with pytest.raises(UsageError, match="belong to one organisation"):
        examine(sites.order("clinic"))


def test_the_command_ends_with_the_code_of_what_it_found(
    sites: Sites, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = str(sites.folder / "clinic" / "roster.toml")
    monkeypatch.setattr(sys, "argv", ["mpc", "doctor", "--roster", here, "--as", "clinic", "--wait", "0.2"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 7
    out = capsys.readouterr().out
    assert "Must be changed before a session:\n  insurer: run: mpc doctor" in out
    assert out.endswith("A session would not begin.\n")


# -- what is said between doctors --------------------------------------------------------------------------------------------


def facts(**changes: Any) -> dict[str, Any]:
    return {"type": "facts", "facts": {"library": "x"}, "versions": {}} | changes


HOSTILE = [
    facts(versions={"kernel": "x" * 101}),
    facts(versions={str(number): "" for number in range(13)}),
    facts(facts={"x" * 25: ""}),
    facts(facts={"x": 3}),
    facts(host="clinic"),
    facts(type="pong"),
    [],
    "x" * 60_000,
]


@pytest.mark.parametrize("message", HOSTILE, ids=range(len(HOSTILE)))
def test_facts_that_are_not_what_they_must_be_end_the_talk(message: Any) -> None:
    with alice_and("bob") as (alice, peers):
        alice.session = NO_SESSION
        peers["bob"].sendall(frame(Kind.HELLO, msgspec.msgpack.encode(message), session=NO_SESSION))
        with pytest.raises(IntegrityError):
            talk(alice, "bob", True, Facts({}, {}), lambda: Outcome(""))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Pong, {"clock": -1}),
        (Pong, {"clock": 1 << 63}),
        (Pong, {"clock": 1.5}),
        (Bulk, {"size": (1 << 22) + 1}),
        (Bulk, {"size": -1}),
        (Outcome, {"dialled": "for ever"}),
        (Outcome, {"dialled": "", "presented": "\x1b[31m"}),
        (Outcome, {"dialled": "", "presented": "0" * 39}),
        (Outcome, {"dialled": "", "silence": "loud"}),
        (Outcome, {"dialled": "", "silent": 1 << 40}),
        (Ping, {"echo": "x"}),
    ],
)
def test_a_message_outside_its_bounds_is_refused(kind: type[msgspec.Struct], fields: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode({"type": kind.__name__.lower(), **fields})
    with pytest.raises(IntegrityError):
        frames.decode(data, kind, "bob")


@given(st.sampled_from([Facts, Pong, Bulk, Outcome, Ping]), st.binary(max_size=200))
def test_whatever_bytes_come_only_the_declared_error_is_raised(kind: type[msgspec.Struct], data: bytes) -> None:
    with suppress(IntegrityError):
        frames.decode(data, kind, "bob")


def test_a_peer_that_goes_on_for_ever_is_cut_off_after_the_last_size() -> None:
    with alice_and("bob") as (alice, peers):
        alice.session = NO_SESSION
        sock, sequence = peers["bob"], iter(range(100))

        def say(message: msgspec.Struct, kind: Kind = Kind.READY) -> None:
            sock.sendall(frame(kind, encode(message), next(sequence), NO_SESSION))

        say(Facts({}, {}), Kind.HELLO)
        for _ in range(8):
            say(Ping())
        for _ in range(8):
            say(Pong(0))
        for _ in range(20):
            say(Bulk(1))
            sock.sendall(frame(Kind.OPEN, b"x", next(sequence), NO_SESSION))
        with pytest.raises(IntegrityError):
            talk(alice, "bob", False, Facts({}, {}), lambda: Outcome(""))


def test_what_is_told_is_what_is_shown_and_nothing_else(sites: Sites) -> None:
    from mpc.command.doctor import _stated

    order = sites.order("clinic", schema=sites.folder / "clinic" / "schema.toml")
    stated = _stated(order, sites.roster("clinic"), sites.roster("clinic").get("clinic"))
    told = Facts(stated, home.versions("auto"))
    assert (set(told.facts), set(told.versions)) == (
        {"library", "schema", "roster"},
        {"protocol", "Python", "NumPy", "kernel"},
    )
    data = encode(told)
    for secret in (str(sites.folder), socket.gethostname(), "clinic", "bound"):
        assert secret.encode() not in data
    dealer = sites.roster("dealer").get("dealer")
    assert set(_stated(sites.order("dealer"), sites.roster("dealer"), dealer)) == {"library", "roster"}


# -- the parts ---------------------------------------------------------------------------------------------------------------


def said(**changes: Any) -> Said:
    fields: dict[str, Any] = {
        "theirs": Facts({}, {}),
        "outcome": Outcome(""),
        "mine": Outcome(""),
        "round_trip": 0.02,
        "clock": 0.001,
        "bandwidth": 1e6,
    }
    return Said(**(fields | changes))


def between(visit: Visit) -> dict[str, Finding]:
    entries = [Participant(name, "party", f"{name}.example:7001", identity(name)[1].decode()) for name in ("clinic", "insurer")]
    return {one.what: one for one in judge.peer(Roster(tuple(entries)), "clinic", "insurer", visit)}


def test_every_way_in_which_dialling_fails_has_words_and_somebody_who_must_act() -> None:
    for fault in get_args(Fault):
        if not fault:
            continue
        for outcome in ({"mine": Outcome(fault)}, {"outcome": Outcome(fault)}):
            found = between(Visit(said=said(**outcome)))
            one = found["clinic to insurer" if "mine" in outcome else "insurer to clinic"]
            assert one.state is not State.ok
            assert one.words
            assert one.who
            assert one.do
            identity_fault = "certificate" in fault
            assert (one.state is State.fail, one.code) == (identity_fault, 6 if identity_fault else 0)
        (absent,) = between(Visit(fault=fault)).values()
        assert absent.state is State.fail
        assert absent.code in (6, 7)
        assert absent.who


def test_a_clock_far_off_and_a_silent_connection_that_is_cut_are_worth_a_look() -> None:
    for clock, text in ((47.0, "47.0 s ahead of mine"), (-4000.0, "4,000.0 s behind mine")):
        found = between(Visit(said=said(clock=clock)))["clock"]
        assert (found.state, found.who) == (State.warn, "insurer or me")
        assert text in found.words
    cut = between(Visit(said=said(outcome=Outcome("", silence="cut", silent=60_000))))["silence"]
    assert "for 60 s was cut" in cut.words
    assert "--deadline" in cut.do
    assert "silence" not in between(Visit(said=said()))


def test_a_talk_that_broke_off_says_so_without_steering_a_terminal() -> None:
    (found,) = between(Visit(error=IntegrityError("\x1b[2JA message", why="\x07x" * 500))).values()
    assert (found.code, found.what) == (6, "talk")
    assert found.words.isprintable()
    (found,) = between(Visit(error=AvailabilityError("gone"))).values()
    assert found.code == 7


def test_what_a_peer_calls_its_versions_cannot_steer_a_terminal() -> None:
    mine = Facts({"library": "1"}, {"Python": "3"})
    shown = judge.agreement(None, mine, {"clinic": mine, "bob": Facts({"\x1b[1m": "\x1b[2J"}, {"Python": "\x07"})})
    assert all(one.words.isprintable() and one.what.isprintable() and one.do.isprintable() for one in shown)


def test_who_differs_from_most_is_odd_and_all_are_where_there_is_no_most() -> None:
    assert odd_ones({"a": "1", "b": "1", "c": "2"}) == ("c",)
    assert odd_ones({"a": "1", "b": "2"}) == ("a", "b")
    assert odd_ones({"a": "1", "b": "2", "c": "3"}) == ("a", "b", "c")
    assert odd_ones({"a": "1", "b": "1", "c": "2", "d": "2"}) == ("a", "b", "c", "d")


def test_the_gravest_failure_decides_the_exit_code() -> None:
    def of(*codes: int) -> int:
        return exit_code([good("x", ""), *(Finding("x", State.fail, "", code=code) for code in codes)])

    assert (of(), of(7), of(7, 2), of(7, 2, 6), of(2, 7)) == (0, 7, 2, 6, 2)
    assert exit_code([Finding("x", State.warn, "", code=6)]) == 0


def test_names_that_mean_nothing_here_are_found() -> None:
    entries = [
        Participant("clinic", "party", address, identity("clinic")[1].decode()) for address in ("localhost:1", "no.invalid:1")
    ]
    assert [home.names([one])["clinic"].state for one in entries] == [State.ok, State.fail]
    assert home.names([replace(entries[0], address="127.0.0.1:1"), replace(entries[0], address="")]) == {}


def test_faults_are_told_from_errors() -> None:
    plain = ssl.SSLError(1, "wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    cases: list[tuple[OSError, str]] = [
        (ConnectionRefusedError(111, ""), "refused"),
        (TimeoutError(110, ""), "silent"),
        (socket.gaierror(-2, ""), "unresolved"),
        (OSError(113, ""), "unreachable"),
        (ConnectionResetError(104, ""), "closed"),
        (ssl.SSLCertVerificationError("x"), "wrong certificate"),
        (plain, "another program"),
    ]
    assert [fault_of(error) for error, _ in cases] == [fault for _, fault in cases]


@contextmanager
def server(answer: Callable[[ssl.SSLSocket], None]) -> Iterator[Participant]:
    """Somebody at an address with the certificate of alice."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ThreadPoolExecutor(1) as pool:

        def serve() -> None:
            with suppress(OSError):
                raw, _ = listener.accept()
                raw.settimeout(5)
                with context(ssl.PROTOCOL_TLS_SERVER, "alice").wrap_socket(raw, server_side=True) as sock:
                    answer(sock)

        done = pool.submit(serve)
        yield Participant("alice", "party", f"127.0.0.1:{listener.getsockname()[1]}", short_lived("alice")[1].decode())
        done.result(10)


def test_a_silent_connection_is_open_only_if_what_is_sent_in_the_end_comes_back() -> None:
    def echo(sock: ssl.SSLSocket) -> None:
        sock.sendall(sock.recv(len(IDLE)))
        sock.sendall(sock.recv(16))

    def cut(sock: ssl.SSLSocket) -> None:
        sock.sendall(sock.recv(len(IDLE)))

    def lie(sock: ssl.SSLSocket) -> None:
        sock.sendall(sock.recv(len(IDLE)))
        sock.recv(16)
        sock.sendall(bytes(16))

    def other(sock: ssl.SSLSocket) -> None:
        sock.sendall(b"MPC\x01link")

    made = context(ssl.PROTOCOL_TLS_CLIENT, "bob", "alice")
    found = []
    for answer in (echo, cut, lie, other):
        with server(answer) as alice:
            found.append(stay_silent(alice, made, 0.1, threading.Event()))
    assert found == ["open", "cut", "cut", "untested"]


def test_which_certificate_is_presented_is_read_without_a_word() -> None:
    got: list[bytes] = []
    with server(lambda sock: got.append(sock.recv(1))) as alice:
        assert presented_at(alice.endpoint) == fingerprint(alice.certificate)
    assert got in ([], [b""])
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    assert presented_at(("127.0.0.1", port)) == ""
