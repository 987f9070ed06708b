"""From what there is to do to seconds: prices measured on a machine, networks by name, and who waits for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mpc.errors import UsageError
from mpc.sources.remote import CHUNK
from mpc.work import DEALT, KINDS, Step, Task

VERSION = 1
LIMIT = 1 << 20  # bytes of a profile
GOODBYE = 6  # times that something goes one way at the end of a session: three for its certificate
Prices = dict[str, list[tuple[int, float]]]  # of each kind of work: units in one call and the seconds it takes, ascending


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What work takes on one machine, in seconds. It names neither the machine nor its user."""

    version: int
    library: str
    kernel: str
    cores: int
    start: float  # of a session that does nothing
    record: float  # for each operation, to record, schedule and release it
    exchange: float  # for one exchange of a few bytes over TLS, computing
    wait: float  # for the same, until the peer, or its processor, has its turn
    byte: float  # for each byte that is sent, and for each that is received
    order: float  # for each draw, at the dealer
    touch: float  # for each byte of memory that is used for the first time
    local: Prices  # by `mpc.work.KINDS`
    dealing: Prices  # by `mpc.work.DEALT`

    def cost(self, prices: Prices, task: Task) -> float:
        """Seconds of one call: between two measured sizes on a straight line, beyond the largest in proportion to the last step."""
        kind, units = task
        points = prices[kind]
        if len(points) == 1 or units <= points[0][0]:
            return points[0][1]
        after = next((k for k, (size, _) in enumerate(points) if size >= units), len(points) - 1)
        (low, first), (high, second) = points[after - 1], points[after]
        return first + max(0.0, second - first) * (units - low) / (high - low)

    def served(self, step: Step) -> float:
        """Seconds of the dealer's work for a step."""
        arithmetic = self.total(self.dealing, step.dealing) + self.total(self.local, step.making)
        return arithmetic + step.dealing.total() * self.order + step.dealt * self.byte + step.spread * self.touch

    def total(self, prices: Prices, tasks: Counter[Task]) -> float:
        """Seconds of all calls of a step."""
        return sum(count * self.cost(prices, task) for task, count in tasks.items())


@dataclass(frozen=True, slots=True)
class Network:
    """Between any two participants, who have a machine each unless they share one: seconds one way, bits a second either way."""

    name: str
    latency: float
    bandwidth: float
    shared: bool = False  # all participants on one machine

    def __str__(self) -> str:
        if self.shared:
            return "everybody on this machine"
        speed = f"{self.bandwidth / 1e9:g} Gb/s" if self.bandwidth >= 1e9 else f"{self.bandwidth / 1e6:g} Mb/s"
        return f"{self.latency * 1e3:g} ms one way, {speed}"

    def seconds(self, count: int) -> float:
        """How long so many bytes take to get through."""
        return 8 * count / self.bandwidth


NETWORKS = (
    Network("loopback", 0.0, float("inf"), shared=True),
    Network("LAN", 0.0001, 1e9),
    Network("metropolitan", 0.0025, 300e6),
    Network("WAN", 0.02, 100e6),
)


@dataclass(frozen=True, slots=True)
class Seconds:
    """How long a run takes from its first operation to its last, and what of it a party spends on what."""

    network: Network
    total: float
    computing: float  # recording and arithmetic
    exchanging: float  # latency, bytes and what each exchange takes by itself
    waiting: float  # for the dealer, or for a core


def estimate(steps: Sequence[Step], parties: int, profile: Profile, network: Network) -> Seconds:
    """The seconds of a run.

    Party and dealer work side by side: the dealer hears what a segment needs when a party has recorded it, or, where the plan is
    sure of it, has recorded the one before; works through the draws in order, and sends what it has gathered now and then; a party
    that needs a draw waits until it has come. Where all participants share a machine, nothing is done before all work that comes
    first, divided by the cores.
    """
    clock = _Clock(parties, profile, network)
    for segment in segments(steps):
        clock.run(segment)
    clock.end()
    spent = clock.computing + clock.exchanging
    return Seconds(network, clock.now, clock.computing, clock.exchanging, max(0.0, clock.now - spent))


def segments(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """The steps from one beginning to the next."""
    starts = [number for number, step in enumerate(steps) if step.begins]
    for start, stop in zip(starts, [*starts[1:], len(steps)], strict=True):
        yield steps[start:stop]


class _Clock:
    """What a party has done by now. Segments are run one after another: the next is recorded when this one has been."""

    def __init__(self, parties: int, profile: Profile, network: Network) -> None:
        self._parties, self._profile, self._network = parties, profile, network
        self.now = self.computing = profile.start
        self.exchanging = self._busy = 0.0  # the latter of all participants, since they are connected
        self._told = self._free = profile.start  # when the dealer may hear of the next segment; when it has dealt what it knows of
        self._talk = profile.exchange * (parties - 1)
        self._round = self._talk + profile.wait + network.latency

    def run(self, steps: Sequence[Step]) -> None:
        """A segment."""
        recording = steps[0].recorded * self._profile.record
        self.computing += recording
        self.now += recording
        told, self._told = self._told if steps[0].foreseen else self.now, self.now
        self._busy += self._parties * recording + sum(map(self._profile.served, steps))
        for step, arrival in zip(steps, self._arrivals(steps, told), strict=True):
            self._busy += self._parties * (self._work(step, arrival) + self._exchange(step))
        if self._network.shared:
            self.now = max(self.now, self._profile.start + self._busy / self._profile.cores)

    def end(self) -> None:
        """The dealer hears that this was all, and says so; the parties certify what happened; then everybody says goodbye."""
        self.now += GOODBYE * self._network.latency
        self.exchanging += GOODBYE * self._network.latency

    def _arrivals(self, steps: Sequence[Step], told: float) -> list[float]:
        """When what the dealer sends for each step is there: it goes off once enough has been gathered, or with the last of all."""
        done, gathered, waiting = max(self._free, told + self._network.latency), 0, 0
        arrivals: list[float] = []
        for number, step in enumerate(steps, start=1):
            done += max(self._profile.served(step), self._network.seconds(step.dealt))
            gathered, waiting = gathered + step.dealt, waiting + 1
            if gathered > CHUNK or number == len(steps):
                arrivals += [done + self._network.latency] * waiting
                gathered = waiting = 0
        self._free = done
        return arrivals

    def _work(self, step: Step, arrival: float) -> float:
        """A party's part, which may have to wait for what the dealer sends."""
        profile = self._profile
        seconds = profile.total(profile.local, step.local) + step.dealt * profile.byte / self._parties + step.fresh * profile.touch
        self.computing += seconds
        self.now = max(self.now, arrival if step.dealt else 0.0) + seconds
        return seconds

    def _exchange(self, step: Step) -> float:
        """What travels at the end of a step; the seconds that a party computes for it."""
        handled = 2 * step.sent * self._profile.byte  # what is sent, and what comes
        seconds = step.exchanges * self._round + max(handled, self._network.seconds(step.sent))
        self.exchanging += seconds
        self.now += seconds
        return step.exchanges * self._talk + handled


def read(path: Path, library: str) -> Profile:
    """The profile in a file; UsageError where there is none, or it is of another version of this library."""
    do = "measure this machine: mpc bench profile"
    try:
        with path.open("rb") as file:
            profile = msgspec.json.decode(file.read(LIMIT), type=Profile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError("There is no usable profile of this machine.", where=str(path), why=type(error).__name__, do=do) from None
    complete = all(profile.local.get(kind) for kind in KINDS) and all(profile.dealing.get(kind) for kind in DEALT)
    if (profile.version, profile.library) != (VERSION, library) or not complete:
        raise UsageError("The profile of this machine is out of date.", where=str(path), do=do)
    return profile
