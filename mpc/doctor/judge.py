"""What came of a meeting, in plain words: for each peer what works, what does not, and who must change it."""

from __future__ import annotations

from collections.abc import Mapping

from mpc.doctor.findings import IDENTITY, MISSING, Finding, State, good, odd_ones
from mpc.doctor.meeting import GRACE, Visit
from mpc.doctor.talk import Facts, Outcome, Said
from mpc.errors import IntegrityError, printable
from mpc.identity import fingerprint
from mpc.roster import Participant, Roster

CLOCK_SECONDS = 30.0  # that two clocks may differ before it is worth a word
HEARTBEAT = "a session sends something at least every sixth of its --deadline, by default every 5 s"


def peer(roster: Roster, me: str, name: str, visit: Visit) -> list[Finding]:
    """Everything about one peer but the agreement of facts."""
    mine, its = roster.get(me), roster.get(name)
    if visit.said is None:
        return _absent(mine, its, visit)
    certificate = good("certificate", f"is the one in the roster, fingerprint {fingerprint(its.certificate)}")
    return [certificate, *_reach(mine, its, visit.said), _clock(name, visit.said), _speed(visit.said), *_silence(visit.said)]


def _reach(mine: Participant, its: Participant, said: Said) -> list[Finding]:
    """Both directions; one is enough for a session, and the doctors have met, so that one there is."""
    there, here = (_dialled(mine, its, said.mine), _dialled(its, mine, said.outcome))
    return [there, here]


def _dialled(who: Participant, whom: Participant, outcome: Outcome) -> Finding:
    what, fault = f"{who.name} to {whom.name}", outcome.dialled
    if not whom.listens:
        return good(what, f"{whom.name} has no address and dials itself")
    if not fault:
        return good(what, f"can dial {whom.address}")
    words = f"{_fault(whom, fault)}; that is no obstacle to a session, for {whom.name} can dial {who.name}"
    if fault in ("wrong certificate", "my certificate refused"):
        return Finding(what, State.fail, _fault(whom, fault, outcome.presented), *_remedy(who, whom, fault), IDENTITY)
    return Finding(what, State.warn, words, *_remedy(who, whom, fault))


def _fault(whom: Participant, fault: str, presented: str = "") -> str:
    at, name = whom.address, whom.name
    shown = f"presented fingerprint {presented} instead of" if presented else "presented another certificate than"
    return {
        "refused": f"nothing accepts connections at {at}",
        "silent": f"no answer from {at} within {GRACE:g} s: something on the way drops connections, or the machine is not there",
        "unresolved": f"the name in {at} is not known there",
        "unreachable": f"there is no way to {at}",
        "closed": f"{at} closes connections before a word",
        "wrong certificate": f"whoever answers at {at} {shown} the roster's, {fingerprint(whom.certificate)}",
        "my certificate refused": f"{name} does not accept the certificate that the roster has here",
        "in a session": f"{name} is starting a session and does not run its doctor",
        "another program": f"another program answers at {at}, or another version of this one",
        "no address": f"{name} has no address",
    }[fault]


def _remedy(who: Participant, whom: Participant, fault: str) -> tuple[str, str]:
    """Who must act, and how."""
    at = whom.address
    if fault == "unresolved":
        return who.name, f"make the name in {at} known, or correct the address in everyone's roster"
    if fault == "wrong certificate":
        return (
            f"{who.name} and {whom.name}",
            f"compare over the phone the fingerprint that {whom.name} has, the roster's and the one that was presented: either the "
            f"roster is old, or {at} leads to somebody else",
        )
    if fault == "my certificate refused":
        mark = fingerprint(who.certificate)
        return whom.name, f"compare the fingerprint of {who.name}, {mark}, with the one in its roster, and take the newer roster"
    if fault == "in a session":
        return whom.name, "run mpc doctor first, and the session after it"
    return whom.name, f'let connections from {who.name} reach {at}, or set its address to "" in everyone\'s roster'


def _absent(mine: Participant, its: Participant, visit: Visit) -> list[Finding]:
    """Somebody with whom there was no talk."""
    name = its.name
    if visit.fault in ("wrong certificate", "my certificate refused"):
        words = _fault(its, visit.fault, visit.presented)
        return [Finding("certificate", State.fail, words, *_remedy(mine, its, visit.fault), IDENTITY)]
    if visit.error is not None:
        words = f"the doctors met, but their talk broke off: {printable(visit.error.what)} {printable(visit.error.why)}"
        code = IDENTITY if isinstance(visit.error, IntegrityError) else MISSING
        return [
            Finding("talk", State.fail, words, name, "take the same version of the library, and run mpc doctor once more", code)
        ]
    if visit.session:
        return [Finding("here", State.fail, _fault(its, "in a session"), *_remedy(mine, its, "in a session"), MISSING)]
    dialled = f"{_fault(its, visit.fault or 'silent')}" if its.listens else "it has no address to dial"
    came = f", and it did not dial {mine.address}" if mine.listens else ""
    if visit.fault == "unresolved":
        return [Finding("here", State.fail, f"{name} is missing: {dialled}{came}", *_remedy(mine, its, "unresolved"), MISSING)]
    do = f"run: mpc doctor --roster ROSTER --as {name}"
    if its.listens:
        do += f"; if it runs there, let connections from {mine.name} reach {its.address}"
    return [Finding("here", State.fail, f"{name} is missing: {dialled}{came}", name, do, MISSING)]


def _clock(name: str, said: Said) -> Finding:
    off = abs(said.clock)
    words = f"{_seconds(off)} {'ahead of' if said.clock > 0 else 'behind'} mine, by half a round trip or less"
    if off <= CLOCK_SECONDS:
        return good("clock", words)
    do = "let the one whose clock is wrong set it; certificates and reports are dated by it"
    return Finding("clock", State.warn, words, f"{name} or me", do)


def _seconds(value: float) -> str:
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:,.1f} s"


def _speed(said: Said) -> Finding:
    return good("speed", f"round trip {_seconds(said.round_trip)}; {said.bandwidth * 8 / 1e6:,.1f} Mbit/s each way, both at once")


def _silence(said: Said) -> list[Finding]:
    made = []
    for one in (said.mine, said.outcome):
        words = f"a connection on which nothing was sent for {one.silent / 1e3:g} s"
        if one.silence == "open":
            made.append(good("silence", f"{words} stayed open"))
        if one.silence == "cut":
            do = f"let firewalls and gateways between keep connections for longer; {HEARTBEAT}"
            made.append(Finding("silence", State.warn, f"{words} was cut", "the administrators of both", do))
    return made


def agreement(dealer: str | None, mine: Facts, said: Mapping[str, Facts]) -> list[Finding]:
    """Whether all whose facts are in `said` state the same, as the handshake of a session asks for; and all versions, which may
    differ. `mine` says which versions there are."""
    made = []
    for fact in dict.fromkeys(name for facts in said.values() for name in facts.facts):
        values = {who: printable(facts.facts[fact]) for who, facts in said.items() if fact in facts.facts}
        silent = [who for who in said if who not in values and who != dealer]
        made.append(_compared(printable(fact), values, silent))
    for fact in mine.versions:
        shown = [f"{who} {printable(facts.versions.get(fact, 'unknown'))}" for who, facts in said.items()]
        made.append(good(fact, ", ".join(shown)))
    return made


def _compared(fact: str, values: Mapping[str, str], silent: list[str]) -> Finding:
    untold = f"; not compared with {', '.join(silent)}, where no script was given" if silent else ""
    if len(set(values.values())) == 1:
        return good(fact, f"{next(iter(values.values()))} at {', '.join(values)}{untold}")
    odd = odd_ones(values)
    shown = ", ".join(f"{who} has {value}" for who, value in values.items())
    do = f"bring the {fact} to the state that all agree on" if len(odd) == len(values) else f"take the {fact} that the others have"
    return Finding(fact, State.fail, f"{shown}{untold}", " and ".join(odd), do, IDENTITY)
