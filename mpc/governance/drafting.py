"""Under which release rules a study is drafted, so that the policies of its sites allow it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce

from mpc.errors import UsageError
from mpc.governance.manifest import COUNTS, NO_RESULT, Reveal
from mpc.governance.policy import Policy, lacking
from mpc.governance.rules import rules
from mpc.rules import KINDS, NOTHING, Imposed, Required


def imposed(reveals: Iterable[Reveal], policies: Sequence[Policy]) -> Imposed:
    """The rules under which reveals are drafted so that their rules are what these policies ask, by line and label.

    Each rule that a reveal carries gets the strictest threshold. One that it lacks is added where nobody has to say what it is
    about: `cells` where counts leave, and `parameters`. UsageError for any other, with the line and what to write there.
    """
    results = [one for one in reveals if one.kind not in NO_RESULT]
    strictest = reduce(Required.stricter, [one.thresholds.required for one in policies], NOTHING)
    found: dict[tuple[str, str], Required] = {}
    for reveal in results:
        place = reveal.line, reveal.label
        able = {"cells", "parameters"} if reveal.numbers == COUNTS else {"parameters"}
        added = [_chosen(names, able, reveal, one) for one in policies for names in lacking(reveal, one)]
        mine = Required(tuple(rule for rule in strictest.rules if rule.kind in {*rules(reveal.rules), *added}))
        found[place] = found.get(place, NOTHING).stricter(mine)
    return {place: required.texts for place, required in found.items()}


def _chosen(names: Sequence[str], able: Collection[str], reveal: Reveal, policy: Policy) -> str:
    """Which of these rules a reveal can be given without a word of its script."""
    name = next((name for name in KINDS if name in names and name in able), "")
    if not name:
        wanted = " or ".join(str(policy.thresholds.rule(name)) for name in names)
        what, where = "A reveal lacks a release rule that a policy asks for.", f"{reveal.line}, {reveal.label!r}"
        why = f"the policy of {policy.site} asks for {wanted}, and only the script can say what that is about"
        do = "write for example rules=[group(mask)] beside this reveal, or take it out of the script"
        raise UsageError(what, where=where, why=why, do=do)
    return name
