"""Every decoder under mutated input: only the error it declares, no memory that the input did not pay for, and one encoding each.

Twenty thousand inputs each here; with -m faults, a million. What is refused or taken depends on the seed alone.
"""

from __future__ import annotations

import random
import ssl
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from harness import NAMES, plain, run, secret, wire
from test_transport_tls import identity

from mpc import frame
from mpc.conformance import signed
from mpc.data.schema import Schema
from mpc.errors import DataError, IntegrityError, MpcError, UsageError
from mpc.frame import Abort, Goodbye, Header, Kind
from mpc.handshake import Hello, Ready
from mpc.kernel import load
from mpc.lockstep import _read
from mpc.prg import fresh
from mpc.ring import BIT, Ring
from mpc.roster import Participant, Roster
from mpc.session import Session
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import Root, View, decode
from mpc.transport.checks import Want, aborted
from mpc.transport.link import RECORD, Link
from protocols.arithmetic import mul, truncate
from protocols.bits import negative

INTERESTING = [0, 1, 0x7F, 0x80, 0xC0, 0xC1, 0xCF, 0xD3, 0xDC, 0xDD, 0xDE, 0xDF, 0xFE, 0xFF]
SMALL = 4000  # words: orders for more than this are only decoded here
PEAK = 1 << 22
SESSION = bytes(range(16))


# -- mutation ------------------------------------------------------------------------------------------------------------------


def mutated(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A sound input with one to four changes: bits, bytes, lengths, pieces left out, repeated, or of another input."""
    data = bytearray(rng.choice(corpus))
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at, how = rng.randrange(len(data) + 1), rng.randrange(7)
        if how == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1 and at < len(data):
            data[at] = rng.choice(INTERESTING)
        elif how == 2:
            data[at : at + rng.choice((1, 2, 4, 8))] = rng.choice((0, 1, 1 << 31, (1 << 63) - 1)).to_bytes(8, "big")
        elif how == 3:
            del data[at : at + rng.choice((1, 2, 8, 40))]
        elif how == 4:
            data[at:at] = data[at : at + rng.choice((1, 4, 30))]
        elif how == 5:
            other = rng.choice(corpus)
            start = rng.randrange(len(other) + 1)
            data[at:] = other[start:]
        else:
            data[at:at] = rng.randbytes(rng.choice((1, 3, 9)))
    return bytes(data)


LEAVES = [0, 1, -1, 7, 64, 65, 255, 1 << 31, 1 << 32, (1 << 63) - 1, (1 << 64) - 1, "", "mask", "zero", "open", b"", True, None, []]


def rearranged(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A sound message with one to three values replaced, left out or repeated somewhere inside; its encoding is right."""
    message = [msgspec.msgpack.decode(rng.choice(corpus))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        place: Any = message
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(place[key], dict | list) and rng.random() < 0.85:
                place = place[key]
                continue
            if (how := rng.randrange(4)) == 0 and place is not message:
                del place[key]
            elif how == 1 and isinstance(place, list) and place is not message:
                place.insert(key, place[rng.randrange(len(place))])
            elif how == 2 and isinstance(place[key], int):
                place[key] = (place[key] + rng.choice((-1, 1, 2, 8))) % (1 << 64)
            else:
                place[key] = rng.choice(LEAVES)
            break
    return msgspec.msgpack.encode(message[0])


def recorded() -> dict[Kind, list[bytes]]:
    """What a run with one of everything sends, and one that falls apart."""

    def main(s: Session) -> None:
        x = plain(secret(s, "x", signed(63), (4, 6)))
        y = secret(s, "x", signed(40), (4, 6), owner=1)
        small = truncate(s, mul(s, y[:, ::2], y[:, 1::2]), 8)
        s.reveal(negative(s, x, 63), small.sum(0), label="first")
        if s.name == NAMES[1]:
            x = x.scale(1)
        s.reveal(x, label="second")

    with wire() as frames:
        for eager in (False, True):
            with pytest.raises(IntegrityError):
                run(main, 3, {"x": np.arange(24).reshape(4, 6)}, eager=eager)
    seen: dict[Kind, list[bytes]] = {}
    for one in frames:
        if one.payload and one.payload not in seen.setdefault(one.kind, []):
            seen[one.kind].append(one.payload)
    return seen


SEEN = recorded()


# -- the decoders: what takes an input, what it may raise ------------------------------------------------------------------------


@dataclass(frozen=True)
class Decoder:
    """One decoder. `take` returns the canonical encoding of what it took, or None where there is none to compare."""

    take: Callable[[bytes], bytes | None]
    corpus: list[bytes]
    errors: tuple[type[BaseException], ...] = (IntegrityError,)
    packed: bool = True  # a message, which can be altered and still be sound


def header(data: bytes) -> bytes | None:
    data = data.ljust(56, b"\0")[:56]  # the stream cuts exactly so many
    taken = Header.unpack(data, "bob").pack()
    assert taken == data
    return None


def control(kind: type[msgspec.Struct]) -> Callable[[bytes], bytes]:
    return lambda data: frame.encode(frame.decode(data, kind, "bob"))


def abort(data: bytes) -> None:
    error = aborted("bob", data)
    assert isinstance(error, MpcError)
    assert all(line.isprintable() for line in str(error).split("\n"))
    assert len(str(error)) < 5 * 2100


def trails(data: bytes) -> None:
    found = _read(bytearray(data))
    assert found is None or all(len(step) == 3 for step in found)


def words(root: Any) -> int:
    if isinstance(root, View):
        extents = [extent for extent in root.params if isinstance(extent, int)] if root.op == "broadcast" else []
        return max([int(np.prod(extents or [1], dtype=object)), *map(words, root.args)])
    assert isinstance(root, Root)
    return int(np.prod(root.shape, dtype=object))


KERNEL = load("reference")


def orders(data: bytes) -> None:
    """Decoded, and served where they ask for little."""
    batch = decode(data)
    if any(words(mask) > SMALL for order in batch for mask in order.masks) or any(
        isinstance(part, int) and abs(part) > SMALL for order in batch for param in order.params for part in np.atleast_1d(param)
    ):
        return
    dealer = Dealer([Keystreams(SEED, SEED), Keystreams(SEED, SEED)], KERNEL)
    for order in batch:
        for _ in dealer.corrections(order):
            pass


SEED = fresh()


class Plain:
    """A stream without TLS."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def pending(self) -> int:
        """Nothing lies in OpenSSL."""
        return 0

    def recv_into(self, target: memoryview) -> int:
        """The next bytes, or that there are none."""
        count = min(len(target), len(self._data))
        if not count:
            raise ssl.SSLWantReadError
        target[:count], self._data = self._data[:count], self._data[count:]
        return count


SCRATCH = memoryview(bytearray(RECORD))


def stream(data: bytes) -> None:
    """Frames off a stream, while one is awaited."""
    link = Link("bob", Plain(data))  # type: ignore[arg-type]
    link.expect(Want(Kind.OPEN, 40, digest=bytes(16)), SESSION)
    while link.pull(SCRATCH):
        if link.whole():
            assert len(link.take().payload) <= len(data)
            link.expect(Want(Kind.OPEN, None, 1000), SESSION)


RINGS = [Ring(64), Ring(40), Ring(33), BIT, Ring(5, True), Ring(8, True), Ring(64, True)]
TENSORS = [bytes([index]) + bytes(ring.bytes(12)) for index, ring in enumerate(RINGS)]


def tensor(data: bytes) -> None:
    """What a party sent in place of words; only the length is known to be right."""
    ring = RINGS[data[0] % len(RINGS)] if data else RINGS[0]
    size = ring.bytes(12)
    part = bytearray(data[1:].ljust(size, b"\xff")[:size])
    for kernel in (KERNEL, NATIVE):
        value = ring.plain(kernel.unpack(ring, (3, 4), part, part))
        assert value.shape == (3, 4)
        assert ring.bits == 64 or not (value >> np.uint64(ring.bits)).any()


NATIVE = load("auto")


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def roster(data: bytes) -> None:
    read = Roster.loads(text_of(data))
    assert Roster.loads(read.dumps()).digest() == read.digest()


def schema(data: bytes) -> None:
    Schema.loads(text_of(data)).digest()


def frames_of(*kinds: Kind) -> list[bytes]:
    return [payload for kind in kinds for payload in SEEN[kind]]


def streams() -> list[bytes]:
    one = [Header(Kind.OPEN, k, 40, SESSION).pack() + bytes(40) for k in range(3)]
    last = Header(Kind.ABORT, 3, len(SEEN[Kind.ABORT][0]), SESSION).pack() + SEEN[Kind.ABORT][0]
    beat = Header(Kind.HEARTBEAT, 0, 0).pack()
    goodbye = frame.encode(Goodbye(3))
    return [
        b"".join([*one, last]),
        beat.join(one),
        b"".join(one) + Header(Kind.GOODBYE, 3, len(goodbye), SESSION).pack() + goodbye,
    ]


def rosters() -> list[bytes]:
    people = [
        Participant(name, "dealer" if name == "dot" else "party", f"127.0.0.1:{port}", identity(name)[1].decode())
        for port, name in enumerate(("ada", "bob", "dot"), 7000)
    ]
    return [Roster(tuple(people)).dumps().encode()]


SCHEMAS = [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "examples").rglob("schema.toml"))]

DECODERS = {
    "frame header": Decoder(header, [Header(kind, 5, 1 << 20, SESSION, SESSION[::-1]).pack() for kind in Kind], packed=False),
    "stream of frames": Decoder(stream, streams(), (MpcError,), packed=False),
    "hello": Decoder(control(Hello), frames_of(Kind.HELLO)),
    "ready": Decoder(control(Ready), frames_of(Kind.READY)),
    "goodbye": Decoder(control(Goodbye), [frame.encode(Goodbye(n)) for n in (0, 200, 1 << 40)]),
    "abort": Decoder(control(Abort), frames_of(Kind.ABORT)),
    "abort, as an error": Decoder(abort, frames_of(Kind.ABORT), ()),
    "trail": Decoder(trails, frames_of(Kind.TRAIL), ()),
    "orders": Decoder(orders, frames_of(Kind.DESCRIPTORS)),
    "words": Decoder(tensor, TENSORS, (), packed=False),
    "roster": Decoder(roster, rosters(), (UsageError,), packed=False),
    "schema": Decoder(schema, SCHEMAS, (UsageError, DataError), packed=False),
}


def fuzz(name: str, count: int, seed: int) -> tuple[int, int]:
    """How many were taken and refused; anything else is a failure that names the input."""
    decoder, rng = DECODERS[name], random.Random(f"{name} {seed}")
    taken = refused = 0
    for _ in range(count):
        data = (rearranged if decoder.packed and rng.randrange(2) else mutated)(rng, decoder.corpus)
        try:
            again = decoder.take(data)
        except decoder.errors:
            refused += 1
        except BaseException as error:
            raise AssertionError(f"{name}, seed {seed}: {type(error).__name__} for {data!r}") from error
        else:
            taken += 1
            assert again is None or again == data, (name, data)
    return taken, refused


@pytest.mark.parametrize("name", DECODERS)
def test_sound_input_is_taken(name: str) -> None:
    for data in DECODERS[name].corpus:
        if name != "stream of frames":
            DECODERS[name].take(data)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_raises_what_it_declares(name: str) -> None:
    taken, refused = fuzz(name, 20_000, 1)
    assert taken + refused >= 200
    assert refused or not DECODERS[name].errors


@pytest.mark.faults
@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_raises_what_it_declares_a_million_times(name: str) -> None:
    fuzz(name, 1_000_000, 2)


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_takes_no_more_memory_than_its_input_pays_for(name: str) -> None:
    tracemalloc.start()
    try:
        fuzz(name, 1000, 3)
        assert tracemalloc.get_traced_memory()[1] < PEAK
    finally:
        tracemalloc.stop()
