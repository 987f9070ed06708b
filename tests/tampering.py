"""What a site could do to its own ledger and certificates afterwards, with its own key and nobody else's."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from mpc.governance import dsse
from mpc.governance.verifier import CERTIFICATE, CHECKPOINT, LEDGER, START, canonical, sha256

HOW = ("raw", "chained", "signed", "certified")  # as it falls; with hashes and numbers; with a checkpoint; with the certificates


@dataclass
class Tamperer:
    """A site that changes what it keeps."""

    folder: Path
    site: str
    key: ec.EllipticCurvePrivateKey
    rng: random.Random

    # -- the ledger ------------------------------------------------------------------------------------------------------

    def lines(self) -> list[dict[str, Any]]:
        """The ledger's lines."""
        return [json.loads(line) for line in (self.folder / LEDGER).read_bytes().splitlines()]

    def rewrite(self, lines: list[dict[str, Any]], how: str) -> None:
        """Put lines in place of the ledger's; how far they are made to look right."""
        if how == "certified":
            self._recertify(lines)
        data, prev = b"", START
        for seq, line in enumerate(lines):
            if how != "raw":
                line |= {"seq": seq, "prev": prev}
            raw = canonical(line)
            data, prev = data + raw + b"\n", sha256(raw)
        (self.folder / LEDGER).write_bytes(data)
        if how in ("signed", "certified"):
            self.checkpoint(len(lines) - 1, prev)

    def checkpoint(self, seq: int, head: str) -> None:
        """Sign a head."""
        body = canonical({"format": "mpc ledger checkpoint 1", "site": self.site, "seq": seq, "head": head, "time": "now"})
        (self.folder / "checkpoint.json").write_bytes(dsse.sign(CHECKPOINT, body, self.key).dumps())

    def _recertify(self, lines: list[dict[str, Any]]) -> None:
        """Have every certificate of mine say what the ledger now does, with a new signature of mine."""
        prev = START
        for seq, line in enumerate(lines):
            line |= {"seq": seq, "prev": prev}
            path = self.folder / "certificates" / f"{line['session']}.json"
            if line["event"] == "certified" and path.exists():
                stated = json.loads(dsse.loads(path.read_bytes(), "").body)
                stated["heads"][self.site] = line["heads"][self.site] = prev
                line["certificate"] = self.resign(path, stated)
            prev = sha256(canonical(line))

    def ledger(self) -> str:
        """Delete, insert, swap, edit or cut lines; what was done, or nothing where it came to nothing."""
        lines, how = self.lines(), self.rng.choice(HOW)
        before = (self.folder / LEDGER).read_bytes()
        what = self.rng.choice(("delete", "insert", "swap", "edit", "truncate", "cut", "flip"))
        place = self.rng.randrange(len(lines))
        if what == "delete":
            del lines[place]
        elif what == "insert":
            lines.insert(place, dict(self.rng.choice(lines)))  # after the last, a line is one that the site was free to write
        elif what == "swap":
            other = self.rng.randrange(len(lines))
            lines[place], lines[other] = lines[other], lines[place]
        elif what == "edit":
            self.edit(lines[place])
        elif what == "truncate":
            del lines[place:]
        else:
            at = self.rng.randrange(len(before))
            changed = (
                before[:at] if what == "cut" else before[:at] + bytes([before[at] ^ 1 << self.rng.randrange(8)]) + before[at + 1 :]
            )
            (self.folder / LEDGER).write_bytes(changed)
            return f"{what} at byte {at}"
        self.rewrite(lines, how)
        return f"{what} at line {place}, {how}" if (self.folder / LEDGER).read_bytes() != before else ""

    def edit(self, value: dict[str, Any]) -> None:
        """Change, add or remove one thing somewhere in an object."""
        name = self.rng.choice(list(value))
        match value[name]:
            case dict() as inner if inner:
                self.edit(inner)
            case list() as inner if inner:
                inner[self.rng.randrange(len(inner))] = "eve" if isinstance(inner[0], str) else 7
            case str() as text if text:
                at = self.rng.randrange(len(text))
                value[name] = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
            case int() as number:
                value[name] = number + 1
            case _:
                value[name] = "something"

    # -- certificates and checkpoints ------------------------------------------------------------------------------------

    def resign(self, path: Path, stated: dict[str, Any]) -> str:
        """A certificate that says something else, with my signature on it and the others' as they were."""
        old, mine = dsse.loads(path.read_bytes(), ""), dsse.sign(CERTIFICATE, canonical(stated), self.key)
        others = [one for one in old.signatures if one.keyid != mine.signatures[0].keyid]
        signatures = sorted([*others, *mine.signatures], key=lambda one: one.keyid)
        path.write_bytes(dsse.Envelope(CERTIFICATE, mine.payload, signatures).dumps())
        return dsse.digest(CERTIFICATE, canonical(stated))

    def certificate(self) -> str:
        """Delete, insert, swap, edit, cut a certificate, or sign another."""
        path, other = self.rng.sample(sorted((self.folder / "certificates").iterdir()), 2)
        data = path.read_bytes()
        envelope = dsse.loads(data, "")
        stated = json.loads(envelope.body)
        what = self.rng.choice(("delete", "insert", "swap", "edit", "alone", "resigned", "cut", "flip", "strip", "malleable"))
        if what == "delete":
            path.unlink()
        elif what == "insert":
            session = self.rng.randbytes(16).hex()
            path.with_name(f"{session}.json").write_bytes(dsse.Envelope(CERTIFICATE, *self._of(envelope)).dumps())
            self.resign(path.with_name(f"{session}.json"), stated | {"session": session})
        elif what == "swap":
            path.write_bytes(other.read_bytes())
            other.write_bytes(data)
        elif what in ("edit", "alone", "resigned"):
            self.edit(stated)
            if what == "edit":
                payload = base64.b64encode(canonical(stated)).decode()
                path.write_bytes(dsse.Envelope(CERTIFICATE, payload, envelope.signatures).dumps())
            elif what == "resigned":
                self._follow(path.stem, self.resign(path, stated))
            else:
                path.write_bytes(dsse.sign(CERTIFICATE, canonical(stated), self.key).dumps())
        elif what == "cut":
            path.write_bytes(data[: self.rng.randrange(len(data))])
        elif what == "flip":
            at = self.rng.randrange(len(data))
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :])
        elif what == "strip":
            left = [one for one in envelope.signatures if one != self.rng.choice(envelope.signatures)][:2]
            path.write_bytes(dsse.Envelope(CERTIFICATE, envelope.payload, left).dumps())
        else:
            path.write_bytes(self._malleable(envelope).dumps())
        return f"{what} of certificate {path.name[:8]}"

    def _follow(self, session: str, digest: str) -> None:
        """Have the ledger tell of another certificate."""
        lines = self.lines()
        for line in lines:
            if line["event"] == "certified" and line["session"] == session:
                line["certificate"] = digest
        self.rewrite(lines, self.rng.choice(HOW[:3]))

    @staticmethod
    def _of(envelope: dsse.Envelope) -> tuple[str, list[dsse.Signature]]:
        return envelope.payload, envelope.signatures

    def _malleable(self, envelope: dsse.Envelope) -> dsse.Envelope:
        """The same document with another signature that holds as well: of an ECDSA signature (r, s), (r, -s)."""
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        at = self.rng.randrange(len(envelope.signatures))
        r, s = decode_dss_signature(base64.b64decode(envelope.signatures[at].sig))
        twin = dsse.Signature(envelope.signatures[at].keyid, base64.b64encode(encode_dss_signature(r, order - s)).decode())
        signatures = [*envelope.signatures[:at], twin, *envelope.signatures[at + 1 :]]
        return dsse.Envelope(CERTIFICATE, envelope.payload, signatures)

    def checkpoints(self) -> str:
        """Lose, change or turn back a checkpoint, mine or another's."""
        own = self.folder / "checkpoint.json"
        path = self.rng.choice([own, *sorted((self.folder / "witness").iterdir())])
        what = self.rng.choice(("delete", "cut", "flip", "mine"))
        data = path.read_bytes()
        at = self.rng.randrange(len(data))
        if what == "delete":
            path.unlink()
        elif what == "cut":
            path.write_bytes(data[:at])
        elif what == "flip":
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :])
        else:
            body = json.loads(dsse.loads(data, "").body)
            body["head"] = sha256(self.rng.randbytes(8))
            path.write_bytes(dsse.sign(CHECKPOINT, canonical(body), self.key).dumps())
        return f"{what} of {path.relative_to(self.folder)}"

    def anything(self) -> str:
        """One tampering of any kind."""
        kind: Callable[[], str] = self.rng.choice((self.ledger, self.ledger, self.certificate, self.certificate, self.checkpoints))
        return kind()
