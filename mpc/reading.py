"""Which columns of which tables a script computes with, found in what it records while it is planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mpc.schedule import Reveal, RevealKey
from mpc.sharing.node import Node, Params, Shape

Place = tuple[str, str, int]  # owner, table, and which column of the loaded array
Places = frozenset[Place]
KEPT = frozenset({"neg", "offset", "scale"})  # whose every element comes of one element, in the same place


@dataclass(frozen=True, slots=True)
class View:
    """What an array's elements come from: `places[k]` for those at k along `axis`; with no axis, `places[0]` for all.

    In a copy every element is one cell of a table, up to its sign and scale.
    """

    axis: int | None
    places: tuple[Places, ...]
    copy: bool = True

    @property
    def all(self) -> Places:
        """Everything in it."""
        return frozenset().union(*self.places)

    def mixed(self) -> View:
        """The same, no longer told apart."""
        return replace(self, axis=None, places=(self.all,))


class Reading:
    """Follows tables through slices and other structure, up to the operations that compute with them."""

    def __init__(self) -> None:
        self.loaded: set[tuple[str, str, Shape]] = set()
        self.used: set[Place] = set()
        self.rearranged: set[tuple[str, str]] = set()
        self.copies: set[RevealKey] = set()  # reveals of nothing but cells of tables
        self._views: dict[int, View] = {}  # by number of the operation, so that none is kept alive

    def note(self, nodes: Iterable[Node], reveals: Iterable[Reveal]) -> None:
        """One segment of the record."""
        for node in nodes:
            if node.op == "input":
                self._views[node.index] = self._input(str(node.params[0]), str(node.params[1]), node.shape)
                continue
            views = [self._views.get(arg.index) for arg in node.args]
            if not any(views):
                continue
            view = _through(node, views)
            if view is not None:
                self._views[node.index] = view
            else:
                self._use(views)
        for reveal in reveals:
            self._use([self._views.get(reveal.node.index)])
            if self.copied(reveal.node):
                self.copies.add(reveal.key)

    def facts(self) -> tuple[object, ...]:
        """All that was found, in one order."""
        return sorted(self.loaded), sorted(self.used), sorted(self.rearranged), sorted(self.copies)

    def copied(self, node: Node) -> bool:
        """Whether a value is nothing but cells of tables."""
        view = self._views.get(node.index)
        return view is not None and view.copy

    def opened(self, node: Node, key: RevealKey) -> None:
        """What a script opens without a mask is read, and may be nothing but cells."""
        self._use([self._views.get(node.index)])
        if self.copied(node):
            self.copies.add(key)

    def _input(self, owner: str, table: str, shape: Shape) -> View:
        self.loaded.add((owner, table, shape))
        if len(shape) != 2:  # a single column, or nothing that a schema has
            return View(None, (frozenset({(owner, table, 0)}),))
        return View(1, tuple(frozenset({(owner, table, place)}) for place in range(shape[1])))

    def _use(self, views: Iterable[View | None]) -> None:
        for view in views:
            if view is not None:
                self.used |= view.all


def _through(node: Node, views: list[View | None]) -> View | None:
    """What a structural operation leaves of its arguments' columns; None for one that computes."""
    first, params = views[0], node.params
    if node.op in ("unmask", "embed") or node.op in KEPT or (node.op == "open" and params[0] == "declassified"):
        return first
    if node.op == "concat":
        return _joined(node, views)
    if first is None or node.op not in ("slice", "transpose", "reshape", "broadcast", "sum", "gather"):
        return None
    axis, shape = first.axis, node.args[0].shape
    first = replace(first, copy=first.copy and node.op != "sum")
    if axis is None:
        return first
    if node.op == "slice":
        start, count, step = params[axis]
        return replace(first, places=tuple(first.places[start + k * step] for k in range(count)))
    if node.op == "gather":
        return replace(first, places=tuple(first.places[k] for k in node.payload)) if params[0] == axis else first
    moved = _moved(node.op, params, shape, axis)
    return first.mixed() if moved is None else replace(first, axis=moved)


def _moved(op: str, params: Params, shape: Shape, axis: int) -> int | None:
    """Where the axis of columns is afterwards, if it still is one."""
    if op == "transpose":
        return int(params.index(axis))
    if op == "sum":
        return None if axis in params else axis - sum(gone < axis for gone in params)
    if op == "broadcast":
        after = axis + len(params) - len(shape)
        return after if params[after] == shape[axis] else None
    behind = _size(shape[axis + 1 :])  # a reshape
    return next((k for k, extent in enumerate(params) if extent == shape[axis] and _size(params[k + 1 :]) == behind), None)


def _joined(node: Node, views: list[View | None]) -> View:
    """Arrays one after another along an axis: columns side by side, or rows of several tables under one another."""
    (along,), axes = node.params, {view.axis for view in views if view is not None}
    axis = axes.pop() if len(axes) == 1 else along
    if axis is None:
        axis = along
    spread = [_spread(view, axis, arg.shape[axis]) for view, arg in zip(views, node.args, strict=True)]
    copy = any(view is not None and view.copy and arg.size for view, arg in zip(views, node.args, strict=True))
    if axis == along:
        return View(axis, tuple(places for part in spread for places in part), copy)
    return View(axis, tuple(frozenset().union(*parts) for parts in zip(*spread, strict=True)), copy)


def _spread(view: View | None, axis: int, extent: int) -> tuple[Places, ...]:
    if view is None:
        return (frozenset(),) * extent
    return view.places if view.axis == axis else (view.all,) * extent


def _size(shape: Shape) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size
