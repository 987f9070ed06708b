"""Which links can move: looked for a few times where that is quicker than sleeping, and else slept for."""

from __future__ import annotations

from select import poll

from mpc.transport.link import Link

LOOKS = 40  # some 20 microseconds: about what falling asleep and being woken takes
LONGEST_REST = 63  # waits without looking, before looking is tried again


class Watch:
    """Sleeps until one of a transport's links can be read or written.

    Where every participant has a processor to itself, whoever is awaited is there within microseconds, and looking saves every
    round the time of a wake-up. Where they share one, looking only keeps it from those that are awaited. Which of the two it is,
    the looks themselves tell: a series of them that was in vain is followed by one wait without any, the next by three, and so on.
    """

    def __init__(self) -> None:
        self._poll = poll()
        self.links: dict[int, Link] = {}  # by descriptor
        self._rest = self._last_rest = 0

    @property
    def brisk(self) -> bool:
        """Whether looking has lately been quicker than sleeping."""
        return not self._rest

    def update(self, link: Link) -> None:
        """Watch for what a link can do now."""
        if (events := link.events()) == link.watched:
            return
        number = link.sock.fileno()
        if events:
            self._poll.register(number, events)
            self.links[number] = link
        else:
            self._poll.unregister(number)
        link.watched = events

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """The descriptors of links that can move, and how, as `poll` tells it; none where nothing happens for so long."""
        if self._rest:
            self._rest -= 1
        elif ready := self._looked():
            return ready
        return self._poll.poll(max(0.0, seconds) * 1e3)

    def _looked(self) -> list[tuple[int, int]]:
        for look in range(LOOKS):
            if ready := self._poll.poll(0):
                if look:
                    self._last_rest = 0
                return ready
        self._rest = self._last_rest = min(2 * self._last_rest + 1, LONGEST_REST)
        return []
