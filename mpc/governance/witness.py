"""One party's witness of a session: ledger lines as things happen, and at the end one certificate that all parties sign.

The end takes three exchanges. First everybody states its ledger's head, times and transcript, and the receivers of the same reveals
draw their salts together, each seed for the other receivers alone. Then receivers state their commitments, which must agree.
Then everybody writes into its ledger what it is about to sign, and hands over signature and checkpoint. The dealer takes no part.
"""

from __future__ import annotations

import base64
import builtins
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from mpc import frame
from mpc.errors import IntegrityError, MpcError
from mpc.frame import Kind
from mpc.governance.certificate import Notary, Signed, commitment, plain, result, salt
from mpc.governance.ledger import now
from mpc.governance.verifier import sha256
from mpc.prg import SEED_BYTES, fresh
from mpc.session import saved
from mpc.transport import Transport
from mpc.witness import Leaving, Left

DIGEST = 32  # bytes of a commitment
HEAD, TIME = re.compile("[0-9a-f]{64}"), re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")
SMALL = 1 << 20  # bytes of words that are kept though nobody may ask for them
AGAIN = "compare the ledgers of both sites before anybody starts again"


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="part"):
    """What a party states first. `seeds`: one for each group of receivers that we two are in, in the order of the reveals."""

    head: str
    began: str
    ended: str
    transcript: bytes
    salt: bytes
    seeds: list[bytes]


class SessionWitness:
    """The witness of one session, with a notary that may live in another process. It is a `mpc.witness.Witness`."""

    def __init__(self, notary: Notary) -> None:
        self._notary = notary
        self._session, self._began, self._parties = "", "", tuple[str, ...]()
        self._rows: dict[str, int] = {}
        self._values: list[Leaving] = []
        self._results: dict[int, bytes] = {}
        self._words: dict[int, bytes] = {}

    def begin(self, session: bytes, parties: tuple[str, ...], dealer: str, facts: Mapping[str, str]) -> None:
        """The handshake is over."""
        self._session, self._parties, self._began = session.hex(), parties, now()
        self._notary.started(self._session, parties, dealer, facts)

    def read(self, owner: str, table: str, rows: int) -> None:
        """A table enters the computation: its rows stand in the certificate."""
        name = f"{owner}.{table}"
        self._rows[name] = max(rows, self._rows.get(name, 0))

    def leaving(self, values: Sequence[Leaving]) -> int:
        """These values are about to leave; it is on the disk when this returns. The number of the first."""
        first = self._notary.intent(values)
        self._values += values
        return first

    def left(self, number: int, values: Sequence[Left]) -> None:
        """They have left."""
        for place, value in enumerate(values, number):
            if value.words is not None:
                self._results[place] = result(value)
                if (value.kept or value.words.nbytes <= SMALL) and not saved(self._values[place].label):
                    self._words[place] = plain(value)
        self._notary.outcome(range(number, number + len(values)))

    def failed(self, error: BaseException) -> None:
        """The session has ended by an error: its family and its kind are written down, no word of its text."""
        kind = type(error).__name__
        known = isinstance(error, MpcError) or getattr(builtins, kind, None) is type(error)
        with suppress(MpcError):  # a ledger that cannot be written may be why
            self._notary.failed(error.family if isinstance(error, MpcError) else "", kind if known else "")

    def conclude(self, transport: Transport, transcript: bytes) -> None:
        """Agree with the other parties on what happened, and sign it. IntegrityError, naming who, where they do not agree."""
        me, peers = self._notary.name, [name for name in self._parties if name != self._notary.name]
        parts, seeds = self._state(transport, transcript, me, peers)
        salts = {
            number: salt([seeds[value.receivers][name] for name in value.receivers], number)
            for number, value in enumerate(self._values)
            if me in value.receivers
        }
        mine = {number: commitment(salts[number], self._results[number]) for number in salts}
        agreed = self._commit(transport, mine, me, peers)
        whole = b"mpc transcript 1" + b"".join([parts[name].salt for name in self._parties]) + transcript
        signed = self._notary.certify(
            sha256(whole),
            self._rows,
            {name: parts[name].head for name in self._parties},
            [one.hex() for one in agreed],
            min(part.began for part in parts.values()),
            max(part.ended for part in parts.values()),
        )
        self._notary.keep_openings(self._openings(salts, transcript, {name: parts[name].salt.hex() for name in self._parties}))
        for peer in peers:
            transport.send(peer, Kind.CERTIFY, [frame.encode(signed)])
        others = {peer: frame.decode(transport.receive(peer, Kind.CERTIFY).payload, Signed, peer) for peer in peers}
        for peer, other in others.items():
            _same(me, peer, "certificate", signed.certificate, other.certificate)
        self._notary.complete(others)

    def _state(
        self, transport: Transport, transcript: bytes, me: str, peers: list[str]
    ) -> tuple[dict[str, Part], dict[tuple[str, ...], dict[str, bytes]]]:
        """Everybody's part, and for each group of receivers that I am in, the seeds of all of them."""
        groups = [group for group in dict.fromkeys(value.receivers for value in self._values) if me in group]
        seeds = {group: {me: fresh()} for group in groups}
        mine = Part(self._notary.head(), self._began, now(), transcript, fresh(), [])
        for peer in peers:
            part = msgspec.structs.replace(mine, seeds=[seeds[group][me] for group in groups if peer in group])
            transport.send(peer, Kind.CERTIFY, [frame.encode(part)])
        parts = {me: mine}
        for peer in peers:
            part = parts[peer] = frame.decode(transport.receive(peer, Kind.CERTIFY).payload, Part, peer)
            _same(me, peer, "transcript of the session", transcript, part.transcript)
            ours = [group for group in groups if peer in group]
            sized = len(ours) == len(part.seeds) and all(len(one) == SEED_BYTES for one in (part.salt, *part.seeds))
            if not sized or not HEAD.fullmatch(part.head) or not (TIME.fullmatch(part.began) and TIME.fullmatch(part.ended)):
                raise IntegrityError("What a party states for the certificate is not in order.", where=f"from {peer}", do=AGAIN)
            for group, seed in zip(ours, part.seeds, strict=True):
                seeds[group][peer] = seed
        return parts, seeds

    def _commit(self, transport: Transport, mine: Mapping[int, bytes], me: str, peers: list[str]) -> list[bytes]:
        """The commitment of every reveal, on which its receivers agree; the others take it from them."""
        outgoing = {peer: [b"".join(mine.values())] for peer in peers}
        numbers = {peer: [k for k, value in enumerate(self._values) if peer in value.receivers] for peer in peers}
        frames = transport.exchange(Kind.CERTIFY, outgoing, {peer: DIGEST * len(numbers[peer]) for peer in peers})
        agreed = {number: (me, one) for number, one in mine.items()}
        for peer, received in frames.items():
            for place, number in enumerate(numbers[peer]):
                one = bytes(received.payload[place * DIGEST : (place + 1) * DIGEST])
                who, known = agreed.setdefault(number, (peer, one))
                _same(who, peer, f"result of {self._values[number].label!r}", known, one)
        return [agreed[number][1] for number in range(len(self._values))]

    def _openings(self, salts: Mapping[int, bytes], transcript: bytes, drawn: Mapping[str, str]) -> dict[str, Any]:
        """What opens my commitments, and the transcript's digest."""
        reveals = [
            {
                "session": self._session,
                "number": number,
                "label": self._values[number].label,
                "salt": one.hex(),
                "result": self._results[number].decode(),
                "words": base64.b64encode(self._words[number]).decode() if number in self._words else None,
            }
            for number, one in salts.items()
        ]
        return {"session": self._session, "transcript": transcript.hex(), "salts": dict(drawn), "reveals": reveals}


def _same(one: str, other: str, what: str, mine: object, theirs: object) -> None:
    if mine != theirs:
        why = "a party's memory is faulty, or it did not follow the protocol"
        raise IntegrityError(f"Two parties do not have the same {what}.", where=f"{one} and {other}", why=why, do=AGAIN)
