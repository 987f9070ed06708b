"""The only module that samples: operating-system randomness, expanded by AES-256 in counter mode [NIST SP 800-38A, RFC 5869]."""

from __future__ import annotations

import os

import numpy as np
from Crypto.Cipher import AES
from Crypto.Hash import SHA256
from Crypto.Protocol.KDF import HKDF

from mpc.ring import Array, Ring

SEED_BYTES = 32
BLOCKS = 1 << 14  # counter blocks per call of the cipher: 256 KiB stays in the second-level cache


def fresh(count: int = SEED_BYTES) -> bytes:
    """`count` bytes from the operating system."""
    return os.urandom(count)


class Prg:
    """Independent keystreams, one per stream number, all from one seed.

    The key is HKDF-SHA256(seed; salt = session, info = purpose): two sessions or two purposes never share a stream. Block i of
    stream t is AES-256(key, t || i), both as 64-bit little-endian words, so every (stream, offset) is random access.
    """

    __slots__ = ("_encrypt",)

    def __init__(self, seed: bytes, session: bytes, purpose: str) -> None:
        if len(seed) != SEED_BYTES or len(session) < 16:
            raise ValueError("a seed has 32 bytes and a session id at least 16")
        key = HKDF(seed, 32, session, SHA256, context=b"mpc prg 1 " + purpose.encode())
        self._encrypt = AES.new(key if isinstance(key, bytes) else key[0], AES.MODE_ECB).encrypt

    def bytes(self, stream: int, count: int) -> bytearray:
        """The first `count` bytes of a stream."""
        blocks = (count + 15) // 16
        out = bytearray(blocks * 16)
        view = memoryview(out)
        counters = np.empty((min(blocks, BLOCKS), 2), dtype="<u8")
        counters[:, 0] = stream
        for start in range(0, blocks, BLOCKS):
            size = min(BLOCKS, blocks - start)
            counters[:size, 1] = np.arange(start, start + size, dtype=np.uint64)
            self._encrypt(memoryview(counters[:size].data).cast("B"), output=view[start * 16 : (start + size) * 16])
        view.release()
        del out[count:]
        return out

    def words(self, stream: int, ring: Ring, shape: tuple[int, ...]) -> Array:
        """Uniform elements of `ring`, the first of the stream, in an array of `shape`."""
        size = int(np.prod(shape, dtype=np.int64))
        if ring.boolean and ring.bits == 1:
            packed = np.frombuffer(self.bytes(stream, (size + 7) // 8), dtype=np.uint8)
            return np.unpackbits(packed, count=size, bitorder="little").reshape(shape)
        width = ring.dtype().itemsize if ring.boolean or ring.bits > 32 else 4
        words = np.frombuffer(self.bytes(stream, size * width), dtype=f"<u{width}").astype(ring.dtype, copy=False)
        return ring.reduce(words).reshape(shape)
