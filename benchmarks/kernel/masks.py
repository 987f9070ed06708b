"""Keystreams beside the fastest way to have AES-256 write into the same memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from Crypto.Cipher import AES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from benchmarks.kernel.bench import Bench
from benchmarks.kernel.peaks import Probe
from benchmarks.measure import RATE, Bound, Figure, Work
from mpc.bench.figures import at_least
from mpc.prg import Prg

SIZES = (1 << 18, 1 << 20, 1 << 24)
PIECES = (1 << 16, 1 << 18, 1 << 20)  # bytes that one call of the cipher is given
BLOCK = 16
GOAL = at_least(0.85)


def figures(bench: Bench) -> Iterator[Figure]:
    """Keystreams of several sizes."""
    for size in SIZES[:1] if bench.quick else SIZES:
        out = bytearray(os.urandom(size + BLOCK))  # some versions of the ciphers want room for a block more
        best, seconds = fastest(bench, out, size, filling(out, size))
        kibibytes = f"{size >> 10} KiB"
        yield Figure("Prg", kibibytes, "", seconds, size, "B", RATE, Bound(best.name, size / best.amount), GOAL)


def fastest(bench: Bench, out: bytearray, size: int, *others: Work) -> tuple[Probe, float]:
    """The fastest cipher, as bytes in a second, and the seconds that the first of `others` takes, or the cipher itself."""
    found = list(ciphers(out, size))
    *times, rest = bench.watch.medians(*[probe.run for probe in found], *(others or [found[0].run]))
    seconds, probe = min(zip(times, found, strict=True), key=lambda pair: pair[0])
    return Probe(probe.name, probe.run, size / seconds), rest


def filling(out: bytearray, size: int) -> Work:
    """The library's keystream into a buffer."""
    return partial(Prg(bytes(32), bytes(32), "benchmark").fill, 1, memoryview(out)[:size])


def ciphers(out: bytearray, size: int) -> Iterator[Probe]:
    """The libraries' ways to encrypt into memory, with pieces of several sizes."""
    key, view = os.urandom(32), memoryview(out)
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    counter = Cipher(algorithms.AES(key), modes.CTR(bytes(BLOCK))).encryptor()
    other = AES.new(key, AES.MODE_ECB)
    for piece in (p for p in PIECES if p <= size):
        source, starts = os.urandom(piece), range(0, size, piece)

        def ecb(source: bytes = source, starts: range = starts) -> None:
            for at in starts:
                block.update_into(source, view[at:])

        def ctr(source: bytes = source, starts: range = starts) -> None:
            counter.reset_nonce(bytes(BLOCK))
            for at in starts:
                counter.update_into(source, view[at:])

        def pycryptodome(source: bytes = source, starts: range = starts) -> None:
            for at in starts:
                other.encrypt(source, output=view[at : at + len(source)])

        for name, work in (("OpenSSL ECB", ecb), ("OpenSSL CTR", ctr), ("pycryptodome ECB", pycryptodome)):
            yield Probe(name, work, size)
