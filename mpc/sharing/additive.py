"""n-of-n additive sharing: x = sum of the parties' shares. How each recorded local operation acts on one party's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mpc.kernel import Kernel
from mpc.ring import Array, Ring
from mpc.sharing.node import Node, restructure

Rule = Callable[[Node, list[Array]], Array]


class Additive:
    """Evaluates local operations at party number `index`; party 0 alone adds publics to shares."""

    def __init__(self, kernel: Kernel, index: int) -> None:
        self.kernel, self.first = kernel, index == 0
        self._rules: dict[str, Rule] = {
            "offset": self._offset,
            "add": lambda node, v: node.ring.add(v[0], v[1]),
            "sub": lambda node, v: node.ring.sub(v[0], v[1]),
            "neg": lambda node, v: node.ring.neg(v[0]),
            "scale": self._scale,
            "add_public": self._add_public,
            "embed": self._embed,
            "mul": lambda node, v: node.ring.mul(v[0], v[1]),
            "matmul": lambda node, v: kernel.matmul(v[0], v[1]),
            "inner": lambda node, v: kernel.inner(v[0], v[1]),
            "slice": _structural,
            "transpose": _structural,
            "reshape": _structural,
            "broadcast": _structural,
            "concat": _structural,
            "sum": _structural,
            "shift_right": lambda node, v: v[0] >> v[0].dtype.type(node.params[0]),
            "low": lambda node, v: node.ring.reduce(v[0]),
            "bit": lambda node, v: ((v[0] >> v[0].dtype.type(node.params[0])) & v[0].dtype.type(1)).astype(np.uint8),
            "lift": lambda node, v: v[0].astype(node.ring.dtype),
            "apply": self._apply,
            "high": lambda node, v: v[0] << np.uint64(node.params[0]),
            "row": _row,
            "digit": self._digit,
            "gather": lambda node, v: np.take(v[0], node.params[1:], axis=node.params[0]),
            "local_shift": lambda node, v: node.ring.reduce(v[0] >> np.uint64(node.params[0])),
        }

    def evaluate(self, node: Node) -> Array:
        """My part of the node's value; its arguments must have theirs."""
        value = np.asarray(self._rules[node.op](node, [arg.value for arg in node.args]))
        return value if node.secret else node.ring.reduce(value)  # shares are reduced when they travel, publics are looked at

    def _offset(self, node: Node, v: list[Array]) -> Array:
        if node.secret and not self.first:
            return v[0]
        return node.ring.add(v[0], _word(node.ring, node.params[0]))

    def _scale(self, node: Node, v: list[Array]) -> Array:
        return node.ring.mul(v[0], _word(node.ring, node.params[0]))

    def _add_public(self, node: Node, v: list[Array]) -> Array:
        return node.ring.add(v[0], v[1]) if self.first else np.broadcast_to(v[0], node.shape)

    def _embed(self, node: Node, v: list[Array]) -> Array:
        return v[0] if self.first else node.ring.zeros(node.shape)

    def _apply(self, node: Node, v: list[Array]) -> Array:
        result: Array = node.payload(*v, *node.params[1:])
        return result

    def _digit(self, node: Node, v: list[Array]) -> Array:
        shape = node.shape[1:]
        tables, digits = np.broadcast_to(v[0], shape), np.broadcast_to(v[1], shape)
        equal, greater = self.kernel.digit_compare(tables.astype(np.uint16, copy=False), digits.astype(np.uint8, copy=False))
        return np.stack([equal, greater])


def _structural(node: Node, values: list[Array]) -> Array:
    return restructure(node.op, node.ring, node.params, *values)


def _row(node: Node, v: list[Array]) -> Array:
    table, index = v
    flat = table.reshape(-1, *table.shape[-2:])
    picked: Array = flat[np.arange(flat.shape[0]), index.reshape(-1).astype(np.int64)]
    return picked.reshape(node.shape)


def _word(ring: Ring, value: int) -> Any:
    return ring.dtype(value % (1 << ring.bits))


def opened(ring: Ring, shares: list[Array]) -> Array:
    """The value that all parties' shares add up to."""
    total = shares[0]
    for share in shares[1:]:
        total = ring.add(total, share)
    return ring.reduce(total)
