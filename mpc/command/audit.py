"""A site's ledger as the commands know it: kept by `mpc party`, shown, checked and exported by `mpc audit`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization

from mpc.command import show
from mpc.command.records import default_folder
from mpc.errors import IntegrityError, UsageError, printable
from mpc.governance import dsse, policy, verifier
from mpc.governance.certificate import Notary
from mpc.governance.ledger import Ledger, write
from mpc.governance.verifier import Folder
from mpc.governance.witness import SessionWitness
from mpc.identity import parse_certificate
from mpc.passphrase import Source
from mpc.roster import Roster
from mpc.session import of_library
from mpc.transport.connect import key_of

FOLDER = "ledger"  # within that of the records
SHORT = 8  # digits of a session or a digest in tables
PRIVATE = ("openings", "lock")  # what no export has
RUNS = ("began (UTC)", "session", "study", "parties", "ended", "reveals")
OUTPUTS = ("session", "no.", "label", "shape", "receivers", "rules", "state")
REFUSED = "a release rule did not hold"
APPROVALS = ("time (UTC)", "what", "study", "session", "by, or why")
README = """What {site} kept of its runs. Unpacked, and with Python and its package `cryptography`:

    python verifier.py {site}

checks it, and beside the folders of other sites finds what one of them may have changed. Take verifier.py from the library instead,
and compare the keys that it prints with the rosters, if you do not trust this archive.
"""


def place(given: Path | None, state: Path | None, name: str) -> Path:
    """Where a site's ledger is; UsageError for a user without a home."""
    folder = state or default_folder()
    if given is None and folder is None:
        raise UsageError("There is no folder for the ledger.", where=name, do="name one that lasts, with --ledger")
    return given or (folder or Path()) / FOLDER / name


def opened(folder: Path, roster: Roster, name: str, key: Path | bytes, source: Source | None = None) -> Ledger:
    """The ledger of a site, for writing with its node's key, a path or PEM; made where there is none."""
    private = serialization.load_pem_private_key(key_of(roster.get(name), key, source), None)
    return Ledger(folder, name, private)  # type: ignore[arg-type]  # the roster has P-256 keys only


def notary(ledger: Ledger, roster: Roster, **study: Any) -> Notary:
    """What signs for this site in the next session; `study` is what it runs by, if it does."""
    keys: dict[str, dsse.PublicKey] = {
        name: parse_certificate(roster.get(name).certificate).public_key()  # type: ignore[misc]  # of the same kind
        for name in roster.parties
    }
    return Notary(ledger, keys, **study)


def witness(ledger: Ledger, roster: Roster, **study: Any) -> SessionWitness:
    """What witnesses this site's next session; see `notary`."""
    return SessionWitness(notary(ledger, roster, **study))


# -- looking ---------------------------------------------------------------------------------------------------------------------


def found(given: Path | None, state: Path | None = None) -> Path:
    """The folder that was named, or that of the only site with a ledger among these records, the usual ones by default."""
    if given is not None:
        return given
    home = state or default_folder()
    sites = sorted(path.parent for path in home.glob(f"{FOLDER}/*/{verifier.LEDGER}")) if home is not None else []
    if len(sites) == 1:
        return sites[0]
    usual = f"{home or 'STATE'}/{FOLDER}/NAME"
    why = f"there are {', '.join(path.name for path in sites)}" if sites else "none is there"
    do = "give the folder that mpc party had as --state, or the ledger's own as --ledger"
    raise UsageError("Which ledger is meant is not clear.", where=usual, why=why, do=do)


def verify(folders: Sequence[Path]) -> int:
    """Check folders, the first of which is believed about keys; the exit code."""
    return 0 if verifier.report(verifier.examine(list(folders)), lambda line: print(line)) else IntegrityError.exit_code


@contextmanager
def _examined(folder: Path) -> Iterator[Folder]:
    """A folder, with a warning where it does not hold; IntegrityError where its lines are not what this library writes."""
    (one,) = verifier.examine([folder])
    if not one.lines:
        raise UsageError("There is no ledger here.", where=str(folder), do="name its folder with --ledger")
    if one.problems:
        print(f"This does NOT hold ({len(one.problems)} problems, see mpc audit verify): what follows may be wrong.\n")
    try:
        yield one
    except (LookupError, TypeError, AttributeError, ValueError):
        what, do = "The ledger's lines are not what they should be.", "find out who changed it: mpc audit verify"
        raise IntegrityError(what, where=str(folder), do=do) from None


def runs(folder: Path) -> None:
    """Every session: when, who, and how it ended."""
    rows = dict[str, list[str]]()
    with _examined(folder) as one:
        for line in one.lines:
            session, event = line["session"], line["event"]
            if event == "started":
                parties = ", ".join(line["parties"])
                rows[session] = [_moment(line), session[:SHORT], line["study"][:SHORT], parties, "without a word", "0"]
            elif event == "intent":
                rows[session][5] = str(int(rows[session][5]) + 1)
            elif event == "outcome" and line["outcome"] != "ok":
                family = line["family"] or line["kind"] or "an error of the script"
                rows[session][4] = REFUSED if family == "ReleaseError" else f"failed: {family}"
            elif event == "certified":
                rows[session][4] = "certified" if session in one.certificates else "certified, signatures missing"
    show.table("", RUNS, [[printable(cell) for cell in row] for row in rows.values()], 1)


def outputs(folder: Path) -> None:
    """Everything that left, or was about to: to whom, by which rules."""
    rows = dict[tuple[str, int], list[str]]()
    with _examined(folder) as one:
        for line in one.lines:
            if line["event"] == "intent":
                cells = [line["session"][:SHORT], str(line["number"]), line["label"], str(tuple(line["shape"]))]
                cells += [", ".join(line["receivers"]), ", ".join(line["rules"]), "may have left"]
                rows[line["session"], line["number"]] = cells
            elif line["event"] == "outcome" and line["outcome"] == "ok":
                for number in line["reveals"]:
                    rows[line["session"], number][-1] = "revealed"
    show.table("", OUTPUTS, [[printable(cell) for cell in row] for row in rows.values()])


def approvals(folder: Path, rules: Path | None = None) -> None:
    """Who approved or revoked what here, what was refused, and by whose approval sessions ran; names, where a policy has them."""
    rows, names = [], {} if rules is None else policy.load(rules).names
    with _examined(folder) as one:
        for line in one.lines:
            what = line["event"]
            if what in ("approved", "revoked"):
                by = f"{_who(line['keyid'], names)} ({line['role'] or 'of no policy'})"
            elif what == "refused":
                by = line["family"] or line["kind"]
            elif what == "started" and line["study"]:
                what, by = "run", ", ".join(_who(name, names) for name in line["approvals"])
            else:
                continue
            rows.append((_moment(line), what, line["study"][:SHORT], line["session"][:SHORT], by))
    show.table("", APPROVALS, [[printable(cell) for cell in row] for row in rows])
    if not rows:
        print("No study was approved here.")


def _who(keyid: str, names: Mapping[str, str]) -> str:
    return names.get(keyid, keyid[:16] or "an unknown key")


def _moment(line: dict[str, Any]) -> str:
    return str(line["time"])[:19].replace("T", " ")


# -- handing out -----------------------------------------------------------------------------------------------------------------


def disclose(folder: Path, which: str, to: Path | None, results: Path | None) -> None:
    """Open one commitment: show what it is of, and write what convinces somebody else of it."""
    session, _, number = which.partition(":")
    files = [path for path in (folder / "openings").glob("*.json") if session and path.name.startswith(session)]
    kept = [one for path in files for one in msgspec.json.decode(path.read_bytes())["reveals"] if str(one["number"]) == number]
    if len(kept) != 1 or kept[0]["words"] is None:
        why = "this site did not receive it, or several sessions begin so" if files else "no session of this site begins so"
        do = "give SESSION:NUMBER as mpc audit outputs lists them"
        raise UsageError("This reveal cannot be opened.", where=printable(which), why=why, do=do)
    try:
        with _examined(folder) as one:
            print(verifier.check_opening(kept[0], [one]))
            label = one.certificates[kept[0]["session"]][1]["reveals"][kept[0]["number"]]["label"]
    except StopIteration:
        raise IntegrityError("The session has no certificate.", where=printable(which), do="mpc audit verify") from None
    if results is not None and of_library(label):
        what, why = "This number is no result of the script, and in no file.", f"it is the library's own: {label!r}"
        raise UsageError(what, where=printable(which), why=why, do="leave out --results, or open a result of the script")
    if results is not None:
        from mpc.command.published import compare

        compare(kept[0], results)
    if to is not None:
        write(to, verifier.canonical(kept[0]) + b"\n")
        print(f"{to}: for whoever is to be convinced; they run: python verifier.py FOLDER --opening {to.name}")


def export(ledger: Ledger, out: Path) -> None:
    """One archive with all that a verifier needs, and the verifier; no opening of a commitment. The ledger tells of it first."""
    if out.exists():
        raise UsageError("There is a file of this name already.", where=str(out), do="choose another name")
    ledger.append("exported")
    ledger.checkpoint()
    paths = [path for path in sorted(ledger.folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    inside = {path.relative_to(ledger.folder): path for path in paths}
    named = {name: path for name, path in inside.items() if name.parts[0] not in PRIVATE}
    try:
        with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as archive:
            archive.write(verifier.__file__, "verifier.py")
            archive.writestr("README.txt", README.format(site=ledger.site))
            for name, path in named.items():
                archive.write(path, f"{ledger.site}/{name.as_posix()}")
    except OSError as error:
        out.unlink(missing_ok=True)
        why = str(error.strerror or type(error).__name__)
        raise UsageError("The archive cannot be written.", where=str(out), why=why, do="choose another place") from None
    print(f"{out}: {len(named)} files of {ledger.site}; unpacked, checked with: python verifier.py {ledger.site}")
