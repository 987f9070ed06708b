"""Release rules as studies and policies state them: each once, and in words."""

from __future__ import annotations

from collections.abc import Iterable

from mpc.errors import UsageError
from mpc.rules import Rule

WORDS = {
    "cells": "every cell of a table of counts is 0 or at least {}",
    "group": "at least {} rows, or persons where a key tells them apart, are put together",
    "dominance": "nobody contributes more than {} of a total",
    "parameters": "at most {} numbers for each row",
}


def words(rule: Rule) -> str:
    """The rule for people."""
    return WORDS[rule.kind].format(f"{float(rule.threshold):g}")


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
