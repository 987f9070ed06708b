"""How a session begins: fresh nonces from everybody, the same facts at everybody, seeds, and the rows in the same order."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from mpc import frame
from mpc.errors import AvailabilityError, IntegrityError, printable
from mpc.frame import Kind
from mpc.prg import SEED_BYTES, fresh
from mpc.transport import Transport


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """First message on a link. `secret` is for this peer alone: a seed for the dealer, half of a pairwise seed for a party."""

    nonce: bytes
    secret: bytes
    facts: dict[str, str]
    salt: bytes = b""  # a party's part of the key under which row identifiers are compared; the dealer gets none


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ready"):
    """Second message: the session as its sender computed it, and the keyed digest of its row identifiers, if it has any."""

    session: bytes
    rows: bytes


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a participant leaves the handshake with. `seeds`: pairwise ones at a party, every party's own at the dealer.
    `manifest`: what all parties state."""

    session: bytes
    seed: bytes
    seeds: dict[str, bytes]
    manifest: Mapping[str, str]


def handshake(
    transport: Transport,
    parties: tuple[str, ...],
    dealer: str | None,
    facts: Mapping[str, str],
    rows: list[bytes] | None = None,
    accept: Callable[[Mapping[str, str]], None] = lambda manifest: None,
) -> Agreed:
    """Run by every participant. All parties must state the same facts, and all of them whatever the dealer states, which
    may be less. The session is a digest of everybody's nonce and of the parties' facts. `accept` may refuse what all parties
    state, by raising, before anybody is told that it is agreed. Nothing has been shared before this returns.

    Raises IntegrityError naming the fact, both values and both participants, or that rows do not line up.
    """
    me = transport.name
    nonce, seed, salt = fresh(), fresh(), fresh()
    secrets = {peer: seed if peer == dealer else fresh() for peer in transport.peers}
    for peer in transport.peers:
        between = me != dealer and peer != dealer
        hello = Hello(nonce, secrets[peer], dict(facts), salt if between else b"")
        transport.send(peer, Kind.HELLO, [frame.encode(hello)])
    hellos = {peer: _hear(transport, peer) for peer in transport.peers}
    manifest = _manifest(me, parties, dealer, facts, hellos)
    accept(manifest)
    nonces = {me: nonce} | {peer: hello.nonce for peer, hello in hellos.items()}
    order = [*parties, *([dealer] if dealer else [])]
    session = _session([(name, nonces[name]) for name in order], manifest)
    transport.session = session[:16]
    salts = {me: salt} | {peer: hello.salt for peer, hello in hellos.items()}
    _ready(transport, dealer, session, _rows_digest(rows, [salts[p] for p in parties]) if me != dealer else b"")
    if me == dealer:
        return Agreed(session, b"", {party: hellos[party].secret for party in parties}, manifest)
    pairs = {p: hashlib.sha256(b"".join(sorted((secrets[p], hellos[p].secret)))).digest() for p in parties if p != me}
    return Agreed(session, seed, pairs, manifest)


def _hear(transport: Transport, peer: str) -> Hello:
    try:
        return frame.decode(transport.receive(peer, Kind.HELLO).payload, Hello, peer)
    except AvailabilityError as error:
        if not error.told:
            error.do += "; a link between others may be missing: mpc doctor, run at everybody, says which"
        raise


def _manifest(
    me: str, parties: tuple[str, ...], dealer: str | None, facts: Mapping[str, str], hellos: Mapping[str, Hello]
) -> Mapping[str, str]:
    """What all parties state. The dealer, which knows little of it, has been told by each of them."""
    for peer, hello in hellos.items():
        _compare(me, peer, dict(facts), hello, dealer)
    if me != dealer:
        return facts
    manifest = hellos[parties[0]].facts
    for party in parties:
        _compare(parties[0], party, manifest, hellos[party])
    return manifest


def _session(nonces: list[tuple[str, bytes]], manifest: Mapping[str, str]) -> bytes:
    """Another set of participants, another program or other nonces make another session."""
    return hashlib.sha256(msgspec.msgpack.encode(("session", 1, nonces, sorted(manifest.items())))).digest()


def _compare(me: str, peer: str, facts: dict[str, str], hello: Hello, dealer: str | None = None) -> None:
    if len(hello.nonce) != SEED_BYTES or len(hello.secret) != SEED_BYTES:
        raise IntegrityError("A hello message has a nonce or seed of the wrong size.", where=f"from {peer}")
    stated = {me: facts, peer: hello.facts}
    # In the order stated: causes before what follows from them. The dealer knows little of the job, so that it states little;
    # a party that left out a fact would not have to agree to it.
    for name in stated.get(dealer or "", {**facts, **hello.facts}):
        if facts.get(name) != hello.facts.get(name):
            shown = printable(name)
            has = [f"{who} {_stated(its.get(name))}" for who, its in stated.items()]
            raise IntegrityError(
                f"The participants do not hold the same {shown}.",
                where=f"{me} and {peer}",
                why=", ".join(has),
                do=f"bring the {shown} to the same state at both and start again; nothing was shared",
            )


def _stated(value: str | None) -> str:
    return "states none" if value is None else f"has {printable(value)}"


def _ready(transport: Transport, dealer: str | None, session: bytes, rows: bytes) -> None:
    for peer in transport.peers:
        mine = Ready(session, rows if peer != dealer else b"")
        transport.send(peer, Kind.READY, [frame.encode(mine)])
    for peer in transport.peers:
        ready = frame.decode(transport.receive(peer, Kind.READY).payload, Ready, peer)
        if not hmac.compare_digest(ready.session, session):
            raise IntegrityError(
                "The participants did not arrive at the same session.",
                where=f"{transport.name} and {peer}",
                why="their rosters list different participants, or somebody altered a message",
                do="compare the rosters' digests and start again; nothing was shared",
            )
        if rows and ready.rows and not hmac.compare_digest(ready.rows, rows):
            raise IntegrityError(
                "The rows of two parties do not line up.",
                where=f"{transport.name} and {peer}",
                why="their row identifiers are not the same list in the same order",
                do="agree on one list of identifiers, sort both tables by it and start again; nothing was shared",
            )


def _rows_digest(rows: list[bytes] | None, salts: list[bytes]) -> bytes:
    if rows is None:
        return b""
    keyed = hmac.new(hashlib.sha256(b"".join(salts)).digest(), digestmod=hashlib.sha256)
    for row in rows:
        keyed.update(len(row).to_bytes(4, "little") + row)
    return keyed.digest()
