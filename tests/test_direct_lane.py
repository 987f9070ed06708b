"""Either of two participants may dial: whoever cannot be reached dials out, and where both can, both take the same connection."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from dataclasses import replace

import pytest
from test_transport_tls import World, context, failing, world

from mpc.errors import AvailabilityError, UsageError
from mpc.frame import Kind
from mpc.roster import Roster
from mpc.transport import gather
from mpc.transport.address import listen
from mpc.transport.greet import CHOSEN, LINK, LOOK, TOKEN_BYTES
from mpc.transport.tls import TlsTransport


def exchange(w: World, transports: list[TlsTransport]) -> None:
    """Everybody tells everybody its name, over links that must therefore be the same ones at both ends; then all close."""

    def work(me: TlsTransport) -> dict[str, bytes]:
        got = me.exchange(Kind.OPEN, {peer: [me.name.encode()] for peer in me.peers}, {peer: len(peer) for peer in me.peers})
        me.close()
        return {peer: bytes(frame.payload) for peer, frame in got.items()}

    for told in w.pool.map(work, transports):
        assert told == {peer: peer.encode() for peer in told}


def without_address(roster: Roster, name: str) -> Roster:
    return Roster(tuple(replace(one, address="") if one.name == name else one for one in roster.participants))


@pytest.mark.parametrize("silent", ["alice", "bob", "dealer"])
def test_a_participant_without_an_address_dials_all_others(silent: str) -> None:
    with world("alice", "bob", "dealer") as w:
        roster = without_address(w.roster, silent)
        w.listeners[silent].close()
        started = [w.start(name, roster=roster, **({"listener": None} if name == silent else {})) for name in roster.names]
        exchange(w, [one.result(10) for one in started])


@pytest.mark.parametrize("walled", ["alice", "bob", "dealer"])
def test_a_participant_behind_a_wall_that_the_roster_does_not_know_of_still_gets_its_links(walled: str) -> None:
    """Its address in the roster leads nowhere; whichever side would have chosen, the others wait for it to dial."""
    with world("alice", "bob", "dealer") as w, closing(socket.create_server(("127.0.0.1", 0))) as elsewhere:
        w.listeners[walled].close()
        w.listeners[walled] = elsewhere
        exchange(w, [one.result(10) for one in [w.start(name) for name in w.roster.names]])


@pytest.mark.parametrize("turn", range(8))
def test_connections_that_cross_are_settled_the_same_at_both_ends(turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the head start both dial at once, and mostly both get through."""
    monkeypatch.setattr(gather, "HEAD_START", 0.0)
    with world("alice", "bob", "carol", "dealer") as w:
        exchange(w, [one.result(10) for one in [w.start(name) for name in w.roster.names]])
        assert w.warnings == []


class Hand:
    """A participant played by hand: it dials another as often as the test likes."""

    def __init__(self, w: World, name: str, to: str) -> None:
        self.w, self.to = w, to
        self.chooses = w.roster.get(name).der < w.roster.get(to).der
        self.context = context(ssl.PROTOCOL_TLS_CLIENT, name, to)

    def dial(self, token: bytes, mark: bytes = LINK) -> ssl.SSLSocket:
        sock = self.context.wrap_socket(socket.create_connection(self.w.address(self.to), timeout=5))
        sock.sendall(mark if self.chooses else mark + token)
        assert sock.recv(len(LINK)) == LINK
        return sock


def hands(w: World) -> tuple[Hand, str]:
    """One who follows, by hand, and whom it dials."""
    pair = [Hand(w, *names) for names in (("alice", "bob"), ("bob", "alice"))]
    one = next(hand for hand in pair if not hand.chooses)
    return one, one.to


def test_of_two_connections_with_one_token_the_first_is_chosen_and_with_a_new_token_the_newer() -> None:
    first, fresh = bytes(TOKEN_BYTES), b"x" * TOKEN_BYTES
    with world("alice", "bob", "carol") as w:
        hand, chooser = hands(w)
        started = w.start(chooser, wait=1)
        with hand.dial(first) as one, hand.dial(first) as two, hand.dial(fresh) as three:
            assert one.recv(1) == CHOSEN
            assert three.recv(1) == CHOSEN
            assert one.recv(1) == b"", "the link of before the restart is closed"
            two.settimeout(0.2)
            with pytest.raises(TimeoutError):
                two.recv(1)  # left open and silent: the follower may not have heard yet of the one that was chosen
        failing(started)  # carol never came


def test_a_doctor_that_knocks_at_a_session_is_told_so_and_does_no_harm() -> None:
    with world("alice", "bob") as w:
        hand, chooser = hands(w)
        started = w.start(chooser)
        with hand.dial(bytes(TOKEN_BYTES), LOOK) as sock:
            assert sock.recv(1) == b""
        other = next(name for name in w.roster.names if name != chooser)
        exchange(w, [w.start(other).result(10), started.result(10)])
        assert any(f"from {other} at" in line and "it runs its doctor" in line for line in w.warnings)


def test_two_who_both_cannot_be_dialled_are_refused_with_what_to_change() -> None:
    with world("alice", "bob", "dealer") as w, pytest.raises(UsageError) as caught:
        without_address(without_address(w.roster, "alice"), "bob")
    text = str(caught.value)
    assert all(
        words in text for words in ("cannot reach each other", "alice and bob", "none of them has an address", "open a port")
    )


def test_who_is_missing_is_told_both_ways() -> None:
    with world("alice", "bob") as w:
        w.listeners["bob"].close()
        error = failing(w.start("alice", wait=0.4))
        assert isinstance(error, AvailabilityError)
        assert f"bob at {w.roster.get('bob').address}: Connection refused, and bob did not connect to" in str(error)
        silent = without_address(w.roster, "bob")
    with world("alice") as w:
        error = failing(w.start("alice", roster=silent, wait=0.2))
        assert "why: bob did not connect to" in str(error)


def test_a_number_is_listened_on_exactly_and_a_name_everywhere() -> None:
    with world("alice") as w:
        me = w.roster.get("alice")
        w.listeners["alice"].close()
        port = me.endpoint[1]
        for address, hosts in ((f"127.0.0.1:{port}", {"127.0.0.1"}), (f"clinic.invalid:{port}", {"::", "0.0.0.0"})):
            made = listen(replace(me, address=address))
            assert made is not None
            with made:
                assert made.getsockname()[0] in hosts
        other = listen(replace(me, address=f"192.0.2.77:{port}"), f"127.0.0.1:{port}")
        assert other is not None
        other.close()
        assert listen(replace(me, address="")) is None


def test_an_address_of_a_gateway_says_how_to_listen_behind_it() -> None:
    with world("alice") as w:
        with pytest.raises(UsageError) as caught:
            listen(replace(w.roster.get("alice"), address="192.0.2.77:7001"))
        assert "--listen 0.0.0.0:7001" in str(caught.value)
