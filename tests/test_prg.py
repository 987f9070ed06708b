"""The keystreams: published cipher vectors, an independent computation of every word, and streams that are never equal."""

from __future__ import annotations

import hashlib
import hmac
import itertools

import numpy as np
import pytest
from chance import convicted, uniform
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import prg
from mpc.bench import samples
from mpc.prg import BLOCK, SEED_BYTES, Prg, fresh, stream_width
from mpc.ring import BIT, Z64, Ring
from mpc.sources.correlations import REGISTRY
from mpc.sources.dealer import OUTPUTS, Keystreams
from mpc.sources.descriptor import MASK_KINDS

SEED, SESSION = bytes(range(32)), bytes(range(100, 132))
KNOWN = "fdd44efc602d942db5c16b8613afcafc3f13d4e06fbe1c91"  # stream 3 of "mask" under these


def hkdf(seed: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 to 32 bytes, from its two HMACs [RFC 5869]."""
    extracted = hmac.new(salt, seed, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def ecb(key: bytes, blocks: bytes) -> bytes:
    """AES of whole blocks, by another implementation."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(blocks) + encryptor.finalize()


def keystream(seed: bytes, session: bytes, purpose: str, stream: int, count: int) -> bytes:
    """What the documentation says a stream holds."""
    key = hkdf(seed, session, b"mpc prg 2 " + purpose.encode())
    counters = b"".join(stream.to_bytes(8, "big") + block.to_bytes(8, "big") for block in range((count + 15) // 16))
    return ecb(key, counters)[:count]


def filled(generator: Prg, stream: int, count: int) -> bytes:
    """The first bytes of a stream."""
    out = bytearray(count)
    generator.fill(stream, out)
    return bytes(out)


def with_key(key: bytes, monkeypatch: pytest.MonkeyPatch) -> Prg:
    """A generator under a given AES key, whatever the key derivation says."""
    monkeypatch.setattr(prg, "HKDF", lambda *_, **__: key)
    return Prg(SEED, SESSION, "x")


def test_the_key_derivation_is_the_one_of_the_standard() -> None:
    # RFC 5869, test case 1, first 32 bytes: this checks the check.
    vector = hkdf(bytes([0x0B] * 22), bytes(range(13)), bytes(range(0xF0, 0xFA)))
    assert vector.hex() == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"


@pytest.mark.parametrize(
    ("key", "block", "cipher"),
    [
        # FIPS 197, appendix C.3; SP 800-38A, F.1.5 (two blocks); F.5.5, first counter block.
        (bytes(range(32)).hex(), "00112233445566778899aabbccddeeff", "8ea2b7ca516745bfeafc49904b496089"),
        *[
            ("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", block, cipher)
            for block, cipher in [
                ("6bc1bee22e409f96e93d7e117393172a", "f3eed1bdb5d2a03c064b5a7e3db181f8"),
                ("ae2d8a571e03ac9c9eb76fac45af8e51", "591ccb10d410ed26dc5ba74a31362870"),
                ("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "0bdf7df1591716335e9a8b15c860c502"),
            ]
        ],
    ],
)
def test_the_cipher_is_the_one_of_the_standard(key: str, block: str, cipher: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ecb(bytes.fromhex(key), bytes.fromhex(block)).hex() == cipher
    generator = with_key(bytes.fromhex(key), monkeypatch)
    generator._cipher.reset_nonce(bytes.fromhex(block))  # counter mode turns zeros into the cipher of its counter
    assert generator._cipher.update(bytes(16)).hex() == cipher


def test_the_cipher_through_the_stream_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    key, stream = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"), 0x969F402EE2BEC16B
    assert filled(with_key(key, monkeypatch), stream, 16) == ecb(key, stream.to_bytes(8, "big") + bytes(8))


@pytest.mark.parametrize("purpose", [*MASK_KINDS, "draw", "zero"])
@pytest.mark.parametrize("stream", [0, 1, 255, 256, (1 << 63) + 5, (1 << 64) - 1])
def test_bytes_are_what_the_documentation_says(purpose: str, stream: int) -> None:
    for count in (0, 1, 15, 16, 17, 1000):
        assert filled(Prg(SEED, SESSION, purpose), stream, count) == keystream(SEED, SESSION, purpose, stream, count)


def test_a_known_answer() -> None:
    assert filled(Prg(SEED, SESSION, "mask"), 3, 24).hex() == KNOWN


@pytest.mark.parametrize("extra", [-17, -16, -1, 0, 1, 16, 17])
def test_chunks_join_without_a_seam(extra: int) -> None:
    generator = Prg(SEED, SESSION, "draw")
    chunk = 8 * BLOCK
    count = 2 * chunk + extra
    whole = filled(generator, 7, count)
    assert whole == keystream(SEED, SESSION, "draw", 7, count)
    assert filled(generator, 7, chunk + extra) == whole[: chunk + extra]


@settings(deadline=None, derandomize=True)
@given(st.integers(0, (1 << 64) - 1), st.integers(0, 5000), st.integers(0, 5000))
def test_a_stream_does_not_depend_on_what_was_asked_before(stream: int, first: int, second: int) -> None:
    used = Prg(SEED, SESSION, "pad")
    filled(used, stream ^ 1, first)
    a, b = filled(used, stream, first), filled(used, stream, second)
    shorter = min(first, second)
    assert a[:shorter] == b[:shorter]
    assert b == filled(Prg(SEED, SESSION, "pad"), stream, second)


RINGS = [*(Ring(bits, True) for bits in (1, 2, 8, 13, 16, 64)), *(Ring(bits) for bits in (1, 24, 32, 33, 64))]


@pytest.mark.parametrize("ring", RINGS, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5), (2, 0, 4), (1000,)], ids=str)
def test_words_are_the_low_bits_of_the_stream(ring: Ring, shape: tuple[int, ...]) -> None:
    words = Prg(SEED, SESSION, "mask").words(9, ring, shape)
    assert words.shape == shape
    words = ring.plain(words)
    assert words.dtype == ring.dtype
    count = int(np.prod(shape))
    if ring == BIT:  # every row begins with a byte of its own
        row = shape[-1] if shape else 1
        stream = keystream(SEED, SESSION, "mask", 9, (row + 7) // 8 * (count // max(row, 1)))
        expected = [stream[k // row * ((row + 7) // 8) + k % row // 8] >> k % row % 8 & 1 for k in range(count)]
    else:
        width = next(w for w in (1, 2, 4, 8) if ring.bits <= 8 * w and (ring.boolean or w >= 4))
        stream = keystream(SEED, SESSION, "mask", 9, count * width)
        expected = [int.from_bytes(stream[k * width : (k + 1) * width], "little") % (1 << ring.bits) for k in range(count)]
    assert words.reshape(-1).tolist() == expected


@pytest.mark.parametrize("ring", [ring for ring in RINGS if ring != BIT], ids=str)
@pytest.mark.parametrize("size", [0, 1, 9, BLOCK, BLOCK + 1, 2 * BLOCK + 5])
def test_blocks_are_the_words(ring: Ring, size: int) -> None:
    found = [(start, block.copy()) for start, block in Prg(SEED, SESSION, "mask").blocks(9, ring, size)]
    assert [start for start, _ in found] == list(range(0, size, BLOCK))
    assert all(block.dtype.itemsize == stream_width(ring) for _, block in found)
    joined = np.concatenate([np.empty(0, ring.dtype), *[block.astype(ring.dtype) for _, block in found]])
    assert np.array_equal(ring.reduce(joined), Prg(SEED, SESSION, "mask").words(9, ring, (size,)))


def test_a_stream_left_for_another_is_not_read_on() -> None:
    generator = Prg(SEED, SESSION, "mask")
    blocks = generator.blocks(1, Z64, 3 * BLOCK)
    next(blocks)
    generator.words(2, Z64, (5,))
    with pytest.raises(RuntimeError, match="left for another"):
        next(blocks)


@pytest.mark.parametrize("ring", RINGS, ids=str)
def test_words_are_uniform(ring: Ring) -> None:
    words = Prg(SEED, SESSION, "mask").words(1, ring, (20000,))
    assert not convicted(uniform(ring.plain(words), ring.bits))


def test_no_two_streams_are_equal() -> None:
    other_seed, other_session = bytes([1, *SEED[1:]]), bytes([1, *SESSION[1:]])
    streams = [
        filled(Prg(seed, session, purpose), stream, 32)
        for seed, session in ((SEED, SESSION), (other_seed, SESSION), (SEED, other_session))
        for purpose in (*MASK_KINDS, "draw", "zero")
        for stream in (0, 1, 2, 1 << 32, 1 << 63)
    ]
    blocks = [stream[at : at + 16] for stream in streams for at in (0, 16)]
    assert len(set(blocks)) == len(blocks)


def test_masks_and_draws_never_meet() -> None:
    keys = Keystreams(SEED, SESSION)
    words = [keys.mask(kind, number).words(Z64, (4,)).tobytes() for kind in MASK_KINDS for number in range(6)]
    words += [keys.drawn(number, position).words(Z64, (4,)).tobytes() for number in range(6) for position in range(OUTPUTS)]
    assert all(a != b for a, b in itertools.combinations(words, 2))


def test_every_result_of_a_draw_has_a_keystream_of_its_own() -> None:
    """No correlation may have more results than there are reserved: the next draw would share the rest."""
    keys, counts = Keystreams(SEED, SESSION), {"MatrixProduct": len(REGISTRY["MatrixProduct"].outputs((8, 8), (8, 8)))}
    for name in REGISTRY.keys() - counts.keys():
        masks = [(*samples.leading(name), 8)] * len(samples.RINGS.get(name, (Z64,)))
        counts[name] = len(REGISTRY[name].outputs(*masks, *samples.PARAMS.get(name, ())))
    assert max(counts.values()) == counts["GatedTruncation"] == 5 <= OUTPUTS
    numbers = [keys.drawn(number, position).number for number in range(50) for position in range(OUTPUTS)]
    assert len(set(numbers)) == len(numbers)
    for position in (-1, OUTPUTS):
        with pytest.raises(ValueError, match="results"):
            keys.drawn(0, position)


def test_seeds_are_fresh_and_of_one_size() -> None:
    assert len({fresh() for _ in range(1000)}) == 1000
    assert len(fresh()) == SEED_BYTES
    for seed, session in ((b"short", SESSION), (SEED, b"short"), (SEED + b"x", SESSION), (b"", b"")):
        with pytest.raises(ValueError, match="32 bytes"):
            Prg(seed, session, "mask")
