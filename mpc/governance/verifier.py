"""Checks the ledgers, approvals and run certificates of sites, offline. Exit code 0: all holds; 1: not so; 2: called wrongly.

Needs Python and `cryptography`. Believes the first folder about sites' keys, each about its approvers: compare what is printed.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

STUDY, CERTIFICATE, CHECKPOINT = (f"application/vnd.mpc.{kind}" for kind in ("study+toml", "certificate+json", "ledger+json"))
LEDGER, START = "ledger.jsonl", "0" * 64  # the file, and what its first line follows
TEXTS = ("prev", "time", "site", "event", "study", "session")  # of every line
REVEAL = ("label", "shape", "receivers", "rules")  # of a reveal, in a ledger and in a certificate
MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OSError, RecursionError, InvalidSignature, UnsupportedAlgorithm)
Keys = dict[str, tuple[str, Any]]  # by key id: whose it is, and the public key


def canonical(value: Any) -> bytes:
    """The one spelling of a JSON value: sorted keys, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sha256(data: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def pae(kind: str, body: bytes) -> bytes:
    """What is signed of a document: DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)


def need(condition: bool, otherwise: str) -> None:
    """ValueError unless the condition holds."""
    if not condition:
        raise ValueError(otherwise)


def shown(text: str) -> str:
    """A text that steers no terminal and looks like no other: whatever is not plain ASCII is spelled out."""
    return text if text.isascii() and text.isprintable() else ascii(text)[1:-1]


def spelled(data: bytes) -> dict[str, Any]:
    """The object that canonical JSON spells."""
    value = json.loads(data)
    need(isinstance(value, dict) and canonical(value) == data, "it is not canonical JSON")
    return dict(value)


def unpacked(text: str) -> bytes:
    """Bytes in the one spelling of base64."""
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "it is not canonical base64")
    return data


def chain(data: bytes, seq: int = 0, prev: str = START) -> tuple[list[dict[str, Any]], list[str], str, bytes]:
    """Lines from number `seq` on, after the hash `prev`; their hashes; what is wrong with the next; a last one without end."""
    lines, found, problem = list[dict[str, Any]](), list[str](), ""
    *whole, torn = data.split(b"\n")
    try:
        for raw in whole:
            line = spelled(raw)
            need(all(type(line[name]) is str for name in TEXTS) and type(line["seq"]) is int, "it lacks a field")
            need((line["seq"], line["prev"]) == (seq, prev), "it does not follow the line before it")
            seq, prev = seq + 1, sha256(raw)
            lines.append(line)
            found.append(prev)
    except MALFORMED as error:
        problem = f"line {seq}: {error if type(error) is ValueError else 'it is malformed'}"
    return lines, found, problem, torn


def opened(raw: bytes, kind: str, keys: Keys) -> tuple[bytes, set[str]]:
    """The document in an envelope of this kind, and the ids of the keys that signed it, all of them known; or it raises."""
    document = json.loads(raw)
    entries = [{"keyid": entry["keyid"], "sig": entry["sig"]} for entry in document["signatures"]]
    same = {"payloadType": kind, "payload": document["payload"], "signatures": entries}
    need(json.dumps(same, indent=2).encode() + b"\n" == raw, "it is not an envelope of this kind in its one spelling")
    body = unpacked(document["payload"])
    for entry in entries:
        need(entry["keyid"] in keys, f"it is signed with {entry['keyid'][:16]}, which is no known key")
        _, key = keys[entry["keyid"]]
        how = () if isinstance(key, ed25519.Ed25519PublicKey) else (ec.ECDSA(hashes.SHA256()),)
        key.verify(unpacked(entry["sig"]), pae(kind, body), *how)
    return body, {entry["keyid"] for entry in entries}


def checkpoint(raw: bytes, keys: Keys) -> tuple[str, str, int]:
    """Site, head and line of a checkpoint that its site has signed."""
    body, signers = opened(raw, CHECKPOINT, keys)
    told = spelled(body)
    need([keys[name][0] for name in signers] == [told["site"]], "it is not signed by its site")
    need(told["format"] == "mpc ledger checkpoint 1" and type(told["seq"]) is int and told["seq"] >= 0, "it is no checkpoint")
    return told["site"], told["head"], told["seq"]


@dataclass
class Folder:
    """What one site keeps, and what was found out about it. A folder with certificates and no ledger is of no site."""

    path: Path
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    keys: Keys = field(default_factory=dict)
    site: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    certificates: dict[str, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)  # those that everybody has signed
    heads: list[tuple[str, str, int, str, str]] = field(default_factory=list)  # site, head, its line or -1, session, source
    approvers: set[str] = field(default_factory=set)  # the keys that approved what ran here

    @contextmanager
    def about(self, what: str) -> Iterator[None]:
        """Whatever goes wrong in here is a problem of that thing."""
        try:
            yield
        except MALFORMED as error:
            known = {FileNotFoundError: "it is missing", ValueError: str(error)}
            self.problems.append(f"{what}: {known.get(type(error), 'it is malformed, or a signature does not hold')}")

    def keys_in(self, folder: str) -> Keys:
        """The public keys in files that begin with their owners' names."""
        found, form = Keys(), (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        for path in sorted(self.path.glob(f"{folder}/[!.]*")):
            with self.about(f"{folder}/{path.name}"):
                key = serialization.load_pem_public_key(path.read_bytes())
                found[sha256(key.public_bytes(*form))] = path.name.split(".")[0], key
        return found

    def load(self, first: Folder) -> None:
        """Read keys, checkpoint and ledger, which must be of somebody whose key is in the first folder."""
        self.keys = self.keys_in("keys")
        owners = {name for name, _ in first.keys.values()}
        others = {name for number, (name, _) in self.keys.items() if number not in first.keys}
        self.problems += [f"keys: {name} has one that is not in {first.path}" for name in sorted(owners & others)]
        self.keys |= first.keys
        if not (self.path / "certificates").is_dir() or any((self.path / name).exists() for name in (LEDGER, "checkpoint.json")):
            with self.about(LEDGER):
                self.lines, self.hashes, problem, torn = chain((self.path / LEDGER).read_bytes())
                self.notes += [f"the last line was torn by a crash after {len(torn)} bytes"] * bool(torn)
                sites = sorted({line["site"] for line in self.lines})
                need(len(sites) == 1, problem or "its lines are not of one site")
                need(sites[0] in owners, f"it is of {sites[0][:40]!r}, who has no key in {first.path}")
                self.site = sites[0]
                self.hear("checkpoint.json", self.site, "")
                need(not problem, problem)

    def check_ledger(self) -> None:
        """What was left open by a crash."""
        left = dict[tuple[str, int], str]()
        for line in self.lines:
            with self.about(f"{LEDGER}, line {line['seq']}"):
                if line["event"] == "torn":
                    self.notes.append(f"line {line['seq']} keeps what a crash had left of a line")
                elif line["event"] == "intent":
                    left[line["session"], line["number"]] = f"{line['label']!r} for {' and '.join(line['receivers'])}"
                elif line["event"] == "outcome":
                    for number in line["reveals"]:
                        del left[line["session"], number]
        for (session, _), what in left.items():
            self.notes.append(f"session {session[:8]} stopped between intent and outcome: {what} may have been revealed")
        if self.heads and (after := len(self.lines) - 1 - self.heads[0][2]) > 0:
            self.notes.append(f"{after} lines come after the last checkpoint that the site has signed")

    def hear(self, file: str, site: str, session: str) -> None:
        """A head in a checkpoint, which must be this site's, after a session or none."""
        with self.about(file):
            owner, head, seq = checkpoint((self.path / file).read_bytes(), self.keys)
            need(owner == site, "it is another site's")
            self.heads.append((site, head, seq, session, f"{site}'s checkpoint" + f" after session {session[:8]}" * bool(session)))

    def check_certificates(self) -> None:
        """Every certificate: who has signed it, and that the ledger tells of the same session in the same way."""
        told = {line["session"]: line for line in self.lines if line["event"] == "certified"}
        for path in sorted(self.path.glob("certificates/[!.]*")):
            with self.about(f"certificates/{path.name}"):
                session, raw = path.name.removesuffix(".json"), path.read_bytes()
                body, signers = opened(raw, CERTIFICATE, self.keys)
                stated, names = spelled(body), {self.keys[name][0] for name in signers}
                parties = set(stated["parties"])
                need((stated["format"], stated["session"]) == ("mpc run certificate 1", session), "it is of another session")
                need(stated["heads"].keys() == parties and names <= parties, "it has heads or signatures of other parties")
                if self.lines and (session in told or names != {self.site}):
                    self.check_told(body, stated, told.pop(session, {}))
                if names == parties:
                    self.certificates[session] = raw, stated
                    self.heads += [(name, head, -1, "", f"certificate {session[:8]}") for name, head in stated["heads"].items()]
                    for name in sorted(parties) if self.lines else ():
                        self.hear(f"witness/{session}.{name}.json", name, session)
                else:
                    lacking = ", ".join(sorted(parties - names))
                    need(names == {self.site}, f"it is not signed by {lacking}")
                    self.notes.append(f"session {session[:8]} stopped while signatures went round: none came from {lacking}")
        self.problems += [f"certificates/{session}.json: it is missing" for session in told]

    def check_told(self, body: bytes, stated: dict[str, Any], line: dict[str, Any]) -> None:
        """The ledger's lines of a session against its certificate."""
        mine = {"certificate": sha256(pae(CERTIFICATE, body)), "heads": stated["heads"], "study": stated["study"]}
        need(all(line.get(name) == value for name, value in mine.items()), "the ledger does not tell of this certificate")
        entries = [entry for entry in self.lines if entry["session"] == stated["session"]]
        past = [entry["seq"] for entry in entries if entry["event"] in ("started", "intent") or entry.get("outcome") == "ok"]
        late = self.hashes[max(past, default=line["seq"]) : line["seq"]]  # an older head would leave free what comes after it
        need(stated["heads"].get(self.site) in late, "its head is not one between the session's last outcome and its signature")
        told = [[entry[name] for name in REVEAL] for entry in entries if entry["event"] == "intent"]
        need(told == [[entry[name] for name in REVEAL] for entry in stated["reveals"]], "the ledger tells of other reveals")

    def check_approvals(self) -> None:
        """Every study that was approved or run, and that whoever approved it, by the ledger, signed exactly that."""
        keys = self.keys_in("approvers")
        for line in [line for line in self.lines if line["event"] in ("started", "approved") and line["study"]]:
            home = self.path / "studies" / line["study"]
            with self.about(f"studies/{line['study'][:16]}, for line {line['seq']}"):
                body = (home / "study.toml").read_bytes()
                need(sha256(pae(STUDY, body)) == line["study"], "it is another manifest")
                for name in line["approvals"] if line["event"] == "started" else [line["keyid"]]:
                    approved = opened((home / "study.approvals" / f"{name[:16]}.json").read_bytes(), STUDY, keys)
                    need(approved == (body, {name}), f"{name[:16]} approved something else")
                    self.approvers.add(name)

    def compare(self, other: Folder) -> None:
        """What another folder, or this one, knows of my ledger and certificates. Here a ledger that was rewritten is found."""
        at = {head: seq for seq, head in enumerate(self.hashes)}
        certified = {line["session"]: line["seq"] for line in self.lines if line["event"] == "certified"}
        for head, seq, session, source in [told[1:] for told in other.heads if told[0] == self.site]:
            if head not in at or seq not in (-1, at[head]):
                self.problems.append(f"{LEDGER}: lines are gone or changed that {source} has seen, in {other.path}")
            elif at[head] < certified.get(session, 0):
                self.problems.append(f"{LEDGER}: {source} is older than the line that tells of it, in {other.path}")
        for session in [name for name, (_, stated) in other.certificates.items() if self.site in stated["parties"]]:
            if session not in self.certificates or self.certificates[session][0] != other.certificates[session][0]:
                self.problems.append(f"certificates/{session}.json: it is missing or not the same as in {other.path}")


def examine(paths: list[Path]) -> list[Folder]:
    """Check folders, each for itself and all of them against each other. Keys are believed of the first folder."""
    folders = [Folder(path) for path in paths]
    for folder in folders:
        folder.load(folders[0])
        for check in (folder.check_ledger, folder.check_certificates, folder.check_approvals):
            check()
    for folder, other in [(folder, other) for folder in folders for other in folders if folder.lines]:
        folder.compare(other)
    return folders


def check_opening(opening: dict[str, Any], folders: list[Folder]) -> str:
    """What an opened reveal was, where it is the certified one; ValueError where it is not."""
    stated = next(folder.certificates[opening["session"]][1] for folder in folders if opening["session"] in folder.certificates)
    entry, result, words = stated["reveals"][opening["number"]], opening["result"].encode(), unpacked(opening["words"])
    need(sha256(bytes.fromhex(opening["salt"]) + result) == entry["commitment"], "it is not what was revealed")
    need(sha256(words) == spelled(result)["words"], "its numbers are not those that were revealed")
    signed = [str(int.from_bytes(words[at : at + 8], "little", signed=True)) for at in range(0, len(words), 8)]
    numbers = ", ".join(signed[:20]) + (f" ... {len(signed)} in all" if len(signed) > 20 else "")
    note, session = spelled(result)["note"] or "plain words", opening["session"][:8]
    return shown(f"{entry['label']!r} as session {session} revealed it, {note}: {numbers}")


def report(folders: list[Folder], say: Callable[[str], None]) -> bool:
    """Tell what was found; whether all of it holds."""
    for number, (name, _) in sorted(folders[0].keys.items(), key=lambda one: one[1][0]):
        say(shown(f"key of {name}: {number}"))
    for folder in folders:
        what = f"{folder.site or 'no known site'}, {len(folder.lines)} lines, {len(folder.certificates)} certificates"
        say(shown(f"{folder.path}: {what}: {'it does NOT hold' if folder.problems else 'all of it holds'}"))
        kinds = {"PROBLEM": folder.problems, "note": folder.notes, "approver": sorted(folder.approvers)}
        for text in [f"  {kind}: {one}" for kind, found in kinds.items() for one in found]:
            say(shown(text))
    return not any(folder.problems for folder in folders)


def main(arguments: list[str]) -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--opening", type=argparse.FileType("rb"), help="what a receiver shows of a reveal")
    given = parser.parse_args(arguments)
    folders = examine(given.folders)
    if given.opening is not None:
        with folders[0].about(given.opening.name), given.opening as file:
            print(check_opening(json.loads(file.read()), folders))
    return 0 if report(folders, print) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
