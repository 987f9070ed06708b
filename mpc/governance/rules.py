"""Release rules as studies and policies state them: each once, and in words."""

from __future__ import annotations

from collections.abc import Iterable

from mpc.errors import UsageError
from mpc.rules import Rule

WORDS = {
    "cells": "every count is 0 or at least {}; checked of these numbers",
    "group": "at least {} rows, or persons, are in a group; checked of the group that the script names",
    "rows": "the tables have at least {} rows; that it is about all of them is a statement of the script",
    "dominance": "nobody contributes more than {} of a total; checked of the contributions that the script names",
    "parameters": "at most {} numbers are revealed for each row; checked of all that is revealed",
}
BESIDE = "counts beside it, which the script names, are 0 or at least {}; nothing is checked of these numbers"


def words(rule: Rule, *, beside: bool = False) -> str:
    """The rule for people: what is checked, and what the script says; `beside` where it is not about what it stands beside."""
    return (BESIDE if beside else WORDS[rule.kind]).format(f"{float(rule.threshold):g}")


def rule(kind: str, threshold: object) -> Rule:
    """The rule of this kind and threshold; ValueError where there is none."""
    try:
        return Rule.of(kind, threshold)
    except UsageError as error:
        raise ValueError(error.what) from None


def rules(texts: Iterable[str]) -> dict[str, Rule]:
    """Rules by kind; ValueError for a text that states none, and where one is stated twice."""
    try:
        found = [Rule.parse(text) for text in texts]
    except UsageError as error:
        raise ValueError(f"{error.what} Write for example cells>=5.") from None
    if len({one.kind for one in found}) < len(found):
        raise ValueError("A reveal has each release rule once")
    return {one.kind: one for one in found}


def laxest(texts: Iterable[str]) -> tuple[str, ...]:
    """Of each kind the rule that holds of all that leaves: a script may ask for more of a part of it."""
    found: dict[str, Rule] = {}
    for rule in map(Rule.parse, texts):
        if rule.kind not in found or found[rule.kind].covers(rule):
            found[rule.kind] = rule
    return tuple(sorted(map(str, found.values())))
