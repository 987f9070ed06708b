"""A site's ledger: lines that are only ever appended, each with the hash of the one before, on the disk before what they tell of.

It holds names, labels, shapes, times and digests: no data value, no text of an exception. docs/audit.md lists the events.
"""

from __future__ import annotations

import base64
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives import serialization

from mpc.errors import ConsentError, IntegrityError, MpcError, UsageError
from mpc.governance import dsse, verifier
from mpc.governance.dsse import PrivateKey, PublicKey
from mpc.governance.verifier import CHECKPOINT, LEDGER, START, canonical, chain
from mpc.party import check_name
from mpc.store.files import settle

WAIT = 10.0  # seconds that another process of this site may take to write its lines
PAUSE = 0.01
LOCK = "lock"

Event = Literal["created", "approved", "revoked", "refused", "started", "intent", "outcome", "certified", "exported"]
Fields = Mapping[str, Any]


def now() -> str:
    """The time as ledgers and certificates have it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def write(path: Path, data: bytes) -> None:
    """A whole file in place of the old one, if there is one, which only its owner can read; on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    _append(fresh, data)
    fresh.replace(path)
    settle(path.parent)


def _append(path: Path, data: bytes) -> None:
    """Add to a file, all or, where the disk is full, nothing."""
    held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        before = os.fstat(held).st_size
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(held, view) :]
            os.fsync(held)
        except OSError:
            with suppress(OSError):
                os.ftruncate(held, before)
            raise
    finally:
        os.close(held)


def pem(key: PublicKey) -> bytes:
    """A public key as a file."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class Ledger:
    """The ledger of one site, in a folder of its own. Several processes may hold it: they append in turn, each after the last line.

    Opening it checks the whole chain and the last checkpoint. Raises IntegrityError where they do not hold, UsageError where the
    folder cannot be written or another process keeps it locked. A line that was torn by a crash is taken out of the way and
    kept, as a `torn` event. Once a line could not be written, nothing more is.
    """

    def __init__(self, folder: Path, site: str, key: PrivateKey) -> None:
        self.folder, self.site = folder, check_name(site)
        self._key, self._path = key, folder / LEDGER
        self._size, self._seq, self.head = 0, 0, START
        self._broken = False
        with self._guarded():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.keep_key(site, key.public_key())
            with self._alone():
                self._check_checkpoint()
                if self._seq == 0:
                    self._add([("created", "", "", {"format": "mpc ledger 1"})])
            self.checkpoint()

    # -- appending -------------------------------------------------------------------------------------------------------

    def append(self, event: Event, *, study: str = "", session: str = "", **fields: Any) -> None:
        """One line, on the disk when this returns."""
        self.extend(event, [fields], study=study, session=session)

    def extend(self, event: Event, lines: Sequence[Fields], *, study: str = "", session: str = "") -> None:
        """Several lines of one event, on the disk together."""
        with self._guarded(), self._alone():
            self._add([(event, study, session, fields) for fields in lines])

    def checkpoint(self) -> bytes:
        """Sign the head, so that nobody without this site's key can take lines away; the signed file's bytes."""
        with self._guarded(), self._alone():
            stated = {
                "format": "mpc ledger checkpoint 1",
                "site": self.site,
                "seq": self._seq - 1,
                "head": self.head,
                "time": now(),
            }
            signed = dsse.sign(CHECKPOINT, canonical(stated), self._key).dumps()
            write(self.folder / "checkpoint.json", signed)
        return signed

    def keep_key(self, name: str, key: PublicKey) -> None:
        """Remember a participant's public key, as the roster pins it."""
        file = f"keys/{name}.{dsse.keyid(key)[:16]}.pem"
        if not (self.folder / file).exists():
            self.keep(file, pem(key))

    def keep_study(self, study: bytes, approvals: Mapping[str, bytes], approvers: Sequence[PublicKey]) -> None:
        """Keep the manifest that sessions run by, its approvals by the id of the key that signed them, and the approvers' keys."""
        home = f"studies/{dsse.digest(verifier.STUDY, study)}"
        self.keep(f"{home}/study.toml", study)
        for name, data in approvals.items():
            self.keep(f"{home}/study.approvals/{name[:16]}.json", data)
        for key in approvers:
            self.keep(f"approvers/{dsse.keyid(key)[:16]}.pem", pem(key))

    def runs(self, study: str) -> int:
        """How many sessions have begun by a study, however they ended."""
        with self._guarded(), self._alone():
            return _begun(self._of(study))

    def start(self, study: str, session: str, most: int | None, fields: Fields) -> None:
        """A session begins; instead, ConsentError where as many by this study have begun as may."""
        with self._guarded(), self._alone():  # no other process takes the last run between count and line
            if most is not None and (count := _begun(self._of(study))) >= most:
                raise exhausted(study[:16], count, most)
            self._add([("started", study, session, fields)])

    def tell(self, event: Literal["approved", "revoked"], study: str, keyid: str, role: str) -> None:
        """Somebody has approved or revoked a study: in the ledger once, however often it is seen."""
        with self._guarded(), self._alone():
            if (event, keyid) not in [(line["event"], line.get("keyid")) for line in self._of(study)]:
                self._add([(event, study, "", {"keyid": keyid, "role": role})])

    def refuse(self, study: str, error: MpcError) -> None:
        """A study gave no leave: once, until something else of this study is told."""
        fields = {"family": error.family, "kind": type(error).__name__}
        with self._guarded(), self._alone():
            last = (self._of(study) or [{}])[-1]
            if any(last.get(name) != text for name, text in {"event": "refused", **fields}.items()):
                self._add([("refused", study, "", fields)])

    def keep(self, name: str, data: bytes) -> None:
        """Write a file beside the ledger, on the disk when this returns."""
        with self._guarded():
            write(self.folder / name, data)

    def sign(self, kind: str, body: bytes) -> dsse.Envelope:
        """This site's signature."""
        return dsse.sign(kind, body, self._key)

    def newest(self, name: str) -> int:
        """The last line of another site's ledger of which a checkpoint is kept here, or -1."""
        keys, found = verifier.Folder(self.folder).keys_in("keys"), [-1]
        for path in self.folder.glob(f"witness/*.{name}.json"):
            with suppress(OSError, *verifier.MALFORMED):  # a damaged one is mpc audit verify's to find
                found.append(verifier.checkpoint(path.read_bytes(), keys)[2])
        return max(found)

    def _of(self, study: str) -> list[dict[str, Any]]:
        """The lines of a study."""
        lines, _, _, _ = chain(self._path.read_bytes())
        return [line for line in lines if line["study"] == study]

    def _add(self, entries: Sequence[tuple[str, str, str, Fields]]) -> None:
        data = self._lines(entries)
        _append(self._path, data)
        if self._size == 0:
            settle(self.folder)
        self._size += len(data)

    def _lines(self, entries: Sequence[tuple[str, str, str, Fields]]) -> bytes:
        """The next lines, which the head follows at once: where they cannot be written, nothing more is."""
        data, moment = [], now()
        for event, study, session, fields in entries:
            known = {"seq": self._seq, "prev": self.head, "time": moment, "site": self.site, "event": event}
            raw = canonical({**fields, **known, "study": study, "session": session})
            self._seq, self.head = self._seq + 1, verifier.sha256(raw)
            data += [raw, b"\n"]
        return b"".join(data)

    # -- reading what is there -------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Read, and check, what was appended since this was last done."""
        try:
            with open(self._path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                file.seek(self._size)
                lines, hashes, problem, torn = chain(file.read(), self._seq, self.head)
        except FileNotFoundError:
            size, (lines, hashes, problem, torn) = 0, chain(b"")
        if size < self._size:
            raise self._refusal("it is shorter than it was")
        if problem or any(line["site"] != self.site for line in lines):
            raise self._refusal(problem or "it is another site's")
        self._seq += len(lines)
        self.head = hashes[-1] if hashes else self.head
        self._size = size - len(torn)
        if torn:
            self._keep_torn(torn)

    def _keep_torn(self, torn: bytes) -> None:
        """A crash has left part of a line: what it told of has not begun. It is kept in the line that takes its place."""
        whole = self._path.read_bytes()[: self._size]
        line = self._lines([("torn", "", "", {"bytes": base64.b64encode(torn).decode()})])
        write(self._path, whole + line)
        self._size += len(line)

    def _check_checkpoint(self) -> None:
        """What this site signed last must still be there."""
        path, data = self.folder / "checkpoint.json", self._path.read_bytes() if self._seq else b""
        lines, hashes, _, _ = chain(data)
        begun = {line["session"] for line in lines if line["event"] == "started"}
        if lost := sorted({one.stem for one in self.folder.glob("certificates/[!.]*")} - begun):
            raise self._refusal(f"it knows nothing of session {lost[0][:8]}, whose certificate is here: it is new, or an old copy")
        if not path.exists():
            if b'"event":"certified"' in data:
                raise self._refusal("its checkpoint is missing")
            return
        try:
            site, head, seq = verifier.checkpoint(path.read_bytes(), verifier.Folder(self.folder).keys_in("keys"))
        except verifier.MALFORMED:
            raise self._refusal("its checkpoint does not hold") from None
        if site != self.site or seq >= len(hashes) or hashes[seq] != head:
            raise self._refusal("it is not what was signed: lines are gone, or others")

    def _refusal(self, why: str) -> IntegrityError:
        return IntegrityError(
            "The ledger is not what it was.",
            where=str(self._path),
            why=why,
            do="find out who changed it: mpc audit verify, with the other sites' folders; bring back the file as it was",
        )

    # -- one process at a time -------------------------------------------------------------------------------------------

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process of this site writes meanwhile, and what any of them has written is known."""
        held, until = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), time.monotonic() + WAIT
        try:
            while True:
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= until:
                        raise OSError(0, f"another process has kept it locked for {WAIT:g} s") from None
                    time.sleep(PAUSE)
            self._catch_up()
            yield
        finally:
            os.close(held)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What the disk refuses is refused to whoever asked, now and from then on."""
        if self._broken:
            raise _unwritable(self.folder, "an earlier line could not be written")
        try:
            yield
        except OSError as error:
            self._broken = True
            raise _unwritable(self.folder, error.strerror or type(error).__name__) from None


def exhausted(where: str, runs: int, most: int) -> ConsentError:
    """A study has run so often, and may not more often."""
    why = f"it has run {'once' if runs == 1 else f'{runs} times'} at this site, and {most} {'is' if most == 1 else 'are'} approved"
    do = "draft it with mpc study new --runs ... under another name, and have that approved"
    return ConsentError("The study has run as often as it may.", where=where, why=why, do=do)


def _begun(lines: Sequence[Fields]) -> int:
    return sum(line["event"] == "started" for line in lines)


def _unwritable(folder: Path, why: str) -> UsageError:
    do = "make room, or name another folder with --ledger; without a line in the ledger nothing is revealed"
    return UsageError("The ledger cannot be written.", where=str(folder), why=why, do=do)
