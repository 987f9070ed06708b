"""How a session begins: what must be equal is compared and named, what must be fresh is fresh."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from harness import NAMES, wire

from mpc import frame
from mpc.command.program import facts as facts_of
from mpc.command.program import loaded, planned
from mpc.errors import IntegrityError, printable
from mpc.frame import Kind
from mpc.handshake import Agreed, Hello, Ready, _compare, _session, handshake
from mpc.local import DEALER
from mpc.prg import SEED_BYTES
from mpc.setting import MEMORY
from mpc.transport import Transport
from mpc.transport.memory import memory_transports

FACTS = {"script": "sha256 of the script", "schema": "sha256 of the schema", "version": "1"}
ROWS = [b"alpha", b"beta", b"gamma"]


def meet(
    n: int = 3,
    facts: Mapping[str, Mapping[str, str]] | None = None,
    rows: Mapping[str, list[bytes] | None] | None = None,
    tamper: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Agreed], dict[str, Exception]]:
    """Every participant's outcome of one handshake; `tamper` wraps the transport of those it names."""
    parties = NAMES[:n]
    transports = memory_transports((*parties, DEALER), deadline=20)
    agreed: dict[str, Agreed] = {}
    errors: dict[str, Exception] = {}

    def work(name: str) -> None:
        transport = (tamper or {}).get(name, lambda t: t)(transports[name])
        try:
            own = (facts or {}).get(name, FACTS)
            listed = (rows or {}).get(name)
            agreed[name] = handshake(transport, parties, DEALER, own, listed)
        except IntegrityError as error:
            errors[name] = error
            transports[name].abort(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in transports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return agreed, errors


def agree(**options: Any) -> dict[str, Agreed]:
    """A handshake that must succeed."""
    agreed, errors = meet(**options)
    assert not errors, errors
    return agreed


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_everybody_arrives_at_the_same_session(n: int) -> None:
    agreed = agree(n=n)
    assert len({one.session for one in agreed.values()}) == 1
    assert len(agreed[DEALER].session) == 32
    for party in NAMES[:n]:
        assert agreed[DEALER].seeds[party] == agreed[party].seed
        assert set(agreed[party].seeds) == set(NAMES[:n]) - {party}, "pairwise seeds are none of the dealer's"
    for a, b in itertools.combinations(NAMES[:n], 2):
        assert agreed[a].seeds[b] == agreed[b].seeds[a]


def test_a_session_is_named_after_nonces_and_manifest() -> None:
    agreed = agree(facts={DEALER: {"version": "1"}})
    nonces = [(name, bytes([k]) * 32) for k, name in enumerate((*NAMES[:3], DEALER))]
    sessions = [_session(nonces, FACTS | {name: "another"}) for name in (*FACTS, "plan", "roster")]
    sessions += [_session([*nonces[:k], (nonces[k][0], bytes(32)), *nonces[k + 1 :]], FACTS) for k in range(1, 4)]
    sessions += [_session(nonces[::-1], FACTS), _session(nonces[:3], FACTS), _session(nonces, FACTS), _session(nonces, {})]
    assert len(set(sessions)) == len(sessions)
    assert agreed[DEALER].session not in sessions


def test_a_dealer_told_of_another_program_than_the_parties_refuses() -> None:
    def change(data: bytes, to: str) -> bytes:
        hello = frame.decode(data, Hello, "")
        return data if to != DEALER else frame.encode(msgspec.structs.replace(hello, facts=FACTS | {"script": "another"}))

    for liar in NAMES[:2]:
        agreed, errors = meet(2, facts={DEALER: {"version": "1"}}, tamper={liar: lambda t: Altering(t, Kind.HELLO, change)})
        assert not agreed
        assert "same script" in str(errors[DEALER])
        assert "another" in str(errors[DEALER])


def test_sessions_and_seeds_are_never_the_same_twice() -> None:
    several = [agree() for _ in range(20)]
    assert len({run[DEALER].session for run in several}) == 20
    seeds = [run[party].seed for run in several for party in NAMES[:3]]
    pairs = [run[a].seeds[b] for run in several for a, b in itertools.combinations(NAMES[:3], 2)]
    everything = [*seeds, *pairs, *(run[DEALER].session for run in several)]
    assert len(set(everything)) == len(everything) == 20 * 7
    assert {len(value) for value in everything} == {SEED_BYTES}


def test_the_dealer_sees_no_pairwise_seed_and_no_salt() -> None:
    with wire() as frames:
        agreed = agree()
    seen = b"".join(one.payload for one in frames if one.receiver == DEALER)
    sent = {one.sender: frame.decode(one.payload, Hello, "") for one in frames if one.receiver == DEALER and one.kind is Kind.HELLO}
    assert all(sent[party].secret == agreed[party].seed and sent[party].salt == b"" for party in NAMES[:3])
    for one in frames:
        if one.kind is Kind.HELLO and DEALER not in (one.sender, one.receiver):
            hello = frame.decode(one.payload, Hello, "")
            assert hello.secret not in seen
            assert hello.salt not in seen
            assert len(hello.salt) == len(hello.nonce) == SEED_BYTES


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("odd", [*NAMES[:3], DEALER])
def test_facts_that_differ_are_named_with_both_values(fact: str, odd: str) -> None:
    agreed, errors = meet(facts={odd: FACTS | {fact: "something else"}})
    assert not agreed
    assert set(errors) == {*NAMES[:3], DEALER}
    for error in errors.values():
        assert f"same {fact}" in str(error)
        assert "something else" in str(error)
        assert FACTS[fact] in str(error)
        assert odd in str(error), "everybody learns whose it is"


def test_one_who_runs_eagerly_among_others_who_do_not_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fit.py").write_text("def main(s):\n    pass\n")
    (tmp_path / "schema.toml").write_text("rows = 3\n" + "".join(f"[party.{name}]\n" for name in NAMES[:3]))
    with loaded(tmp_path / "fit.py") as program:
        stated = {eager: facts_of(program, planned(program, NAMES[0], memory=0 if eager else MEMORY)) for eager in (False, True)}
    facts = {name: stated[name == "bob"] for name in NAMES[:3]} | {DEALER: {"library": stated[True]["library"]}}
    agreed, errors = meet(facts=facts)
    assert not agreed
    for error in errors.values():
        assert "The participants do not hold the same setting." in str(error)
        assert "bob has semi_honest_z64, eager" in str(error)
        assert "has semi_honest_z64, deferred" in str(error)


def test_the_dealer_may_state_less() -> None:
    agree(facts={DEALER: {"version": "1"}})
    agree(facts={DEALER: {}})
    _, errors = meet(facts={DEALER: {"version": "2"}})
    assert "version" in str(errors[DEALER])


def test_a_fact_that_one_party_leaves_out_is_named() -> None:
    less = {name: value for name, value in FACTS.items() if name != "schema"}
    for facts, odd, name in (({"bob": less}, "bob", "schema"), ({"bob": FACTS | {"extra": "x"}}, "bob", "extra")):
        agreed, errors = meet(facts=facts | {DEALER: {}})
        assert not agreed
        for error in errors.values():
            assert f"same {name}" in str(error)
            assert "states none" in str(error)
            assert odd in str(error)
    for fewer in ({}, {"bob": less}):
        _, errors = meet(facts={DEALER: FACTS | {"extra": "x"}} | fewer)
        assert "states none" in str(errors[DEALER]), "a party states all that the dealer does"


EVIL = "\x1b[2J\x1b]0;title\x07\n  do: pay\u202e" + "x" * 10_000


@pytest.mark.parametrize("facts", [{"script": EVIL}, {EVIL: "1"}], ids=["a value", "a name"])
def test_what_a_peer_states_cannot_steer_a_terminal(facts: dict[str, str]) -> None:
    hello = Hello(bytes(SEED_BYTES), bytes(SEED_BYTES), FACTS | facts)
    with pytest.raises(IntegrityError) as caught:
        _compare("ada", "bob", FACTS, hello)
    assert all(line.isprintable() for line in str(caught.value).split("\n"))
    assert len(str(caught.value)) < 1000
    assert len(str(caught.value).split("\n")) == 4


def test_printable_caps_and_cleans() -> None:
    assert printable("a\tb\x9bc") == "a b c"
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 196 + " ..."
    assert printable("\x1b" * 50, 8) == " " * 5 + "..."


def test_rows_must_line_up() -> None:
    agree(rows=dict.fromkeys(NAMES[:3], ROWS))
    agree(rows={"ada": ROWS, "bob": ROWS})  # the third has no table
    different = [[b"alpha", b"gamma", b"beta"], ROWS[:2], [*ROWS, b""], [b"alph", b"abeta", b"gamma"], [b"alphabeta", b"gamma"], []]
    for other in different:
        _, errors = meet(rows={"ada": ROWS, "bob": other, "cyd": ROWS})
        assert "do not line up" in str(errors.get("ada") or errors.get("cyd"))
        text = " ".join(str(error) for error in errors.values())
        assert not any(row.decode() in text for row in (*ROWS, *other) if row), "identifiers stay at home"


def test_what_is_compared_of_rows_is_keyed() -> None:
    digests = []
    for _ in range(2):
        with wire() as frames:
            agree(rows=dict.fromkeys(NAMES[:3], ROWS))
        ready = [(one.receiver, frame.decode(one.payload, Ready, "")) for one in frames if one.kind is Kind.READY]
        assert all(message.rows == b"" for receiver, message in ready if receiver == DEALER), "the dealer cannot even guess"
        assert not any(row in one.payload for one in frames for row in ROWS)
        digests.append({message.rows for receiver, message in ready if receiver != DEALER and message.rows})
    assert [len(found) for found in digests] == [1, 1]
    assert not digests[0] & digests[1], "the same rows look different in every session"


class Altering:
    """A transport that alters its messages."""

    def __init__(self, transport: Transport, kind: Kind, change: Any) -> None:
        self.__dict__.update(inner=transport, kind=kind, change=change)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def send(self, to: str, kind: Kind, parts: Any, *rest: Any) -> None:
        """Send, altered if it is the kind."""
        data = b"".join(parts)
        self.inner.send(to, kind, [self.change(data, to) if kind is self.kind else data], *rest)


def altered(kind: Kind, message: type[msgspec.Struct], **fields: Any) -> Any:
    """A change of some fields of a message to one peer."""

    def change(data: bytes, to: str) -> bytes:
        if to != "bob":
            return data
        return frame.encode(msgspec.structs.replace(frame.decode(data, message, ""), **fields))

    return lambda transport: Altering(transport, kind, change)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (altered(Kind.HELLO, Hello, nonce=bytes(32)), "session"),
        (altered(Kind.HELLO, Hello, nonce=b"short"), "wrong size"),
        (altered(Kind.HELLO, Hello, secret=b""), "wrong size"),
        (altered(Kind.READY, Ready, session=bytes(32)), "not arrive at the same session"),
        (lambda t: Altering(t, Kind.HELLO, lambda data, to: data + b"\x00"), "could not be read"),
        (lambda t: Altering(t, Kind.READY, lambda data, to: b""), "could not be read"),
    ],
    ids=["another nonce to one peer", "short nonce", "no secret", "another session", "trailing byte", "empty"],
)
def test_altered_messages_end_the_session(change: Any, text: str) -> None:
    agreed, errors = meet(tamper={"ada": change})
    assert "bob" not in agreed
    assert text in str(errors["bob"])
