"""A sealed file: one reader, one writer, chunks in their order, to the last."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from mpc.errors import IntegrityError
from mpc.identity import generate
from mpc.prg import SEED_BYTES
from mpc.store.part import Header, Part
from mpc.store.sealed import CHUNK, ENCAPSULATED, LENGTH_BYTES, MAGIC, TAG, Opener, Sealer, read_header, sealed_size


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[bytes, bytes]]:
    """Key and certificate of three participants."""
    return {name: generate(name) for name in ("writer", "reader", "other")}


def sealed(keys: dict[str, tuple[bytes, bytes]], data: bytes, header: bytes = b"head", writer: str = "writer") -> bytes:
    file = io.BytesIO()
    sealer = Sealer(file, header, keys["reader"][1].decode(), keys[writer][0])
    at = 0
    for size in (1, 7, CHUNK - 3, 1 << 16, len(data)):  # pieces of any size
        sealer.write(data[at : at + size])
        at += size
    sealer.close()
    return file.getvalue()


def unsealed(keys: dict[str, tuple[bytes, bytes]], file: bytes, count: int, reader: str = "reader") -> bytes:
    stream = io.BytesIO(file)
    header = read_header(stream, "here")
    opener = Opener(stream, "here", header, count, keys["writer"][1].decode(), keys[reader][0])
    data = b""
    while piece := opener.chunk():
        data += piece
    return data


@pytest.mark.parametrize("count", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_what_was_sealed_is_read_back(count: int, keys: dict[str, tuple[bytes, bytes]]) -> None:
    data = np.random.default_rng(count).bytes(count)
    file = sealed(keys, data)
    assert len(file) == sealed_size(b"head", count)
    assert unsealed(keys, file, count) == data
    assert data[:32] not in file or count < 32
    assert sealed(keys, data) != file, "a key of its own for each file"


def test_chunks_cannot_be_moved_repeated_dropped_or_mixed(keys: dict[str, tuple[bytes, bytes]]) -> None:
    count = 3 * CHUNK
    one, two = (sealed(keys, bytes([k]) * count) for k in (1, 2))
    assert unsealed(keys, one, count)
    start = len(MAGIC) + LENGTH_BYTES + len(b"head") + ENCAPSULATED
    first, second, third = (start + k * (CHUNK + TAG) for k in range(3))
    a, b, c = one[first:second], one[second:third], one[third:]
    changed = {
        "moved": one[:start] + b + a + c,
        "repeated": one[:start] + a + a + c,
        "last in the middle": one[:start] + a + c + b,
        "of another file": one[:second] + two[second:third] + c,
        "the start of another file": two[:start] + a + b + c,
    }
    for how, file in changed.items():
        with pytest.raises(IntegrityError):
            unsealed(keys, file, count)
        assert len(file) == len(one), how
    for fewer in (1, 2):  # a reader who is told of fewer chunks, though nothing else has changed
        with pytest.raises(IntegrityError):
            unsealed(keys, one[: start + fewer * (CHUNK + TAG)], fewer * CHUNK)


def test_only_its_reader_opens_it_and_only_the_writer_can_have_made_it(keys: dict[str, tuple[bytes, bytes]]) -> None:
    for file, reader in ((sealed(keys, b"x"), "other"), (sealed(keys, b"x", writer="other"), "reader")):
        with pytest.raises(IntegrityError, match="altered, or is not for this key"):
            unsealed(keys, file, 1, reader)
    assert unsealed(keys, sealed(keys, b"x"), 1) == b"x"


def test_what_is_large_is_read_across_chunks_into_memory_of_its_own(keys: dict[str, tuple[bytes, bytes]]) -> None:
    data = np.random.default_rng(1).bytes(3 * CHUNK + 100)
    stream = io.BytesIO(sealed(keys, bytes(SEED_BYTES) + data))
    opener = Opener(stream, "", read_header(stream, ""), SEED_BYTES + len(data), keys["writer"][1].decode(), keys["reader"][0])
    header = Header("", "", "", "", {}, "", len(data))
    part = Part(Path(), stream, header, opener)
    pieces = [part.read(count) for count in (100, CHUNK, 2 * CHUNK)]
    assert b"".join(map(bytes, pieces)) == data
    assert [memoryview(piece).readonly for piece in pieces] == [True, False, False]
    assert np.frombuffer(pieces[1], dtype=np.uint64).flags.aligned
