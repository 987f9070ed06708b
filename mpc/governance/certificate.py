"""Run certificates: what every party signs of a session, and how a receiver shows later that a number is the one in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mpc.errors import ConsentError, IntegrityError, UsageError
from mpc.governance import dsse
from mpc.governance.ledger import Ledger
from mpc.governance.verifier import CERTIFICATE, MALFORMED, canonical, checkpoint, sha256
from mpc.witness import Leaving, Left

Rules = Mapping[Leaving, Sequence[str]]  # the release rules that allow a reveal, as canonical strings


def result(value: Left) -> bytes:
    """Canonical bytes of words that were revealed: what a commitment is about. The words enter by their digest."""
    shape = list(value.words.shape) if value.words is not None else []
    about = {"bits": value.ring.bits, "boolean": value.ring.boolean, "note": value.note, "shape": shape}
    return canonical({**about, "words": sha256(plain(value))})


def plain(value: Left) -> bytes:
    """The words, each as eight bytes, little-endian."""
    return b"" if value.words is None else value.words.astype("<u8").tobytes()


def salt(seeds: Sequence[bytes], number: int) -> bytes:
    """The salt of a reveal: its receivers, and nobody else, know all of these seeds. It tells nothing of the others' salts."""
    return hashlib.sha256(b"mpc salt 1" + number.to_bytes(8, "little") + b"".join(seeds)).digest()


def commitment(salt: bytes, canonical_result: bytes) -> bytes:
    """What everybody signs of a result, and nobody but its receivers can open."""
    return hashlib.sha256(salt + canonical_result).digest()


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="signed"):
    """What a party hands to the others: over which certificate, its signature in base64, its checkpoint with that in its ledger."""

    certificate: str
    signature: str
    checkpoint: bytes


class Notary:
    """The side of a session that holds ledger and key. It takes names, numbers and digests, and signs only what it wrote down.

    Nothing here needs the session's shares, so that the process that runs the script can be another one, without ledger and key.
    `asked` raises ConsentError where a study no longer has leave: since it had, the parties may have waited long for each other.
    """

    def __init__(
        self,
        ledger: Ledger,
        keys: Mapping[str, dsse.PublicKey],
        rules: Rules | None = None,
        study: str = "",
        approvals: Sequence[str] = (),
        runs: int | None = None,
        asked: Callable[[], object] | None = None,
    ) -> None:
        self._ledger, self._keys, self._rules = ledger, keys, rules
        self._study, self._approvals, self._runs = study, list(approvals), runs  # how often it may run here
        self._asked, self._newest = asked, dict[str, int]()  # of each other party: the last line it has signed before
        self.name, self._session, self._dealer = ledger.site, "", ""
        self._parties, self._facts = tuple[str, ...](), dict[str, str]()
        self.intents: list[dict[str, Any]] = []
        self._open = dict[int, str]()
        self._head, self._over = "", False
        self._signed: dsse.Envelope | None = None

    def started(self, session: str, parties: Sequence[str], dealer: str, facts: Mapping[str, str]) -> None:
        """The session has its name: it counts as a run of its study, and from now on whatever happens in it is in the ledger.

        ConsentError where the study has run as often as it may, or has no leave any more.
        """
        if missing := [name for name in parties if name not in self._keys]:
            raise UsageError("The ledger knows no key of a party.", where=", ".join(missing), do="use the roster of this session")
        for name in parties:
            self._ledger.keep_key(name, self._keys[name])
        keys = {name: dsse.keyid(self._keys[name]) for name in parties}
        told = {"parties": list(parties), "dealer": dealer, "keys": keys, "facts": dict(facts), "approvals": self._approvals}
        self._newest = {name: self._ledger.newest(name) for name in parties if name != self.name}
        try:
            if self._asked is not None:
                self._asked()
            self._ledger.start(self._study, session, self._runs, told)
        except ConsentError as error:
            self._ledger.refuse(self._study, error)
            raise
        self._session, self._parties, self._dealer, self._facts = session, tuple(parties), dealer, dict(facts)

    def intent(self, values: Sequence[Leaving]) -> int:
        """These values are about to leave; the number of the first. When this returns it is on the disk."""
        first = len(self.intents)
        lines = [
            {
                "number": number,
                "label": value.label,
                "shape": list(value.shape),
                "receivers": list(value.receivers),
                "rules": list(self._rules.get(value, ()) if self._rules is not None else ()),
            }
            for number, value in enumerate(values, first)
        ]
        self._ledger.extend("intent", lines, study=self._study, session=self._session)
        self.intents += lines
        self._open.update({first + place: value.label for place, value in enumerate(values)})
        return first

    def outcome(self, numbers: Sequence[int]) -> None:
        """These values have left."""
        self._tell(list(numbers), "ok")
        for number in numbers:
            del self._open[number]

    def failed(self, family: str, kind: str) -> None:
        """The session has ended by an error of this family and kind; what was about to leave may have left."""
        if self._session and not self._over:
            self._over = True
            self._tell(list(self._open), "failed", family=family, kind=kind)
            self._ledger.checkpoint()

    def _tell(self, numbers: list[int], ended: str, **fields: str) -> None:
        self._ledger.append("outcome", study=self._study, session=self._session, reveals=numbers, outcome=ended, **fields)

    def head(self) -> str:
        """The head that goes into the certificate."""
        self._head = self._ledger.head
        return self._head

    def certify(
        self, transcript: str, rows: Mapping[str, int], heads: Mapping[str, str], commitments: Sequence[str], began: str, ended: str
    ) -> Signed:
        """Sign the certificate of this session; the ledger says so before the signature leaves.

        IntegrityError for another head of mine than the last.
        """
        if heads[self.name] != self._head or len(commitments) != len(self.intents):
            raise IntegrityError(
                "The certificate is not of this session.", where=self.name, do="run again; find out what changed it"
            )
        names = ("label", "shape", "receivers", "rules")
        body = canonical({
            "format": "mpc run certificate 1",
            "study": self._study,
            "session": self._session,
            "transcript": transcript,
            "setting": self._facts.get("setting", ""),
            "library": self._facts.get("library", ""),
            "parties": list(self._parties),
            "dealer": self._dealer,
            "reveals": [
                {**{name: intent[name] for name in names}, "commitment": one}
                for intent, one in zip(self.intents, commitments, strict=True)
            ],
            "rows": dict(rows),
            "heads": dict(heads),
            "began": began,
            "ended": ended,
        })  # fmt: skip
        digest = dsse.digest(CERTIFICATE, body)
        told_of = {"study": self._study, "session": self._session}
        signed = self._signed = self._ledger.sign(CERTIFICATE, body)
        self._ledger.keep(self._file, signed.dumps())  # with one signature, until the others are here
        self._ledger.append("certified", **told_of, certificate=digest, heads=dict(heads))
        checkpoint = self._ledger.checkpoint()
        self._ledger.keep(f"witness/{self._session}.{self.name}.json", checkpoint)  # for a site that does not get it from here
        return Signed(digest, signed.signatures[0].sig, checkpoint)

    def complete(self, others: Mapping[str, Signed]) -> None:
        """Keep what the others signed. IntegrityError, naming who, where a signature or a checkpoint does not hold, or where the
        checkpoint is no newer than one that was here before the session: this session would not be in it."""
        if self._signed is None:
            raise IntegrityError("Nothing was signed here.", where=self.name)
        whole = [self._signed]
        for name, signed in others.items():
            key = self._keys[name]
            envelope = dsse.Envelope(CERTIFICATE, self._signed.payload, [dsse.Signature(dsse.keyid(key), signed.signature)])
            dsse.verified(envelope, CERTIFICATE, {dsse.keyid(key): key})
            _check_checkpoint(name, signed.checkpoint, key, self._newest[name])
            self._ledger.keep(f"witness/{self._session}.{name}.json", signed.checkpoint)
            whole.append(envelope)
        self._ledger.keep(self._file, dsse.joined(*whole).dumps())
        self._over = True

    def keep_openings(self, openings: Mapping[str, Any]) -> None:
        """Keep what opens this site's commitments, for this site alone."""
        self._ledger.keep(f"openings/{self._session}.json", canonical(openings) + b"\n")

    @property
    def _file(self) -> str:
        return f"certificates/{self._session}.json"


def _check_checkpoint(name: str, signed: bytes, key: dsse.PublicKey, newest: int) -> None:
    what, do = "A party's checkpoint of its ledger does not hold.", "ask that site what its ledger says"
    try:
        site, _, seq = checkpoint(signed, {dsse.keyid(key): (name, key)})
    except MALFORMED:
        raise IntegrityError(what, where=name, do=do) from None
    if site != name or seq <= newest:
        why = "it is another site's" if site != name else f"it is of line {seq}, and line {newest} was signed before this session"
        raise IntegrityError(what, where=name, why=why, do=do)
