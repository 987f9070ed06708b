"""n-of-n additive sharing: x = sum of the parties' shares. How each recorded local operation acts on one party's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mpc.kernel import Kernel
from mpc.packed import Bits
from mpc.prg import Stream
from mpc.ring import Array, Ring, Value
from mpc.sharing.node import Node, Shape, hides, restructure

Rule = Callable[[Node, list[Value]], Value]
Masks = Callable[[str, int], Stream]  # kind and number of a mask to my share of it


class Additive:
    """Evaluates local operations at party number `index`; party 0 alone adds publics to shares."""

    def __init__(
        self,
        kernel: Kernel,
        index: int,
        masks: Masks,
        dealt: Callable[[Node], Value],
        watch: Callable[[str, str], None] | None = None,
    ) -> None:
        self.kernel, self.first, self._masks = kernel, index == 0, masks
        rules: dict[str, Rule] = {
            "mask": lambda node, v: masks(*node.params).words(node.ring, node.shape),
            "dealt": lambda node, v: dealt(node),
            "unmask": self._unmask,
            "const": lambda node, v: node.payload,
            "zero": lambda node, v: node.ring.zeros(node.shape),
            "offset": self._offset,
            "add": lambda node, v: node.ring.add(v[0], v[1]),
            "sub": lambda node, v: node.ring.sub(v[0], v[1]),
            "neg": _structural,
            "scale": self._scale,
            "add_public": self._add_public,
            "embed": self._embed,
            "mul": lambda node, v: node.ring.mul(v[0], v[1]),
            "matmul": lambda node, v: kernel.matmul(v[0], v[1]),
            "inner": lambda node, v: kernel.inner(v[0], v[1]),
            "rotate": lambda node, v: kernel.rotate(v[1], node.params[0], node.params[1], node.params[2:], v[0]),
            "masked_mul": lambda node, v: kernel.masked_multiply(self.first, *v),
            "masked_matmul": lambda node, v: kernel.masked_matmul(self.first, *v),
            "truncate": lambda node, v: kernel.truncate(self.first, v[0], v[1], v[2], node.params[0]),
            "quotient_mul": lambda node, v: self._times_quotient(node.shape, node.params[0], *v),
            "quotient_pair": self._quotient_pair,
            "select": self._select,
            "slice": _structural,
            "transpose": _structural,
            "reshape": _structural,
            "broadcast": _structural,
            "concat": _structural,
            "sum": _structural,
            "shift_right": _shifted,
            "low": lambda node, v: node.ring.reduce(node.args[0].ring.plain(v[0])),
            "bit": lambda node, v: kernel.bit(node.args[0].ring.plain(v[0]).astype(np.uint64, copy=False), node.params[0]),
            "lift": self._lift,
            "apply": self._apply,
            "high": lambda node, v: v[0] << np.uint64(node.params[0]),
            "row": _row,
            "digit_tests": lambda node, v: kernel.digit_tests(v[0], v[1], v[2], node.params[0]),
            "gather": self._gather,
            "local_top": lambda node, v: kernel.bit(self._own(v[0]), 63),
            "local_quotient": self._quotient,
            "local_shift": lambda node, v: v[0] if node.params[0] == 0 else v[0] >> np.uint64(node.params[0]),
        }
        self._rules = rules if watch is None else {op: _watched(rule, watch) for op, rule in rules.items()}

    def value(self, node: Node) -> Value:
        """My part of the node's value, worked out now if it was put off."""
        todo = [node]
        while node.value is None:
            current = todo[-1]
            missing = [arg for arg in current.args if arg.value is None] if current.value is None else []
            if missing:
                todo += missing
                continue
            todo.pop()
            if current.value is None:
                value = self._rules[current.op](current, [arg.value for arg in current.args])
                # Shares are reduced when they travel, publics are looked at.
                current.value = value if current.secret else current.ring.reduce(value)
        return node.value

    def outgoing(self, node: Node) -> bytearray:
        """My part of the node's value as it goes on the wire. A sum that a mask hides is formed in the send buffer."""
        mask = hides(node) if node.value is None else None
        if mask is None:
            return self.kernel.pack(self.value(node), node.ring)
        x = self.value(next(arg for arg in node.args if arg is not mask))
        if x.shape != node.shape:
            x = restructure("broadcast", node.ring, node.shape, x)
        if mask.value is not None or node.ring.boolean:
            return self.kernel.pack(x, node.ring, mask.value if mask.value is not None else self._rules["mask"](mask, []))
        out, flat = bytearray(node.ring.bytes(node.size)), x.reshape(-1)
        for start, words in self.keystream(mask):
            self.kernel.pack_block(out, node.size, start, flat[start : start + words.size], node.ring, words)
        return out

    def keystream(self, mask: Node) -> Iterator[tuple[int, Array]]:
        """My share of a mask over Z_2^k, block by block, each with the number of its first word."""
        return self._masks(*mask.params).blocks(mask.ring, mask.size)

    def _unmask(self, node: Node, v: list[Value]) -> Value:
        """M minus the mask of these parameters, whose keystream is never written out: inputs can be as large as memory allows."""
        opened = v[0] if self.first else node.ring.zeros(node.shape)
        stream = self._masks(*node.params)
        if node.ring.boolean:
            return node.ring.sub(opened, stream.words(node.ring, node.shape))
        out = np.array(opened)
        flat = out.reshape(-1)
        for start, words in stream.blocks(node.ring, node.size):
            self.kernel.accumulate(flat[start : start + words.size], words, negative=True)
        return out

    def _offset(self, node: Node, v: list[Value]) -> Value:
        if node.secret and not self.first:
            return v[0]
        if node.ring.packed:
            return ~v[0] if node.params[0] else v[0]
        return node.ring.add(v[0], _word(node.ring, node.params[0]))

    def _scale(self, node: Node, v: list[Value]) -> Value:
        if node.ring.packed:
            return v[0] if node.params[0] else node.ring.zeros(node.shape)
        return node.ring.mul(v[0], _word(node.ring, node.params[0]))

    def _add_public(self, node: Node, v: list[Value]) -> Value:
        return node.ring.add(v[0], v[1]) if self.first else restructure("broadcast", node.ring, node.shape, v[0])

    def _embed(self, node: Node, v: list[Value]) -> Value:
        return v[0] if self.first else node.ring.zeros(node.shape)

    def _times_quotient(self, shape: Shape, f: int, x: Array, M: Array, Y: Array, b: Array, rb: Array, top: Array) -> Array:
        """Y * x - A * b + rb - q * top * 2^(64-f), as minus a masked product: its c is what the kernel makes of rb and top."""
        undone = self.kernel.truncate(False, np.broadcast_to(M, shape), rb, top, f)
        return np.asarray(np.negative(self.kernel.masked_multiply(False, np.negative(_public(M, f)), x, Y, b, undone)))

    def _quotient_pair(self, node: Node, v: list[Value]) -> Value:
        x, M, y, N, product, top, other, *tops = v
        f, g = node.params
        B = _public(N, g)
        rest = np.asarray(np.negative(self.kernel.truncate(False, np.broadcast_to(N, node.shape), product, other, g)))
        if tops:
            both = np.asarray(np.multiply(np.multiply(_unwrapped(M), _unwrapped(N)), tops[0]))
            rest = np.asarray(np.add(rest, np.left_shift(both, np.uint64(128 - f - g))))
        return self._times_quotient(node.shape, f, x, M, B, np.subtract(B, y) if self.first else np.negative(y), rest, top)

    def _select(self, node: Node, v: list[Value]) -> Value:
        wide = [restructure("broadcast", arg.ring, node.shape, x) for arg, x in zip(node.args, v, strict=True)]
        return self.kernel.select(*wide)

    def _quotient(self, node: Node, v: list[Value]) -> Value:
        return self._own(np.asarray((self._own(v[0]) & np.uint64((1 << 63) - 1)) >> np.uint64(node.params[0])))

    def _own(self, x: Array) -> Array:
        return x if self.first else np.asarray(np.negative(x))

    def _lift(self, node: Node, v: list[Value]) -> Value:
        if isinstance(v[0], Bits) and not node.ring.boolean:
            return self.kernel.lift(v[0])
        if isinstance(v[0], Bits):
            return node.ring.words(v[0].array())
        return node.ring.words(v[0])

    def _apply(self, node: Node, v: list[Value]) -> Value:
        result: Value = node.payload(*v, *node.params[1:])
        return result

    def _gather(self, node: Node, v: list[Value]) -> Value:
        return node.ring.words(np.take(node.ring.plain(v[0]), node.payload, axis=node.params[0]))


def _public(M: Array, f: int) -> Array:
    """What of a truncated number is public: ((M + 2^62) >> f) - 2^(62-f)."""
    return np.asarray(np.subtract(np.add(M, np.uint64(1 << 62)) >> np.uint64(f), np.uint64(1 << 62 - f)))


def _unwrapped(M: Array) -> Array:
    """q of a truncated number: 1 where M + 2^62 has no top bit."""
    return np.asarray(np.subtract(np.uint64(1), np.add(M, np.uint64(1 << 62)) >> np.uint64(63)))


def _watched(rule: Rule, watch: Callable[[str, str], None]) -> Rule:
    """The rule, once line and kind of the operation have been told."""

    def told(node: Node, values: list[Value]) -> Value:
        watch(node.line, node.op)
        return rule(node, values)

    return told


def _structural(node: Node, values: list[Value]) -> Value:
    return restructure(node.op, node.ring, node.params, *values)


def _row(node: Node, v: list[Value]) -> Value:
    table, index = node.ring.plain(v[0]), v[1]
    flat = table.reshape(-1, *table.shape[-2:])
    picked: Array = flat[np.arange(flat.shape[0]), index.reshape(-1).astype(np.int64)]
    return node.ring.words(picked.reshape(node.shape)) if node.ring.packed else picked.reshape(node.shape)


def _shifted(node: Node, v: list[Value]) -> Value:
    words = node.ring.plain(v[0])
    shifted = np.asarray(words >> words.dtype.type(node.params[0]))
    return node.ring.words(shifted) if node.ring.packed else shifted


def _word(ring: Ring, value: int) -> Any:
    return ring.dtype(value % (1 << ring.bits))
