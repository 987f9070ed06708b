"""When a transport looks whether anything can move, and when it sleeps at once: what others compute meanwhile depends on it."""

from __future__ import annotations

from collections import deque

import pytest

from mpc.transport import watch
from mpc.transport.watch import LONGEST_REST, LOOKS, Watch

READY = [(7, 1)]


class Poll:
    """What comes at which look, as a test has laid it down; nothing where it has not."""

    def __init__(self) -> None:
        self.coming: deque[bool] = deque()
        self.looks = self.sleeps = 0

    def poll(self, milliseconds: float) -> list[tuple[int, int]]:
        """A look, or a sleep, after which there is always something."""
        if milliseconds:
            self.sleeps += 1
            return READY
        self.looks += 1
        return READY if self.coming and self.coming.popleft() else []


@pytest.fixture
def poll(monkeypatch: pytest.MonkeyPatch) -> Poll:
    made = Poll()
    monkeypatch.setattr(watch, "poll", lambda: made)
    return made


def test_what_is_there_or_comes_within_a_few_looks_is_not_slept_for(poll: Poll) -> None:
    one = Watch()
    for count in (1, 2, LOOKS):
        poll.coming.extend([False] * (count - 1) + [True])
        assert one.wait(1) == READY
        assert one.brisk
    assert (poll.looks, poll.sleeps) == (3 + LOOKS, 0)


def test_looks_in_vain_become_rare_and_come_back_once_they_pay(poll: Poll) -> None:
    one, gaps = Watch(), list[int]()
    for series in range(1, 10):
        waits = 0
        while poll.looks < series * LOOKS:
            waits += 1
            one.wait(1)
        gaps.append(waits - 1)
        assert not one.brisk
    assert gaps == [0, 1, 3, 7, 15, 31, LONGEST_REST, LONGEST_REST, LONGEST_REST]
    poll.coming.extend([False, True])
    while poll.coming:
        one.wait(1)
    assert one.brisk
    poll.looks = poll.sleeps = 0
    one.wait(1)
    one.wait(1)
    one.wait(1)
    assert (poll.looks, poll.sleeps) == (2 * LOOKS, 3)


def test_what_was_there_at_the_first_look_says_nothing_about_looking(poll: Poll) -> None:
    """Where participants share a processor it is there whenever the other ran meanwhile, and no later look ever finds it."""
    one = Watch()
    for _ in range(3):
        one.wait(1)  # the first is in vain, the second a rest, the third in vain
    poll.coming.extend([True])
    for _ in range(4):
        one.wait(1)
    assert not poll.coming
    one.wait(1)
    assert poll.looks == 3 * LOOKS + 1
    assert not one.brisk
    for _ in range(7):
        one.wait(1)
    assert poll.looks == 3 * LOOKS + 1
