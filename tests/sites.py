"""Sites with ledgers that run certified sessions in this process: what the tests of ledgers, certificates and audits share."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from harness import NAMES, encoder

from mpc import kernel as kernels
from mpc.governance.certificate import Notary
from mpc.governance.ledger import Ledger
from mpc.governance.verifier import Folder, examine
from mpc.governance.witness import SessionWitness
from mpc.local import DEALER, Options, run_dealer, run_party
from mpc.ring import Z64, Array
from mpc.session import Session
from mpc.transport import Transport
from mpc.transport.memory import memory_transports

FACTS = {"library": "0.1, sources 00", "setting": "semi_honest_z64", "plan": "22", "program": "33"}
COLUMN = np.arange(6) + 3141593
Wrap = Callable[[Transport], Any]


def everything(s: Session) -> None:
    """A session in which values leave in every way: to all, to some, twice, published and declassified."""
    x = s.input(s.parties[0], "visits", (6,), encoder(Z64))
    y = s.input(s.parties[-1], "costs", (6,), encoder(Z64))
    s.reveal(x + y, label="sums")
    s.declassify(x - y, why="a test")
    words = s.public(np.full(2, 7, dtype=np.uint64), from_=s.parties[0])
    s.reveal(x.sum((0,)), to=s.parties[0], label="for one", notes=["whole numbers"])
    s.reveal(s.embed(words) + s.embed(words), y[:2], to=s.parties[:2], label="for two")


@dataclass
class Sites:
    """The folders and keys of several sites."""

    root: Path
    count: int = 3
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        """Who they are."""
        return NAMES[: self.count]

    def folder(self, name: str) -> Path:
        """Where a site keeps its ledger."""
        return self.root / name

    def ledger(self, name: str) -> Ledger:
        """A site's ledger, opened."""
        return Ledger(self.folder(name), name, self.keys[name])

    def witness(self, name: str, **options: Any) -> SessionWitness:
        """What witnesses a site's next session."""
        return SessionWitness(Notary(self.ledger(name), {one: key.public_key() for one, key in self.keys.items()}, **options))

    def run(
        self,
        main: Callable[[Session], Any] = everything,
        column: Array = COLUMN,
        wraps: Mapping[str, Wrap] | None = None,
        options: Mapping[str, Any] | None = None,
        witnesses: Mapping[str, SessionWitness] | None = None,
    ) -> dict[str, BaseException]:
        """One session of all sites and a dealer; how it ended for those for whom it did not end well."""
        transports = memory_transports((*self.names, DEALER), deadline=20)
        made = {name: (witnesses or {}).get(name) or self.witness(name, **(options or {})) for name in self.names}
        errors: dict[str, BaseException] = {}

        def work(name: str) -> None:
            transport = (wraps or {}).get(name, lambda plain: plain)(transports[name])
            try:
                if name == DEALER:
                    run_dealer(transport, self.names, kernels.load("reference"), {})
                else:
                    chosen = replace(Options(kernel="reference"), witness=made[name])
                    run_party(transport, self.names, DEALER, main, lambda _: column, chosen, FACTS)
            except BaseException as error:
                errors[name] = error

        threads = [threading.Thread(target=work, args=(name,)) for name in transports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return errors

    def examine(self, *names: str) -> list[Folder]:
        """What a verifier says that believes the first of them."""
        return examine([self.folder(name) for name in names or self.names])

    def copy(self, root: Path) -> Sites:
        """The same sites elsewhere."""
        shutil.copytree(self.root, root)
        return replace_root(self, root)


def replace_root(sites: Sites, root: Path) -> Sites:
    """Sites whose folders lie under another root."""
    other = Sites(root, sites.count)
    other.keys = sites.keys
    return other


def problems(folders: Sequence[Folder]) -> list[str]:
    """All that was found to be wrong."""
    return [f"{folder.path.name}: {problem}" for folder in folders for problem in folder.problems]


def notes(folders: Sequence[Folder]) -> list[str]:
    """All that was found to be worth saying."""
    return [f"{folder.path.name}: {note}" for folder in folders for note in folder.notes]
