"""The source of a one-party run: it deals to itself and asserts the masking invariant at every opening."""

from __future__ import annotations

import numpy as np

from mpc.errors import IntegrityError
from mpc.kernel import Kernel
from mpc.ring import Value
from mpc.sharing.node import Node
from mpc.sources.dealer import Dealer, Keystreams
from mpc.sources.descriptor import Draw, expression


class DebugSource:
    """Masks are drawn and corrections formed as with a real dealer; only the sum over parties has one term."""

    def __init__(self, keystreams: Keystreams, kernel: Kernel) -> None:
        self._dealer = Dealer([keystreams], kernel)
        self._seen: set[tuple[str, int]] = set()

    def prepare(self, orders: bytes) -> None:
        """Nothing to announce: dealing happens on demand."""

    def correction(self, draw: Draw) -> bytearray:
        """The packed corrections of a draw."""
        return bytearray(b"".join(self._dealer.corrections(draw.order)))

    def close(self) -> None:
        """Nothing to end."""

    def opened(self, node: Node, pad: Node) -> None:
        """Assert that an opening is hidden by the whole of a mask that has never hidden another."""
        if not any(arg is pad for arg in node.args[0].args):
            raise IntegrityError("An opening does not contain the mask that hides it.", where=f"{node.op} recorded at {node.line}")
        if pad.op != "mask":
            raise IntegrityError("An opening is hidden by part of a mask.", where=f"{node.op} recorded at {node.line}")
        kind, number = pad.params
        if (kind, number) in self._seen:
            raise IntegrityError("A mask was about to hide a second value.", where=f"{node.op} recorded at {node.line}")
        if pad.shape != node.shape or pad.ring != node.ring:
            raise IntegrityError("An opening is wider than its mask.", where=f"{node.op} recorded at {node.line}")
        self._seen.add((kind, number))

    def masked(self, value: Value, opened: Value, mask: Node) -> None:
        """Assert that a public M kept for a value is that value plus its mask, whatever views lie between."""
        ring = mask.ring
        expected = ring.plain(ring.reduce(ring.add(value, self._dealer.evaluate(expression(mask)))))
        if not np.array_equal(np.broadcast_to(expected, opened.shape), ring.plain(opened)):
            raise IntegrityError("A value is used under a mask that belongs to another.", where=f"recorded at {mask.line}")
