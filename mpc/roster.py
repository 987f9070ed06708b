"""The roster: who takes part, where they listen, and the one certificate that proves each of them. Everyone holds the same file."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn, cast

import msgspec

from mpc.errors import UsageError
from mpc.identity import der
from mpc.party import check_name

ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})")
FIELDS = ("name", "role", "address", "organisation", "certificate")
OPTIONAL = ("organisation",)


def same_organisation(one: str, other: str) -> bool:
    """Whether two texts name one organisation, whatever their case, spacing, punctuation and Unicode form; empty ones do not."""
    return bool(_letters(one)) and _letters(one) == _letters(other)


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "ZPC")


def _refuse(what: str, why: str, do: str, where: str = "") -> NoReturn:
    raise UsageError(what, where=where, why=why, do=do)


@dataclass(frozen=True, slots=True)
class Participant:
    """One participant: a party that holds data, or the dealer that hands out randomness. Raises UsageError for a bad field."""

    name: str
    role: Literal["party", "dealer"]
    address: str  # host:port, an IPv6 host in square brackets; empty where no connection can come in: it dials all others
    certificate: str  # PEM
    organisation: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.role not in ("party", "dealer"):
            _refuse("A role is not known.", f"{self.role[:32]!r} is neither party nor dealer", "write party or dealer", self.name)
        match = ADDRESS.fullmatch(self.address)
        if self.listens and (not match or not 1 <= int(match[1]) <= 65535):
            _refuse(
                "An address is not usable.",
                f"{self.address[:80]!r} is not host:port",
                'write for example "10.0.0.5:7000", or "" where no connection can come in',
                self.name,
            )
        if len(self.organisation) > 200 or not self.organisation.isprintable():
            _refuse("An organisation is not usable.", "it is longer than 200 characters or not printable", "shorten it", self.name)
        try:
            der(self.certificate)
        except UsageError as error:
            _refuse(error.what, error.why, error.do, self.name)

    @property
    def listens(self) -> bool:
        """Whether it has an address on which others can dial it."""
        return bool(self.address)

    @property
    def endpoint(self) -> tuple[str, int]:
        """Host, without brackets, and port, of one that listens."""
        host, _, port = self.address.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def der(self) -> bytes:
        """The certificate's DER bytes."""
        return der(self.certificate)

    def dumps(self) -> str:
        """This participant as it stands in a roster file."""
        lines = ["[[participant]]"]
        for key in ("name", "role", "address", "organisation"):
            lines.append(f"{key} = {json.dumps(getattr(self, key), ensure_ascii=False)}")
        return "\n".join([*lines, f'certificate = """\n{self.certificate.strip()}\n"""', ""])


@dataclass(frozen=True, slots=True)
class Roster:
    """All participants in an order everyone shares. Raises UsageError if together they make no sound session."""

    participants: tuple[Participant, ...]

    def __post_init__(self) -> None:
        names = [one.name for one in self.participants]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            _refuse("A name stands twice in the roster.", "names tell participants apart", "rename one", ", ".join(twice))
        holders: dict[bytes, str] = {}
        for one in self.participants:
            if (other := holders.setdefault(one.der, one.name)) != one.name:
                _refuse(
                    "Two participants have the same certificate.",
                    "the certificate is what tells them apart",
                    "let each make a key and certificate of its own",
                    f"{other} and {one.name}",
                )
        self._check_roles()
        silent = [one.name for one in self.participants if not one.listens]
        if len(silent) > 1:
            _refuse(
                "These participants cannot reach each other.",
                "none of them has an address, so that neither can dial the other",
                "let all but one open a port to the others, and write host:port as its address",
                " and ".join(silent),
            )

    def _check_roles(self) -> None:
        dealers = [one for one in self.participants if one.role == "dealer"]
        if len(dealers) > 1:
            _refuse(
                "The roster has two dealers.", "a session has at most one", "remove one", ", ".join(one.name for one in dealers)
            )
        if not self.parties:
            _refuse("The roster has no party.", "nobody would hold data", "add at least one participant with role party")
        for party in self.participants:
            if dealers and party.role == "party" and same_organisation(party.organisation, dealers[0].organisation):
                _refuse(
                    "The dealer and a party belong to one organisation.",
                    f"{dealers[0].organisation!r} and {party.organisation!r} are the same, and together with a party the dealer "
                    "could read the other parties' data",
                    "let somebody who holds no data and receives no results run the dealer",
                    f"{dealers[0].name} and {party.name}",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Every participant's name, in roster order."""
        return tuple(one.name for one in self.participants)

    @property
    def parties(self) -> tuple[str, ...]:
        """The parties' names, in roster order."""
        return tuple(one.name for one in self.participants if one.role == "party")

    @property
    def dealer(self) -> str | None:
        """The dealer's name, or None."""
        return next((one.name for one in self.participants if one.role == "dealer"), None)

    def index(self, name: str) -> int:
        """The place of a party in `parties`, counted from 0; raises UsageError for any other name."""
        if name not in self.parties:
            _refuse(
                "No party has this name.", f"the parties are {', '.join(self.parties)}", "use a name of the roster", repr(name[:64])
            )
        return self.parties.index(name)

    def get(self, name: str) -> Participant:
        """The participant of that name; raises UsageError if there is none."""
        for one in self.participants:
            if one.name == name:
                return one
        _refuse("Nobody has this name.", f"the roster has {', '.join(self.names)}", "use a name of the roster", repr(name[:64]))

    def digest(self) -> bytes:
        """SHA-256 over the canonical encoding; equal exactly where everyone holds the same roster, however the file is laid out."""
        fields = [(one.name, one.role, one.address, one.organisation, one.der) for one in self.participants]
        return hashlib.sha256(msgspec.msgpack.encode(("roster", 1, fields))).digest()

    def dumps(self) -> str:
        """The roster as TOML that `loads` reads back."""
        return "\n".join(one.dumps() for one in self.participants)

    @staticmethod
    def participants_in(text: str, where: str) -> tuple[Participant, ...]:
        """The participants that a TOML text spells, before they are looked at together; raises UsageError as `loads` does."""
        try:
            document = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            _refuse("The roster is not TOML.", str(error), "correct the file", where)
        tables = document.get("participant")
        if set(document) - {"participant"} or not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            extra = ", ".join(sorted(set(document) - {"participant"}))
            why = f"it also has {extra}" if extra else "there is none"
            _refuse("The roster must consist of [[participant]] tables.", why, "correct the file", where)
        return tuple(_participant(table, f"{where}, participant {place}") for place, table in enumerate(tables, 1))

    @staticmethod
    def loads(text: str, where: str = "the roster") -> Roster:
        """The roster a TOML text spells; raises UsageError, naming `where` and the table, for anything unexpected."""
        return Roster(Roster.participants_in(text, where))

    @staticmethod
    def load(path: str | Path) -> Roster:
        """The roster in a TOML file; raises UsageError if it is missing or not sound."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            _refuse("The roster cannot be read.", str(error.strerror), "give the path of the roster file", str(path))
        except UnicodeDecodeError:
            _refuse("The roster cannot be read.", "it is not UTF-8 text", "save it as UTF-8", str(path))
        return Roster.loads(text, str(path))


def _participant(table: dict[str, object], where: str) -> Participant:
    if unknown := sorted(set(table) - set(FIELDS)):
        _refuse(
            "The roster has an unknown key.",
            f"{', '.join(unknown)[:200]}; known are {', '.join(FIELDS)}",
            "correct the file",
            where,
        )
    if missing := [key for key in FIELDS if key not in table and key not in OPTIONAL]:
        _refuse("The roster lacks a key.", f"missing: {', '.join(missing)}", "correct the file", where)
    if wrong := [key for key, value in table.items() if not isinstance(value, str)]:
        _refuse("The roster has a value that is not text.", f"not text: {', '.join(wrong)}", "put it in quotes", where)
    try:
        return Participant(**cast("dict[str, str]", table))  # type: ignore[arg-type]  # role is checked by Participant itself
    except UsageError as error:
        raise UsageError(error.what, where=f"{where} ({error.where})", why=error.why, do=error.do) from None
