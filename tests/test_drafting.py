"""The rules under which a study is drafted for policies: the strictest of all, and what a script need not name is added."""

from __future__ import annotations

import pytest
from governed import HELD, MEAN, POLICY, REVEALS, STUDY, altered

from mpc.errors import UsageError
from mpc.governance.drafting import imposed
from mpc.governance.manifest import COUNTS
from mpc.governance.policy import Output

OTHER = altered(POLICY, site="insurer", thresholds__group=12, thresholds__parameters=0.2)
BARE = altered(MEAN, rules=())


def test_rules_that_reveals_carry_get_the_strictest_threshold() -> None:
    for policies in ((POLICY, OTHER), (OTHER, POLICY)):
        assert imposed(REVEALS, policies) == {
            ("fit.py:10", "mean cost"): ("group>=12",),
            ("fit.py:12", "costs by age"): ("cells>=5", "dominance<=0.85"),
            ("fit.py:14", "weights"): ("parameters<=0.2",),
            ("fit.py:16", "risk of each patient"): (),
        }
    assert imposed(REVEALS, [POLICY]) == STUDY.imposed | {("fit.py:16", "risk of each patient"): ()}


def test_what_a_policy_asks_for_is_added_where_nobody_has_to_name_it() -> None:
    policy = altered(POLICY, output=(Output("aggregate", ("group|cells", "parameters")),), thresholds__cells=8)
    place = BARE.line, BARE.label
    assert imposed([altered(BARE, numbers=COUNTS)], [policy, OTHER]) == {place: ("cells>=8", "parameters<=0.2")}
    for numbers in ("whole numbers", "up to 10 in steps of 1"):  # beside the counts behind it, or alone
        for beside in ([], [altered(BARE, numbers=COUNTS)]):
            with pytest.raises(UsageError, match="lacks a release rule"):
                imposed([altered(BARE, numbers=numbers), *beside], [policy])
    assert imposed([HELD], [policy]) == {}


def test_what_only_the_script_can_name_is_refused_with_its_line() -> None:
    with pytest.raises(UsageError) as error:
        imposed([BARE], [POLICY])
    assert error.value.where == "fit.py:10, 'mean cost'"
    assert "the policy of clinic asks for group>=10 or cells>=5" in error.value.why
    assert "rules=[group(mask)]" in error.value.do
