"""The waist. A protocol computes locally on shares, draws correlated randomness, and opens values under masks; nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from mpc import schedule
from mpc.assumption import Assumption
from mpc.errors import ConsentError, IntegrityError, MpcError, UsageError
from mpc.kernel import Kernel
from mpc.lines import called_by_library, ours, script_line
from mpc.origin import Behind, Origin
from mpc.ring import BIT, Z64, Array, Ring, Value
from mpc.rules import NOTHING, Imposed, Required
from mpc.schedule import Reveal, RevealKey, Segment
from mpc.setting import MEMORY
from mpc.sharing.node import DEALER_SIDE, FREE, Node, Params, Shape, brief, hides
from mpc.sharing.share import Public, Share
from mpc.sources.correlations import Pad
from mpc.sources.descriptor import Draw, Order, expression, order, outputs
from mpc.sources.functionality import Correlation

VIEWS = frozenset({"slice", "transpose", "reshape", "broadcast", "concat", "neg", "add_public", "offset"})
ASSUMED, RELEASED = "every assumed bound held", "every release rule held"
MARK = (4,)  # words of the id of what is saved
VERDICTS = (ASSUMED, RELEASED)  # labels of single bits, which no script may use
KEPT = "share of what is saved as"
LABEL = 200  # characters of a reveal's label at most
WEIGHT = 128  # structure of more operations than this is opened afresh, so that no description of a mask grows without end
SUMS = frozenset({"add", "sub", "sum"})  # masked only where all terms were masked when the sum was formed
NODE = 1 << 10  # bytes that the record of an operation takes, roughly


class Hidden(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for a result that this party was not to receive. Anything but looking at it is an error."""

    __slots__ = ("label", "receivers", "shape")

    def __init__(self, label: str, receivers: tuple[str, ...], shape: Shape) -> None:
        self.label, self.receivers, self.shape = label, receivers, shape

    def __repr__(self) -> str:
        return f"<hidden: {self.label}, for {' and '.join(self.receivers)} only>"

    def __format__(self, _: str) -> str:
        return repr(self)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UsageError(
            f"{self!r} has no value at this party.",
            where=script_line(),
            do="use it only where it was received, or reveal it to this party too",
        )

    __array__ = __array_ufunc__ = __array_function__ = _refuse
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __len__ = __iter__ = __getitem__ = __contains__ = _refuse
    __hash__ = _refuse  # it compares like an array, that is, not at all

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self._refuse()


def published(party: str) -> str:
    """The label under which a party's public number stands in the plan."""
    return f"number published by {party}"


def declassified(why: str) -> str:
    """The label under which an opening without a mask stands in the plan."""
    return f"declassified: {why}"


def share_of(name: str) -> str:
    """The label under which a party's own share of what is saved stands in the plan, for that party alone."""
    return f"{KEPT} {name}, random words for their keeper alone"


def id_of(name: str) -> str:
    """The label of the id that is drawn for what is saved: random, so that nothing else has it."""
    return f"id of what is saved as {name}"


def saved(label: str) -> bool:
    """Whether a label stands for a share that its keeper receives."""
    return label.startswith(f"{KEPT} ")


def of_save(label: str) -> bool:
    """Whether a label stands for a share of what is saved, or for its id."""
    return saved(label) or label.startswith(id_of(""))


def opened(label: str) -> bool:
    """Whether a label stands for what is opened to everybody, and not revealed to receivers."""
    return label.startswith((published(""), declassified("")))


def of_library(label: str) -> bool:
    """Whether a label stands for what the library itself reveals or opens, so that no script may use it."""
    return label in VERDICTS or opened(label) or of_save(label)


class Keeper(Protocol):
    """Where a party's shares of what is saved go: by name, what everybody may know of it, its id, and words by party."""

    def __call__(self, name: str, card: str, mark: str, words: Mapping[str, Array]) -> None:
        """Keep them."""


class Engine(Protocol):
    """What a session is wired to: something that runs, or merely counts, a segment."""

    @property
    def kernel(self) -> Kernel:
        """What converts the numbers of this party."""

    def run(self, segment: Segment) -> list[Any]:
        """Execute everything in the segment; the revealed words (or Hidden) of its reveals."""

    def close(self) -> None:
        """End the session well."""


class Session:
    """One run of one program among named parties. Everything is recorded, until a reveal runs the record.

    So does a record whose results would take more than `memory` bytes; with 0, every operation runs at once, which is called eager.
    """

    def __init__(
        self,
        name: str,
        parties: tuple[str, ...],
        engine: Engine,
        *,
        columns: Mapping[str, Callable[[str], Array]] | None = None,
        memory: int = MEMORY,
        contract: dict[RevealKey, int] | None = None,
        context: Any = None,
        imposed: Imposed | None = None,
        alone: bool = False,
        revealed: Callable[[str, tuple[str, ...], Any], None] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.name, self.parties = name, parties
        self.context = context  # what the floors above attach: the schema that gives columns their meaning
        self.release: Required = getattr(context, "release", NOTHING)  # what every reveal must hold at least
        self._behind: Mapping[str, Origin] = getattr(context, "behind", {})  # of what was saved: the tables that it was made of
        self._imposed = {place: Required.parse(texts) for place, texts in (imposed or {}).items()}
        self.told: Counter[Origin] = Counter()  # how many numbers have been revealed, by the tables that they depend on
        self._engine, self._columns, self._contract = engine, columns or {}, contract
        self._revealed, self._keeper = revealed, keeper
        self.alone = alone  # one process plays every party, as number 0
        self._memory, self._recorded = memory, 0
        self._nodes: list[Node] = []
        self._draws: list[Draw] = []
        self._formed: list[Node] = []
        self._counters = {"node": 0, "mask": 0, "window": 0, "pad": 0, "draw": 0}
        self._digest = bytes(schedule.DIGEST_BYTES)
        self._closed = False
        self._failure: MpcError | None = None
        self.rearranged: set[tuple[str, str]] = set()  # tables that a script's own code made into words, in whatever order
        self.assumptions: list[Assumption] = []  # what must hold before anything more is revealed

    @property
    def kernel(self) -> Kernel:
        """Local arithmetic, for a party's own numbers on their way in and for revealed ones."""
        return self._engine.kernel

    # -- recording -------------------------------------------------------------------------------------------------------

    def node(
        self, op: str, args: tuple[Node, ...], params: Params, ring: Ring, shape: Shape, *, secret: bool, payload: Any = None
    ) -> Node:
        """Append one operation to the record."""
        if self._closed:
            raise UsageError("The session has ended.", where=script_line(), do="compute inside the script's main(s)")
        node = Node(op, args, params, ring, shape, secret, self._next("node"), script_line())
        node.payload = payload
        node.dealer = op in ("mask", "zero") or (secret and op in DEALER_SIDE and all(arg.dealer for arg in args))
        if op in VIEWS or op in SUMS:
            node.weight = 1 + sum([arg.form[1].weight if arg.form else arg.weight for arg in args])
        if secret and op in SUMS:
            node.keep = node.dealer or all(self._has_form(arg) for arg in args)
            mask = hides(node)
            node.pad = mask if mask is not None and mask.params[0] == "pad" else None
            node.lazy = mask is not None
        node.lazy |= node.dealer or (op == "concat" and all(arg.form is not None for arg in args))  # inputs side by side are kept
        self._nodes.append(node)
        self._recorded += NODE if node.lazy or op in FREE else NODE + node.bytes
        if op != "dealt":
            self._run_if_due()
        return node

    def _run_if_due(self) -> None:
        """Run the record once its results take more memory than agreed; at every operation, where none was."""
        if self._recorded > self._memory:
            self._run(())

    def _next(self, counter: str) -> int:
        self._counters[counter] += 1
        return self._counters[counter] - 1

    def _random(self, kind: str, ring: Ring, shape: Shape) -> Share:
        return Share(self, self.node("mask", (), (kind, self._next(kind)), ring, shape, secret=True))

    def _publish(self, hidden: Share, pad: Node) -> Public:
        """Open a sum that a whole, unused mask hides. What it hides was there before the mask, so it cannot contain the mask."""
        older = all(arg is pad or arg.index < pad.index for arg in hidden.node.args)
        older &= sum(arg is pad for arg in hidden.node.args) == 1  # twice a mask is even
        if pad.op != "mask" or pad.spent or not older or (pad.ring, pad.shape) != (hidden.ring, hidden.shape):
            raise IntegrityError(
                "An opening must be hidden by a fresh mask of its own ring and shape.",
                where=script_line(),
                why="the mask was used before, is older than what it should hide, or is narrower",
                do="draw a Pad of the value's ring and shape after the value, add it, and open the sum",
            )
        pad.spent = True
        return Public(
            self, self.node("open", (hidden.node,), ("under", *pad.params), hidden.ring, hidden.shape, secret=False, payload=pad)
        )

    # -- the waist -------------------------------------------------------------------------------------------------------

    def mask(self, x: Share) -> tuple[Public, Share]:
        """(M, [mask]) with M = x + mask public. The opening happens once per value; views of a value use views of its mask."""
        if not isinstance(x, Share):
            raise TypeError(f"only a Share is masked, not a {type(x).__name__}")
        public, mask = self._form(x.node)
        self._formed.append(x.node)
        return Public(self, public), Share(self, mask)

    def masked(self, x: Share) -> bool:
        """Whether M of x exists, so that `mask` costs nothing."""
        return self._has_form(x.node)

    def window(self, x: Share, shift: int, bits: int) -> tuple[Public, Share]:
        """(c, [r]) with c = (x >> shift) + r mod 2^bits, up to n - 1 units below, under a fresh one-time r of `bits` bits."""
        if not 0 <= shift <= 64 - bits:
            raise ValueError("a window lies within the 64 bits of a share")
        part = x.local_nonlinear(shift, bits)
        pad = self._random("window", Ring(bits), x.shape)
        return self._publish(part + pad, pad.node), pad

    def open(self, x: Share) -> Public:
        """Open words that a Pad hides; anything else, or a second use of the pad, is refused."""
        if x.node.pad is None:
            raise IntegrityError(
                "An opening must be hidden by a one-time pad of its own shape.",
                where=script_line(),
                do="add a share drawn as Pad(ring, shape), or use mask() or declassify()",
            )
        return self._publish(x, x.node.pad)

    def draw(self, correlation: Correlation) -> tuple[Share, ...]:
        """Shares of a correlation of masks. A Pad is a fresh one-time array; all others may be used any number of times."""
        if isinstance(correlation, Pad):
            return (self._random("pad", correlation.ring, correlation.shape),)
        number = self._next("draw")
        asked = order(number, correlation)
        results, params = outputs(asked), str(asked.params)
        nodes = tuple(
            [
                self.node("dealt", (), (number, k, asked.kind, params), ring, shape, secret=True)
                for k, (ring, shape) in enumerate(results)
            ]
        )
        self._order(Draw(number, asked, results, nodes, nodes[0].line))
        return tuple(Share(self, node) for node in nodes)

    def _order(self, draw: Draw) -> None:
        self._draws.append(draw)
        self._run_if_due()

    def input(self, owner: str, column: str, shape: Shape, encode: Callable[[Array], Array], ring: Ring = Z64) -> Share:
        """A share of the owner's column, masked from birth: the dealer gives the owner a mask, the owner sends M."""
        self._known(owner)
        if not ours(encode):
            self.rearranged.add((owner, column))
        mask = self._random("mask", ring, shape)
        number = self._next("draw")
        asked = Order(number, "InputMask", (expression(mask.node),), (), 0 if self.alone else self.parties.index(owner))
        blind = self.node("dealt", (), (number, 0, "InputMask", owner), ring, shape, secret=True)
        self._order(Draw(number, asked, outputs(asked), (blind,), blind.line))
        words = _own_words(ring, self._columns[owner](column), encode, shape) if owner in self._columns else None
        opened = self.node("input", (blind,), (owner, column), ring, shape, secret=False, payload=words)
        opened.origin = self._behind.get(column) or frozenset({Behind(owner, column, shape[0] if shape else 1)})
        share = self.node("unmask", (opened,), mask.node.params, ring, shape, secret=True)
        share.form = (opened, mask.node)
        return Share(self, share)

    def public(self, value: Array, from_: str, ring: Ring = Z64) -> Public:
        """One party's public words, made equal everywhere."""
        self._known(from_)
        self._allow(RevealKey(script_line(), published(from_), value.shape, self.parties))
        words = ring.words(value) if from_ == self.name or self.alone else None
        return Public(self, self.node("publish", (), (from_,), ring, value.shape, secret=False, payload=words))

    def constant(self, words: Array, ring: Ring = Z64) -> Public:
        """A public array that is part of the program; copied, and covered by the lockstep digest."""
        copy = words.astype(ring.dtype)
        node = self.node("const", (), (brief(copy),), ring, copy.shape, secret=False, payload=ring.words(copy))
        return Public(self, node)

    def embed(self, x: Public) -> Share:
        """A public array as a share. Its mask is zero, so a later product opens nothing."""
        share = Share(self, self.node("embed", (x.node,), (), x.ring, x.shape, secret=True))
        zero = self.node("zero", (), (), x.ring, x.shape, secret=True)
        share.node.form = (x.node, zero)
        return share

    def declassify(self, x: Share, why: str) -> Public:
        """Open without a mask, what is public by design; stands in the plan.

        What depends on tables is a result like any other, which no rule has been checked for: refused where one is asked for.
        """
        label = declassified(why)
        if x.node.origin:
            self._unchecked(label)
            self.told[x.node.origin] += x.node.size
        self._allow(RevealKey(script_line(), label, x.shape, self.parties))
        return Public(self, self.node("open", (x.node,), ("declassified", why), x.ring, x.shape, secret=False))

    def reveal(
        self,
        *x: Share,
        to: str | Sequence[str] | None = None,
        label: str,
        notes: Sequence[str] = (),
        rules: Sequence[str] | None = None,
    ) -> Any:
        """Run the record and give the words of x to the receivers (all parties by default); Hidden elsewhere.

        `notes`, one for each x, say in the plan what kind of number it is: people agree to them as to the label. `rules` are the
        texts of the release rules that have been checked for all of x, which only the library's own gate can say; None, nobody has
        looked, is refused where the session asks for any.
        """
        if not x or not all(isinstance(share, Share) for share in x):
            raise TypeError("reveal takes shares")
        if self.assumptions:
            raise UsageError("Assumed bounds have not been checked.", where=script_line(), do="reveal with protocols.reveal")
        if rules is None:
            self._unchecked(label)
        elif not called_by_library():
            what, do = "A script does not say which release rules were checked.", "reveal with protocols.reveal, which checks them"
            raise UsageError(what, where=script_line(), do=do)
        if not isinstance(label, str) or not label.isprintable() or not 1 <= len(label) <= LABEL or of_library(label):
            raise UsageError(
                "The label of a reveal is not usable.",
                where=script_line(),
                why=f"people consent to labels: they are 1 to {LABEL} printable characters, and none of the library's own",
                do='write for example reveal(x, label="mean age")',
            )
        receivers, line, texts = self.receivers(to), script_line(), tuple(rules or ())
        noted = zip(x, [*notes, *[""] * len(x)], strict=False)
        for share in x:
            self.told[share.node.origin] += share.node.size
        values = self._released(tuple(Reveal(v.node, receivers, label, line, note, texts) for v, note in noted))
        return values[0] if len(values) == 1 else tuple(values)

    def assume(self, bits: Share, what: str, do: str = "", *, stated: bool = False) -> None:
        """Have it checked, before anything more is revealed, that these bits are all 1.

        Where one is 0, `what` is said, with the script's line, and `do`, if there is anything better to do about it than what is
        always said. `stated`: by the script itself, so that it is said first.
        """
        self.assumptions.append(Assumption(bits, what, script_line(), do, stated))

    def _unchecked(self, label: str) -> None:
        """Refuse what leaves without a look at release rules where schema or study ask for any."""
        if self.release.rules or self.imposed(label).rules:
            raise UsageError("Release rules have not been checked.", where=script_line(), do="reveal with protocols.reveal")

    def save(self, x: Share, name: str, card: str) -> None:
        """Run the record, and let each party have a share of the vector x that depends on nothing but x, for a later session.

        All shares but one are drawn by the dealer's masks, and the last is x less those; each goes to its keeper alone. `card` says
        what x is, and is public. A later session takes each share as its keeper's private input, under a new mask.
        """
        if x.ring != Z64 or x.ndim != 1 or self.assumptions:
            raise IntegrityError("What is saved is a checked vector of whole words.", where=script_line())
        if not called_by_library():
            what, do = "A script does not say what a saved model was made of.", "save a fitted model with protocols.learn.save"
            raise UsageError(what, where=script_line(), do=do)
        drawn = [self._random("pad", Z64, x.shape) for _ in self.parties[1:]]
        last = x
        for one in drawn:
            last = last - one
        line, mark = script_line(), self._random("pad", Z64, MARK)
        shares = [Reveal(v.node, (p,), share_of(name), line) for v, p in zip((*drawn, last), self.parties, strict=True)]
        found = self._released((Reveal(mark.node, self.parties, id_of(name), line), *shares))
        if not isinstance(found[0], np.ndarray):
            return  # a plan
        if self._keeper is None:
            raise UsageError(
                "This run has nowhere to save a model.",
                where=line,
                why="its keys are made for it alone, and nobody could open what they seal",
                do="run it with mpc party, or in a notebook with mpc.run_local",
            )
        words = {p: w for p, w in zip(self.parties, found[1:], strict=True) if isinstance(w, np.ndarray)}
        self._keeper(name, card, found[0].astype("<u8").tobytes().hex(), words)

    def verdict(self, held: Share, label: str) -> Any:
        """Run the record and tell everybody whether something held: one bit, under a label of its own that no script can use."""
        if label not in VERDICTS or held.ring != BIT or held.shape != (1,):
            raise IntegrityError("A verdict is one bit under one of its own labels.", where=script_line())
        return self._released((Reveal(held.node, self.parties, label, script_line()),))[0]

    def _released(self, reveals: tuple[Reveal, ...]) -> list[Any]:
        for reveal in reveals:
            self._allow(reveal.key)
        return self._run(reveals)

    def receivers(self, to: str | Sequence[str] | None) -> tuple[str, ...]:
        """The parties that `to` names, in the session's order; all of them for None."""
        if to is not None and not to:
            raise UsageError("A reveal names nobody.", where=script_line(), do="name a party, or leave out to= for all")
        named = self.parties if to is None else (to,) if isinstance(to, str) else tuple(to)
        for name in named:
            self._known(name)
        return tuple(party for party in self.parties if party in named)

    def imposed(self, label: str) -> Required:
        """What a study states for the reveal of this label, on the script's line that is at work, beside what all must hold."""
        return self._imposed.get((script_line(), label), NOTHING)

    def announce(self, label: str, receivers: tuple[str, ...], value: Any) -> None:
        """Tell whoever watches this run of a decoded result; Hidden where this party did not receive it."""
        if self._revealed is not None:
            self._revealed(label, receivers, value)

    def failed(self, error: MpcError) -> MpcError:
        """End the session for good, for a reason that all parties know alike: whoever catches the error gets it again."""
        self._failure = error
        return error

    def flush(self) -> None:
        """Run what is recorded."""
        if self._nodes:
            self._run(())

    def close(self) -> None:
        """Run what is left, say goodbye."""
        if self._failure is not None:
            raise self._failure
        self.flush()
        self._closed = True
        self._engine.close()

    # -- running ---------------------------------------------------------------------------------------------------------

    def _allow(self, key: RevealKey) -> None:
        """Refuse whatever would leave the computation without standing in the agreed plan."""
        if self._contract is None:
            return
        left = self._contract.get(key, 0)
        if left == 0:
            raise self.failed(
                ConsentError(
                    f"A reveal of shape {key.shape} is not in the agreed plan.",
                    where=f"{self.name}, {key.line}, for {', '.join(key.receivers)}",
                    why="the script took a path, or a number of repetitions, that the plan did not show",
                    do="make the branch or the maximum count visible to the plan, then plan and agree again",
                )
            )
        self._contract[key] = left - 1

    def _run(self, reveals: tuple[Reveal, ...]) -> list[Any]:
        steps = [schedule.listed(node) for node in self._nodes]
        self._digest = schedule.digest(self._digest, steps, reveals)
        segment = Segment(self._nodes, self._draws, reveals, self._formed, self._digest, steps)
        self._nodes, self._draws, self._formed, self._recorded = [], [], [], 0
        if self._failure is not None:
            raise self._failure
        try:
            return self._engine.run(segment)
        except MpcError as error:
            raise self.failed(error) from None
        except BaseException as error:  # half of the segment may be done, and what the dealer sent for the rest lies unread
            what = f"The session ended in the middle of its work, by {type(error).__name__}."
            self.failed(MpcError(what, where=self.name, do="let the script catch nothing that it did not expect, and start again"))
            raise

    def _known(self, name: str) -> None:
        if name not in self.parties:
            raise UsageError(
                f"There is no party {name!r} in this session.",
                where=script_line(),
                why=f"the parties are {', '.join(self.parties)}",
                do="use one of these names",
            )

    # -- masks and their views -------------------------------------------------------------------------------------------

    def _has_form(self, node: Node) -> bool:
        while node.form is None:
            if node.weight > WEIGHT or (node.op in SUMS and not node.keep):
                return False
            if node.op == "concat" or node.op in SUMS:
                return all(self._has_form(arg) for arg in node.args)
            if node.op not in VIEWS:
                return False
            node = node.args[0]
        return True

    def _form(self, node: Node) -> tuple[Node, Node]:
        """M and mask of a node: looked up, taken through structure, or opened now."""
        todo = [node]
        while todo:
            current = todo[-1]
            sources = self._sources(current)
            missing = [source for source in sources if source.form is None]
            if missing:
                todo.extend(missing)
                continue
            if current.form is None:
                current.form = self._derive(current, sources) if sources else self._open_fresh(current)
            todo.pop()
        return node.form or self._form(node)

    @staticmethod
    def _sources(node: Node) -> tuple[Node, ...]:
        """The nodes whose masked forms give this one's, or none where it must be opened itself."""
        if node.form is not None or node.weight > WEIGHT or (node.op in SUMS and not node.keep):
            return ()
        if node.op in ("add_public", "offset"):
            return node.args[:1]
        return node.args if node.op in VIEWS | SUMS else ()

    def _derive(self, node: Node, sources: tuple[Node, ...]) -> tuple[Node, Node]:
        forms = [source.form for source in sources]
        public, mask = [f[0] for f in forms if f], [f[1] for f in forms if f]
        if node.op == "offset":
            return self.node("offset", (public[0],), node.params, node.ring, node.shape, secret=False), mask[0]
        if node.op == "add_public":
            wide = Share(self, mask[0]).broadcast_to(node.shape).node
            return self.node("add", (public[0], node.args[1]), (), node.ring, node.shape, secret=False), wide
        opened = self.node(node.op, tuple(public), node.params, node.ring, node.shape, secret=False)
        return opened, self.node(node.op, tuple(mask), node.params, node.ring, node.shape, secret=True)

    def _open_fresh(self, node: Node) -> tuple[Node, Node]:
        mask = self._random("mask", node.ring, node.shape)
        return self._publish(Share(self, node) + mask, mask.node).node, mask.node


def _own_words(ring: Ring, column: Array, encode: Callable[[Array], Array], shape: Shape) -> Value:
    """The words of an input, copied only if they still are the column itself: a table can take half of the memory."""
    words = encode(column)
    if ring.packed or words.dtype != ring.dtype or np.may_share_memory(words, column):
        return ring.words(words.reshape(shape))
    return words.reshape(shape)
