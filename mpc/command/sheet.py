"""The review sheet: a study in plain language, for people who answer for the data."""

from __future__ import annotations

import difflib
import re
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from mpc.command import studies
from mpc.data.saved import TABLE
from mpc.errors import ConsentError, MpcError
from mpc.governance import approval, dsse, manifest, policy
from mpc.governance.manifest import INTERMEDIATE, NO_RESULT, SAVED, Manifest, Reads, Reveal
from mpc.governance.permit import causes, consequences, lacking
from mpc.governance.policy import Policy
from mpc.governance.rules import words
from mpc.roster import same_organisation
from mpc.rules import KINDS, Rule
from mpc.setting import SHARING

ARTICLE = {"aggregate": "an aggregate", "model": "a model"}
HEAD = re.compile(r" *(?:[a-zA-Z]+(?: if)? {2,}|[0-9]+[.] |! )?")  # of a line, before its text
WIDTH = 110  # columns of a sheet
DEALER = (
    "The dealer, which holds no data, learns the operations on masks, their shapes, which branches the script takes and how often "
    "loops run; no value, revealed or secret. The dealer together with any one party could read practically everything."
)
SHARED = (
    "Tables leave their owners only as shares and under fresh masks: all parties together, or the dealer and a party, could read "
    "them; fewer cannot. A party that deviates from the protocol can make results wrong; one that keeps to it learns results alone."
)

KEPT = (
    "Each share is random words; all of them together are the model, and so are one of them and the dealer. A later study can use "
    "it: its policy must grant each party's share as a table, and may allow no output of kind saved, so that nothing is kept."
)

SAID = (
    "Rules and kinds are found by the library in the process that runs the script, at every party for itself. A rule checks the "
    "numbers that the script names: that these are what stands behind the result, only a reader of the script can see."
)


def show(
    study: Path, script: Path | None, schema: Path | None, rules: Path | None, previous: Path | None, *, memory: int
) -> tuple[str, ...]:
    """Print the sheet of a study; what speaks against it: differences from the script, and what the policy does not allow."""
    data = approval.read(study)
    read, beside = manifest.loads(data, str(study)), approval.folder(study)
    allowed = policy.load(rules) if rules is not None else None
    signed = approval.signed(data, beside, allowed.keys if allowed is not None else {})
    names = allowed.names if allowed is not None else {}
    over = [*approval.expired(read, datetime.now(UTC).date()), *approval.stopped(signed, names, beside)]
    against = _section("This study may not run any more", over, "") if over else []
    for line in _sheet(read):
        print(_wrapped(line))
    if script is not None:
        against += _script(read, script, schema, memory)
    if allowed is not None:
        title = f"Compared with the policy of {allowed.site}"
        against += _section(title, policy.objections(read, allowed), "It allows this study.")
        print("\n".join(_thresholds(read, allowed)))
        _section("Approvals", lacking(signed, allowed, beside), "There are as many as the policy asks for, and from every role.")
    print("\n".join(_difference(study, data, previous, allowed)))
    print(f"\nDigest of this study, which an approval is for: {manifest.digest(data)}")
    return tuple(against)


def _sheet(study: Manifest) -> Iterator[str]:
    yield f"Study {study.name}\n"
    yield f"  Purpose        {study.purpose}"
    yield f"                 code {study.purpose_code}, legal basis {study.legal_basis}"
    yield f"  Limits         {_times(study.runs)} at each site, until the end of {study.expires} (UTC)"
    yield f"  Retention      results are kept for {study.retention_days:,} days at most, as the receivers promise"
    yield f"  Script         {study.program.script}, digest {study.program.program}"
    yield f"  Setting        {study.program.setting}"
    yield "\nWho takes part\n"
    for one in study.participant:
        yield f"  {_who(study, one.name)}: {one.role}, certificate {_mark(one.certificate)}"
    yield "\nWho gives what\n"
    for reads in study.reads:
        yield f"  {_who(study, reads.party)} gives {_given(reads)}"
        yield f"    The script computes with: {', '.join(reads.columns) or 'nothing'}"
        if reads.unused:
            yield f"    Not used, and held back by its node: {', '.join(reads.unused)}"
    if not study.reads:
        yield "  Nobody gives a table."
    yield f"\n  {SHARED}"
    yield "\nWhat leaves, and to whom\n"
    results = [one for one in study.reveal if one.kind not in NO_RESULT]
    for number, reveal in enumerate(results, 1):
        yield from _reveal(number, reveal, study)
    if not results:
        yield "  Nothing is revealed."
    if results:
        yield f"\n  {SAID}"
    yield from _intermediate(study)
    yield from _kept(study)
    yield "\nWhat the dealer learns\n"
    yield f"  {DEALER if any(one.role == 'dealer' for one in study.participant) else 'There is no dealer.'}"
    yield "\nTo be looked at\n"
    yield from (f"  ! {line}" for line in (*attention(study), *_time(study)))


def _given(reads: Reads) -> str:
    if not reads.table.startswith(TABLE):
        return f"its table {reads.table}, {reads.rows:,} rows."
    name = reads.table.removeprefix(TABLE)
    return f"its share of the model that was saved as {name}, made of {reads.rows:,} rows or more."


def _reveal(number: int, reveal: Reveal, study: Manifest) -> Iterator[str]:
    yield f"  {number}. {reveal.label!r} ({reveal.line})"
    yield f"     what     {_what(reveal, study)}"
    if reveal.numbers:
        yield f"     numbers  {reveal.numbers}"
    yield f"     to       {_receivers(reveal, study)}"
    yield f"     when     {_when(reveal)}"
    for text in reveal.rules:
        rule = Rule.parse(text)
        yield f"     only if  {words(rule, beside=rule.kind not in manifest.carried(reveal))} ({text})"
    if not reveal.rules:
        yield "     only if  anything: no rule says how many rows or persons must stand behind it"


def _what(reveal: Reveal, study: Manifest) -> str:
    """A number, a few, or one for every row: what makes the difference between a summary and the data."""
    by_row = manifest.lengths(study.reads)
    place = next((extent for extent in reveal.shape if extent in by_row), None)
    called = f"the study calls it {ARTICLE.get(reveal.kind, reveal.kind)}"
    if place is not None:
        each = "one number" if reveal.size == place else f"{reveal.size // max(1, place):,} numbers"
        return f"{each} per row of {' or '.join(by_row[place])}: {_values(reveal.size)}; {called}"
    if reveal.shape == ():
        return f"a single number; {called}"
    rows = min((one.rows for one in study.reads), default=0)
    per = rows / max(1, reveal.size * reveal.times)
    ratio = f", about one for every {per:,.0f} rows" if per >= 2 else ", as many as there are rows, or nearly" if rows else ""
    return f"{_values(reveal.size)}, as an array of shape {' x '.join(map(str, reveal.shape))}{ratio}; {called}"


def _when(reveal: Reveal) -> str:
    if reveal.at_least == reveal.times:
        return _times(reveal.times)
    least = f", and {_times(reveal.at_least)} in any case" if reveal.at_least else ""
    return f"only if values revealed before lead the script there: {_times(reveal.times)} at most{least}"


def _receivers(reveal: Reveal, study: Manifest) -> str:
    names = ", ".join(_who(study, name) for name in reveal.receivers)
    count = len({_organisation(study, name) or name for name in reveal.receivers})
    return f"{names}; that is {count} organisations" if count > 1 else names


def _intermediate(study: Manifest) -> Iterator[str]:
    opened = [one for one in study.reveal if one.kind == INTERMEDIATE]
    if opened:
        yield "\nWhat all parties see on the way\n"
    for one in opened:
        yield f"  {one.label!r} ({one.line}): {_values(one.size)}, {_times(one.times)} at most"


def _kept(study: Manifest) -> Iterator[str]:
    """Shares of what the script saves: each is random words, and all together are what was saved."""
    kept = [one for one in study.reveal if one.kind == SAVED]
    if kept:
        yield "\nWhat parties keep for later sessions, sealed\n"
    for one in kept:
        yield f"  {', '.join(_who(study, name) for name in one.receivers)}: {one.label} ({one.line}), {_values(one.size)}"
    if kept:
        yield f"\n  {KEPT}"


def attention(study: Manifest) -> Iterator[str]:
    """What a careful reader would stop at."""
    by_row = manifest.lengths(study.reads)
    for one in study.reveal:
        if one.kind not in NO_RESULT and by_row.keys() & set(one.shape):
            yield f"{one.label!r} tells something of every single row."
        elif one.kind in ("rows", "predictions"):
            yield f"{one.label!r} tells something of single rows, says the study."
        held = manifest.carried(one)
        if one.kind not in NO_RESULT and not held:
            yield f"{one.label!r} is revealed however few rows or persons stand behind it."
        elif one.kind not in NO_RESULT and "rows" in held and held.isdisjoint({"cells", "group"}):
            yield f"{one.label!r} is about whole tables, says the script: nothing is counted."
        if one.label.startswith("declassified: ") and not one.numbers:
            yield f"{one.label!r} is opened without a mask."
    for reads in study.reads:
        if reads.unused:
            yield f"{reads.party}.{reads.table} has columns that the script does not need: take them out of the schema."
    yield from _organisations(study)
    if not study.program.setting.startswith(SHARING):
        yield f"The setting is not the usual one: {study.program.setting}"


def _organisations(study: Manifest) -> Iterator[str]:
    people = study.participant
    for one in people:
        if not one.organisation:
            yield f"{one.name} names no organisation, so that nobody can tell whether it is independent."
    for place, one in enumerate(people):
        for other in people[place + 1 :]:
            if same_organisation(one.organisation, other.organisation):
                yield f"{one.name} and {other.name} belong to one organisation, which sees what both see."


def _time(study: Manifest) -> Iterator[str]:
    if datetime.now(UTC).date() > study.expires:
        yield f"It has expired: its last day was {study.expires}."
    yield "The script computes with the tables in clear, in a process without files and network: read it, and what it imports."


def _thresholds(study: Manifest, allowed: Policy) -> Iterator[str]:
    """What the policy says of rules that are there, and of which kinds of output in the study it asks for none."""
    yield f"  Rules that are there may not be laxer than {', '.join(str(allowed.thresholds.rule(name)) for name in KINDS)}."
    asked = {one.kind for one in allowed.output if one.rules}
    if free := sorted({one.kind for one in study.reveal} - asked - {*NO_RESULT}):
        yield f"  There need not be any: this policy asks for none of {' and '.join(free)}."


def _script(study: Manifest, script: Path, schema: Path | None, memory: int) -> list[str]:
    """Print what differs from the script here: what causes it before what comes of that."""
    job = studies.described(script, schema, study.imposed, memory=memory)
    first, then = list(causes(study, job)), list(consequences(study, job))
    found = _section("Compared with the script here", first or then, "It is the one in the study.")
    return found + _section("Compared with the script here: what follows comes from this", then, "") if first and then else found


def _section(title: str, refusals: Iterable[ConsentError], fine: str) -> list[str]:
    """Print what speaks against a study, or that nothing does."""
    listed = list(refusals)
    print(f"\n{title}\n")
    for refusal in listed:
        print("\n".join(f"  {'!' if not place else ' '} {line.strip()}" for place, line in enumerate(str(refusal).split("\n"))))
    if not listed:
        print(f"  {fine}")
    return [refusal.what for refusal in listed]


def _difference(study: Path, data: bytes, previous: Path | None, allowed: Policy | None) -> Iterator[str]:
    """What has changed since an earlier version: the one named, or the latest one that somebody approved."""
    found = (str(previous), approval.read(previous)) if previous is not None else _last(study, data, allowed)
    if found is None:
        yield "\nNo earlier version was approved in this file's place; --previous names another one to compare with."
        return
    name, before = found
    yield f"\nChanges since {name}\n"
    lines = list(difflib.unified_diff(before.decode(errors="replace").splitlines(), data.decode().splitlines(), lineterm="", n=4))
    yield from (f"  {_shown(line)}" for line in lines[2:] if not line.startswith("@@"))
    if not lines:
        yield "  None."


def _last(study: Path, data: bytes, allowed: Policy | None) -> tuple[str, bytes] | None:
    """The latest other bytes that an approval beside the study is for; checked, where there is a policy to check them by."""
    found = []
    for path, envelope in approval.envelopes(approval.folder(study)):
        if path.name.endswith(approval.REVOKED) or envelope.body == data:
            continue
        try:
            manifest.draft(envelope.body, path.name)
            signers = dsse.verified(envelope, manifest.TYPE, allowed.keys if allowed is not None else {})
        except MpcError:
            continue
        who = ", ".join(allowed.who(name).name for name in signers) if allowed is not None else ""
        told = f"the version that {who} approved" if who else f"the version in {path.name}, whose signature was not checked"
        found.append((path.stat().st_mtime_ns, told, envelope.body))
    return max(found)[1:] if found else None


def _wrapped(line: str) -> str:
    """A line of a sheet on several of the screen, each as far to the right as its text begins."""
    text = line.strip("\n")
    before, _, after = line.partition(text) if text else (line, "", "")
    head = HEAD.match(text)
    hang = " " * (len(head[0]) if head else 0)
    return before + textwrap.fill(text, WIDTH, subsequent_indent=hang, break_long_words=False, break_on_hyphens=False) + after


def _shown(line: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _organisation(study: Manifest, name: str) -> str:
    return next((one.organisation for one in study.participant if one.name == name), "")


def _who(study: Manifest, name: str) -> str:
    return f"{name} ({_organisation(study, name) or 'no organisation named'})"


def _mark(certificate: str) -> str:
    """A fingerprint as mpc roster shows it, to be read aloud."""
    return " ".join(certificate[start : start + 4] for start in range(0, 32, 4))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count:,} values"
