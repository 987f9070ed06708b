"""The only module that samples: operating-system randomness, expanded by AES-256 in counter mode [NIST SP 800-38A, RFC 5869]."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.packed import Bits, octets
from mpc.ring import Array, Ring, Value

SEED_BYTES = 32
BLOCK = 1 << 15  # words of a keystream at a time: they and what they meet stay in the second-level cache
ZEROS = bytes(8 * BLOCK)  # what the cipher turns into keystream


def fresh(count: int = SEED_BYTES) -> bytes:
    """`count` bytes from the operating system."""
    return os.urandom(count)


class Prg:
    """Independent keystreams, one per stream number, all from one seed.

    The key is HKDF-SHA256(seed; salt = session, info = purpose): two sessions or two purposes never share a stream. Block i of
    stream t is AES-256(key, t || i), both as 64-bit big-endian words: counter mode from t * 2^64. Not for two threads at once.
    """

    __slots__ = ("_cipher", "_turn")

    def __init__(self, seed: bytes, session: bytes, purpose: str) -> None:
        if len(seed) != SEED_BYTES or len(session) < 16:
            raise ValueError("a seed has 32 bytes and a session id at least 16")
        key = HKDF(seed, 32, session, SHA256, context=b"mpc prg 2 " + purpose.encode())
        self._cipher = Cipher(algorithms.AES(key if isinstance(key, bytes) else key[0]), modes.CTR(bytes(16))).encryptor()
        self._turn = 0

    def fill(self, stream: int, out: memoryview | bytearray) -> None:
        """Write the first bytes of a stream into the whole of `out`."""
        turn = self._start(stream)
        view = memoryview(out)
        for start in range(0, len(view), len(ZEROS)):
            self._next(turn, view[start : start + len(ZEROS)])

    def blocks(self, stream: int, ring: Ring, size: int) -> Iterator[tuple[int, Array]]:
        """The first `size` words of a stream, BLOCK at a time, each with the number of its first; every block overwrites the last.

        Words are as wide as `width` says; those above the ring are not reduced. RuntimeError where another stream
        of this generator was begun in between.
        """
        width = stream_width(ring)
        scratch = bytearray(min(size, BLOCK) * width)
        view = memoryview(scratch)
        turn = self._start(stream)
        for start in range(0, size, BLOCK):
            part = view[: min(BLOCK, size - start) * width]
            self._next(turn, part)
            yield start, np.frombuffer(part, dtype=f"<u{width}").astype(f"u{width}", copy=False)

    def words(self, stream: int, ring: Ring, shape: tuple[int, ...]) -> Value:
        """Uniform elements of `ring`, the first of the stream, in an array of `shape`."""
        if ring.packed:
            out = np.empty(octets(shape), dtype=np.uint8)
            self.fill(stream, out.reshape(-1).data)
            return Bits(out, shape)
        raw = np.empty(shape, dtype=f"<u{stream_width(ring)}")
        self.fill(stream, raw.reshape(-1).view(np.uint8).data)
        return ring.reduce(np.asarray(raw.astype(ring.dtype, copy=False)))

    def _start(self, stream: int) -> int:
        self._cipher.reset_nonce(stream.to_bytes(8, "big") + bytes(8))
        self._turn += 1
        return self._turn

    def _next(self, turn: int, out: memoryview) -> None:
        if turn != self._turn:  # what followed would be words of the other stream, used twice
            raise RuntimeError("a keystream was left for another and then read on")
        self._cipher.update_into(ZEROS if len(out) == len(ZEROS) else memoryview(ZEROS)[: len(out)], out)


def stream_width(ring: Ring) -> int:
    """Bytes of keystream for one element of more than one bit."""
    return ring.width if ring.boolean or ring.bits > 32 else 4


@dataclass(frozen=True, slots=True)
class Stream:
    """One keystream of a generator."""

    prg: Prg
    number: int

    def words(self, ring: Ring, shape: tuple[int, ...]) -> Value:
        """Its first elements of `ring` as an array."""
        return self.prg.words(self.number, ring, shape)

    def blocks(self, ring: Ring, size: int) -> Iterator[tuple[int, Array]]:
        """Its first words, block by block."""
        return self.prg.blocks(self.number, ring, size)
