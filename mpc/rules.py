"""Release rules as texts: what must hold before a result leaves, as people approve it, and which of two is the stricter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from mpc.errors import UsageError

AT_LEAST = ("cells", "group", "rows")  # whole numbers; a larger one is stricter
AT_MOST = ("dominance", "parameters")  # fractions; a smaller one is stricter
KINDS = (*AT_LEAST, *AT_MOST)
FEWEST, LARGEST = 1 << 32, {"dominance": 1, "parameters": 1000}
PLACES = 4  # decimal places that a fraction may have, so that its text is exact

Imposed = Mapping[tuple[str, str], tuple[str, ...]]  # canonical texts by script line and label of a reveal: what a study states


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of rule and its threshold, exactly.

    As a text `cells>=5`, `group>=10`, `rows>=10`, `dominance<=0.85` or `parameters<=0.33`.
    """

    kind: str
    threshold: Fraction

    @classmethod
    def of(cls, kind: str, threshold: object) -> Self:
        """The rule of this kind and threshold; UsageError where there is no such."""
        if kind not in KINDS:
            raise UsageError("There is no such release rule.", why=f"the rules are {', '.join(KINDS)}")
        exact = _exact(threshold)
        whole, most = kind in AT_LEAST, FEWEST if kind in AT_LEAST else LARGEST[kind]
        if exact is None or not 0 < exact <= most or (exact * (1 if whole else 10**PLACES)).denominator != 1:
            number = "a whole number" if whole else f"a number of at most {PLACES} decimal places"
            raise UsageError(f"The threshold of {kind} is {number}, above 0 and at most {most}.")
        return cls(kind, exact)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The rule that a canonical text states; UsageError for any other text."""
        kind = next((kind for kind in KINDS if text.startswith(kind + _sign(kind))), "")
        number = text.removeprefix(kind + _sign(kind)) if kind else ""
        if number and len(number) <= 16 and all(letter in "0123456789." for letter in number) and number.count(".") <= 1:
            rule = cls.of(kind, number)
            if str(rule) == text:
                return rule
        raise UsageError("This is not the text of a release rule.", do="write for example cells>=5 or dominance<=0.85")

    def __str__(self) -> str:
        number = f"{float(self.threshold):.{PLACES}f}".rstrip("0").rstrip(".")
        return f"{self.kind}{_sign(self.kind)}{number}"

    def covers(self, other: Rule) -> bool:
        """Whether it is of the same kind and at least as strict."""
        stricter = self.threshold >= other.threshold if self.kind in AT_LEAST else self.threshold <= other.threshold
        return self.kind == other.kind and stricter


@dataclass(frozen=True, slots=True)
class Required:
    """The least that is asked of a reveal: at most one rule of each kind, in the order of KINDS."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, **thresholds: object) -> Self:
        """Required.of(cells=5, dominance=0.85); UsageError for an unknown kind or threshold."""
        found = {kind: Rule.of(kind, threshold) for kind, threshold in thresholds.items()}
        return cls(tuple(found[kind] for kind in KINDS if kind in found))

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """What canonical texts ask together, of each kind the strictest; UsageError for any other text."""
        found: dict[str, Rule] = {}
        for rule in map(Rule.parse, texts):
            if rule.kind not in found or rule.covers(found[rule.kind]):
                found[rule.kind] = rule
        return cls(tuple(found[kind] for kind in KINDS if kind in found))

    def get(self, kind: str) -> Rule | None:
        """The rule of this kind, if there is one."""
        return next((rule for rule in self.rules if rule.kind == kind), None)

    def stricter(self, other: Required) -> Required:
        """Of each kind the stricter rule of the two."""
        both = {kind: (self.get(kind), other.get(kind)) for kind in KINDS}
        chosen = [mine if mine and (theirs is None or mine.covers(theirs)) else theirs for mine, theirs in both.values()]
        return Required(tuple(rule for rule in chosen if rule is not None))

    def covers(self, other: Required) -> bool:
        """Whether it asks for everything that the other does."""
        return self.stricter(other) == self

    def weaker(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Which canonical texts state a rule of a required kind less strictly."""
        stated = [(text, Rule.parse(text)) for text in texts]
        return tuple(text for text, rule in stated if (mine := self.get(rule.kind)) is not None and not rule.covers(mine))

    @property
    def texts(self) -> tuple[str, ...]:
        """Canonical texts."""
        return tuple(map(str, self.rules))


NOTHING = Required()


def _sign(kind: str) -> str:
    return ">=" if kind in AT_LEAST else "<="


def _exact(threshold: object) -> Fraction | None:
    """A threshold as it was written: 0.85 is 17/20, and not the binary fraction next to it."""
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | str | Fraction):
        return None
    try:
        return Fraction(threshold if isinstance(threshold, int | Fraction) else str(threshold))
    except (ValueError, ZeroDivisionError):
        return None
