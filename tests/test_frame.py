"""Headers and control messages: what is written is read back, and whatever else comes is an IntegrityError."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import FAMILIES, IntegrityError
from mpc.frame import CONTROL_LIMIT, HEADER, Abort, Goodbye, Header, Kind, decode, encode

WORDS = st.integers(0, 2**64 - 1)
SIXTEEN = st.binary(min_size=16, max_size=16)
HEADERS = st.builds(Header, st.sampled_from(Kind), WORDS, WORDS, SIXTEEN, SIXTEEN)
ABORTS = st.builds(Abort, st.sampled_from(sorted(FAMILIES)), st.text(), st.text(), st.text(), st.text())
CONTROLS = ABORTS | st.builds(Goodbye, WORDS)


@given(HEADERS)
def test_header_round_trip(header: Header) -> None:
    data = header.pack()
    assert len(data) == HEADER.size == 56
    assert Header.unpack(data, "bob") == header


@given(HEADERS, st.integers(0, 55), st.integers(1, 255))
def test_mutated_header_is_another_header_or_refused(header: Header, place: int, flip: int) -> None:
    data = bytearray(header.pack())
    data[place] ^= flip
    with suppress(IntegrityError):
        other = Header.unpack(data, "bob")
        assert other != header
        assert other.pack() == data


@given(st.binary(min_size=56, max_size=56))
def test_arbitrary_header_bytes_only_raise_integrity_errors(data: bytes) -> None:
    with suppress(IntegrityError):
        assert Header.unpack(data, "bob").pack() == data


@pytest.mark.parametrize("kind", [0, max(Kind) + 1, 255])
def test_unknown_kind_is_refused(kind: int) -> None:
    data = bytearray(Header(Kind.OPEN, 0, 0).pack())
    data[4] = kind
    with pytest.raises(IntegrityError):
        Header.unpack(data, "bob")


@given(CONTROLS)
def test_control_round_trip(message: Abort | Goodbye) -> None:
    assert decode(encode(message), type(message), "bob") == message


@given(CONTROLS, st.data())
def test_mutated_control_only_raises_integrity_errors(message: Abort | Goodbye, data: st.DataObject) -> None:
    raw = bytearray(encode(message))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    try:
        other = decode(raw, type(message), "bob")
    except IntegrityError:
        return
    assert encode(other) == raw


@given(st.binary(max_size=200))
def test_arbitrary_control_bytes_only_raise_integrity_errors(data: bytes) -> None:
    for kind in (Abort, Goodbye):
        with suppress(IntegrityError):
            assert encode(decode(data, kind, "bob")) == data


def test_oversized_control_is_refused() -> None:
    with pytest.raises(IntegrityError, match="longer than any control message"):
        decode(encode(Abort("UsageError", "x" * CONTROL_LIMIT)), Abort, "bob")


def test_trailing_bytes_and_other_message_are_refused() -> None:
    with pytest.raises(IntegrityError):
        decode(encode(Goodbye(3)) + b"\x00", Goodbye, "bob")
    with pytest.raises(IntegrityError):
        decode(encode(Goodbye(3)), Abort, "bob")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(IntegrityError):
        decode(b"\x91" * 50_000, Goodbye, "bob")
