"""Studies and policies as files: one spelling, mistakes named with their place, rules compared, keys kept from others."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from governed import ADA, BOB, POLICY, READS, REVEALS, STUDY, altered, spelled
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import IntegrityError, UsageError
from mpc.governance import dsse, keys, manifest, policy
from mpc.governance.documents import legible, written
from mpc.governance.manifest import Reads, Reveal, draft, lengths, loads
from mpc.governance.rules import rules
from mpc.rules import Rule
from mpc.sealing import is_sealed, seal

DATA = STUDY.dumps()

UNSEEN = ("\u3164", "\u2800", "\u115f", "\uffa0", "\u034f", "\ufe0f", "\U000e0101", "\u180b", "\u200b", "\u202e", "\x1b", "\n")
STRUCK = ("no\u0336t", "not\u0338", "a" + "\u0301" * 4, "a" + "\u20dd\u0323\u0301\u0302")

# -- one spelling ---------------------------------------------------------------------------------------------------------------


def test_what_was_written_reads_back_and_is_written_alike() -> None:
    found = loads(DATA, "study.toml")
    assert found == STUDY
    assert found.dumps() == DATA
    assert tomllib.loads(DATA.decode())["reveal"][1]["rules"] == ["group>=10"]
    assert DATA.startswith(b'format = "mpc study 1"\nname = "costs-1"\n')
    assert b"\r" not in DATA
    assert DATA.endswith(b"\n")


PRINTABLE = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")), min_size=1, max_size=30)


@given(PRINTABLE, PRINTABLE, st.integers(1, 10**9), st.dates(), st.lists(st.integers(0, 9), max_size=4), st.permutations(REVEALS))
def test_whatever_people_write_has_one_spelling(
    purpose: str, label: str, runs: int, expires: date, shape: list[int], order: list[Reveal]
) -> None:
    other = altered(REVEALS[0], label=label, shape=tuple(shape), line="a.py:7")
    study = altered(STUDY, purpose=purpose, runs=runs, expires=expires, reveal=(*order, other), reads=READS[::-1])
    data = study.dumps()
    again = loads(data, "")
    assert again.dumps() == data
    assert (again.purpose, again.runs, again.expires) == (purpose, runs, expires)
    assert set(again.reveal) == set(study.reveal)
    assert altered(study, reveal=(other, *reversed(order)), reads=READS).dumps() == data, "whatever the order was"


def test_reveals_stand_in_the_order_of_the_script() -> None:
    ordered = [one.line for one in loads(DATA, "").reveal]
    assert ordered == ["fit.py:10", "fit.py:10", "fit.py:12", "fit.py:14", "fit.py:16"]
    moved = altered(STUDY, reveal=tuple(altered(one, line=f"fit.py:{9 if one.kind == 'model' else 10}") for one in REVEALS))
    assert loads(moved.dumps(), "").reveal[0].kind == "model", "9 comes before 10"


def test_another_spelling_is_refused_with_its_line_and_can_be_put_right() -> None:
    edited = DATA.replace(b"runs = 3", b"runs  =  3 # per site")
    with pytest.raises(IntegrityError, match=r"one spelling(.|\n)*study.toml, line 7(.|\n)*mpc study fmt study.toml"):
        loads(edited, "study.toml")
    assert draft(edited, "study.toml").dumps() == DATA
    with pytest.raises(IntegrityError, match="at its end"):
        loads(DATA + b"\n", "study.toml")


def test_the_digest_covers_kind_and_bytes() -> None:
    assert manifest.digest(DATA) == dsse.digest("application/vnd.mpc.study+toml", DATA)
    assert manifest.digest(DATA) != manifest.digest(DATA + b"\n")


BAD: dict[str, tuple[str, str, str]] = {
    "not TOML": ("runs = 3", "runs = = 3", "at line 7"),
    "text for a number": ("runs = 3", 'runs = "3"', "study.toml, runs"),
    "a truth value for a number": ("runs = 3", "runs = true", "study.toml, runs"),
    "no runs": ("runs = 3", "runs = 0", "study.toml, runs"),
    "a fraction": ("runs = 3", "runs = 3.0", "study.toml, runs"),
    "an unknown field": ("runs = 3", "runs = 3\nrusn = 3", "unknown field `rusn`"),
    "a missing field": ("runs = 3\n", "", "missing required field `runs`"),
    "another format": ("mpc study 1", "mpc study 2", "study.toml, format"),
    "a name with a space": ("costs-1", "costs 1", "study.toml, name"),
    "a name that ends a line": ("costs-1", "costs-1\\n", "study.toml, name"),
    "a purpose of two lines": ("Find out", "Find\\nout", "printable characters only"),
    "a purpose that turns the text": ("Find out", "Find\u202eout", "printable characters only"),
    "no purpose": ('purpose = "Find out \\"what\\" age and weight cost."', 'purpose = ""', "study.toml, purpose"),
    "a date as text": ("expires = 2027-12-31", 'expires = "2027-12-32"', "study.toml, expires"),
    "a time": ("expires = 2027-12-31", "expires = 2027-12-31T00:00:00", "study.toml, expires"),
    "a shape below nothing": ("shape = [4, 2]", "shape = [4, -2]", "reveal 3, shape"),
    "an unknown rule": ('"cells>=5"', '"cell>=5"', "reveal 3"),
    "a rule in other words": ('"cells>=5"', '"cells>=05"', "reveal 3"),
    "a rule twice": ('"cells>=5"', '"cells>=5", "cells>=6"', "each release rule once"),
    "an unknown kind": ('kind = "model"', 'kind = "models"', "reveal 4, kind"),
    "an unknown role": ('role = "dealer"', 'role = "broker"', "participant 2, role"),
    "a short fingerprint": (STUDY.participant[0].certificate, "abcd", "participant 1, certificate"),
    "two participants of a name": ('name = "insurer"', 'name = "clinic"', "No two participants"),
    "a table twice": ('party = "insurer"\ntable = "claims"', 'party = "clinic"\ntable = "patients"', "No two entries of reads"),
    "a table in another way": ("[program]", "[reads.x]\n[program]", "line 37"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_named_with_its_line_or_field(name: str) -> None:
    old, new, place = BAD[name]
    assert old in DATA.decode()
    with pytest.raises(UsageError) as raised:
        draft(DATA.decode().replace(old, new).encode(), "study.toml")
    assert place in str(raised.value)
    assert "study.toml" in raised.value.where


def test_what_is_no_document_is_no_study() -> None:
    for data in (b"\xff", b"", b"a = " + b"[" * 100_000, b"a = 1" + b"0" * 100_000):
        with pytest.raises(UsageError):
            draft(data, "study.toml")


def test_tables_of_one_name_may_lie_under_one_another() -> None:
    stacked = [Reads(owner, "patients", rows, (), ()) for owner, rows in (("a", 10), ("b", 20), ("c", 40))]
    found = lengths([*stacked, Reads("a", "visits", 5, (), ())])
    assert found == {
        10: ("a.patients",), 20: ("b.patients",), 40: ("c.patients",), 5: ("a.visits",),
        30: ("a.patients and b.patients",), 50: ("a.patients and c.patients",), 60: ("b.patients and c.patients",),
        70: ("a.patients and b.patients and c.patients",),
    }  # fmt: skip


# -- rules ----------------------------------------------------------------------------------------------------------------------


def test_a_rule_is_stated_once() -> None:
    assert rules(("cells>=5", "group>=10")) == {"cells": Rule.of("cells", 5), "group": Rule.of("group", 10)}
    for texts in (("cells>=5", "cells>=6"), ("cells>5",), ("cells>=05",), ("row>=5",)):
        with pytest.raises(ValueError, match=r"once|no such|not the text"):
            rules(texts)


# -- policies -------------------------------------------------------------------------------------------------------------------


TEXT = spelled(POLICY)


def test_a_policy_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(f"# What we allow.\n{TEXT}")
    assert policy.load(tmp_path / "policy.toml") == POLICY
    assert set(POLICY.keys) == {dsse.keyid(keys.public(one.key)) for one in POLICY.approver}
    (tmp_path / "policy.toml").chmod(0o646)
    with pytest.raises(UsageError, match="can change the policy"):
        policy.load(tmp_path / "policy.toml")
    assert POLICY.who(dsse.keyid(BOB.public_key())).name == "bob"


WRONG: dict[str, tuple[str, str, str]] = {
    "no thresholds": ("[thresholds]", "[threshold]", "threshold"),
    "a threshold less": ("cells = 5\n", "", "thresholds"),
    "a share above all": ("dominance = 0.85", "dominance = 1.85", "thresholds.dominance"),
    "no approvers needed": ("count = 2", "count = 0", "approvals.count"),
    "more approvers than there are": ("count = 2", "count = 4", "3 approvers"),
    "a role that nobody has": ('roles = ["steward", "security"]', 'roles = ["director"]', "director"),
    "an unknown kind": ('kind = "model"', 'kind = "anything"', "output 2, kind"),
    "a kind twice": ('kind = "model"', 'kind = "aggregate"', "No two entries of output"),
    "an unknown rule": ('"group|cells"', '"group|cell"', "output 1"),
    "a key that is none": (keys.spelled(ADA.public_key()), "abcd", "approver 1"),
    "a key twice": (keys.spelled(ADA.public_key()), keys.spelled(BOB.public_key()), "No two approvers have one key"),
    "a person twice": ('name = "bob"', 'name = "ada"', "No two approvers have one name"),
    "a field too many": ("site =", 'everything = "*"\nsite =', "everything"),
    "a partner's name for a table": ("[[partner]]", "[partner]", "policy.toml"),
    "not TOML": ("runs = 5", "runs 5", "line 5"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_in_a_policy_is_named_with_its_line_or_field(name: str, tmp_path: Path) -> None:
    old, new, place = WRONG[name]
    assert old in TEXT
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(UsageError) as raised:
        policy.load(path)
    assert place in str(raised.value)


def test_a_purpose_of_a_table_is_granted_once(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(spelled(altered(POLICY, approver=POLICY.approver)) + TEXT[TEXT.index("[[table]]") : TEXT.index("[[approver]]")])
    with pytest.raises(UsageError, match="No two entries of a table"):
        policy.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        policy.load(tmp_path / "nowhere.toml")


def test_a_text_is_written_as_toml_reads_it() -> None:
    for text in ('quote " and \\', "größe €", "tab\tand\nline", "\x01"):
        assert tomllib.loads(f"x = {written(text)}") == {"x": text}


# -- keys -----------------------------------------------------------------------------------------------------------------------


def test_a_key_is_its_owners_alone_and_signs(tmp_path: Path) -> None:
    path = tmp_path / "ada.key"
    public = keys.create(path, "ada")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = keys.opened(keys.read(path), never, "")
    assert key.public_key() == public == keys.public(keys.spelled(public))
    with pytest.raises(UsageError, match="exists already"):
        keys.create(path, "ada")
    path.chmod(0o640)
    with pytest.raises(UsageError, match="open to others"):
        keys.read(path)
    with pytest.raises(UsageError, match="cannot be read"):
        keys.read(tmp_path / "nobody.key")


def test_a_key_is_sealed_for_approving_alone(tmp_path: Path) -> None:
    path = tmp_path / "ada.key"
    public = keys.create(path, "ada", lambda what: b"correct horse battery")
    data = keys.read(path)
    assert is_sealed(data)
    assert keys.opened(data, lambda what: b"correct horse battery", "").public_key() == public
    with pytest.raises(UsageError, match="passphrase is wrong"):
        keys.opened(data, lambda what: b"correct house battery", "")
    pem = keys.opened(data, lambda what: b"correct horse battery", "").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(UsageError, match="sealed for something else"):
        keys.opened(seal("node key", "ada", pem, b"correct horse battery"), lambda what: b"correct horse battery", "")


def never(what: str) -> bytes:
    raise AssertionError("a plain key has no passphrase")


def no_key(_: Path) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def node_key(_: Path) -> bytes:
    plain = serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def public_key(_: Path) -> bytes:
    layout = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return Ed25519PrivateKey.generate().public_key().public_bytes(*layout)


@pytest.mark.parametrize("made", [no_key, node_key, public_key])
def test_only_an_approvers_key_approves(made: Callable[[Path], bytes], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="approver's key cannot be read"):
        keys.opened(made(tmp_path), never, "x.key")


def test_an_approvers_public_key_has_one_spelling() -> None:
    spelt = keys.spelled(ADA.public_key())
    for text in ("", spelt[:-1], f" {spelt}", f"{spelt}\n", spelt.replace("=", ""), "AAAA", "!" * 60):
        with pytest.raises(ValueError, match="An approver's key"):
            keys.public(text)


def test_the_policy_in_the_docs_is_a_sound_one(tmp_path: Path) -> None:
    text = (Path(__file__).parent.parent / "docs" / "study.md").read_text(encoding="utf-8")
    (tmp_path / "policy.toml").write_text("format" + text.split("```toml\nformat")[1].split("```")[0], encoding="utf-8")
    assert policy.load(tmp_path / "policy.toml").approvals.roles == ("steward", "security")


# -- texts that people read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [*(f"costs{one}" for one in UNSEEN), *STRUCK])
def test_a_text_that_is_not_what_its_reader_sees_is_refused(text: str) -> None:
    assert not legible(text)
    for place in ("purpose", "label"):
        changed = {"purpose": text} if place == "purpose" else {"reveal": (altered(REVEALS[1], label=text),)}
        with pytest.raises(ValueError, match="printable characters only"):
            altered(STUDY, **changed).__post_init__()


@pytest.mark.parametrize(
    "text", ["Größe (m²), naïve", "Gro\u0308\u00dfe", "Chi phí y tế", "ค่าใช้จ่ายที่", "चिकित्सा खर्च", "費用", "עֲלוּת", "ﬁn €"]
)
def test_texts_of_many_scripts_are_legible(text: str) -> None:
    assert legible(text)
