"""Models kept in shares: what is saved, what a later session makes of it, and what is refused before anything is computed."""

from __future__ import annotations

import re
import shutil
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from jobs import Job, ended
from test_processes import Network, ends_of

import mpc
from mpc.command import rehearsed
from mpc.data.saved import Card, Made, Piece, Saved, Share
from mpc.data.schema import Schema
from mpc.errors import IntegrityError, MpcError, RangeError, ReleaseError, UsageError
from mpc.identity import fingerprint, generate
from mpc.plan import plan
from mpc.roster import Participant, Roster
from mpc.session import ASSUMED
from mpc.store.saved import Shelf
from protocols import assume_bound, group, load, load_rows, parameters, reveal
from protocols.learn import (
    PCA,
    KMeans,
    LinearRegression,
    LogisticRegression,
    MultinomialLogisticRegression,
    PoissonRegressor,
    StandardScaler,
    load_model,
    save,
)

X = np.random.default_rng(2).normal(size=(40, 3)) * [2, 1, 0.5] + [1, 0, -1]
Y = X @ [1.0, -2.0, 0.5] > 0.3
DATA = {"a": {"x": X}, "b": {"y": Y}, "c": {}}


def fitted(s):
    """All kinds of models, saved; and what they make of the data."""
    scaler = StandardScaler()
    x = scaler.fit_transform(load(s, "a", "x"))
    models = {
        "risk": LogisticRegression(epochs=2, batch=16).fit(x, load(s, "b", "y")),
        "groups": KMeans(n_clusters=2, max_iter=2, init=np.array([[1.0, 0, 0], [-1, 0, 0]])).fit(x),
        "axes": PCA(n_components=2, reveal_covariance=True).fit(x),
        "scale": scaler,
    }
    raw, y = load(s, "a", "x"), load(s, "b", "y")
    models |= {
        "line": LinearRegression().fit(raw[:, :2], raw[:, 2]),
        "odds": LogisticRegression(solver="newton", steps=4, alpha=0.5).fit(x, y),
        "rate": PoissonRegressor(steps=5, alpha=0.5).fit(x, y.number()),
        "kind": MultinomialLogisticRegression(classes=[0, 1], steps=4, alpha=0.5).fit(x, y.number()),
        "bare": LogisticRegression(epochs=2, batch=16, fit_intercept=False).fit(x, y),
        "bare_odds": LogisticRegression(solver="newton", steps=4, alpha=0.5, fit_intercept=False).fit(x, y),
    }
    for name, model in models.items():
        save(s, model, name)
    return used(s, models)


def resumed(s):
    """The same, of what was saved."""
    kinds = {"risk": LogisticRegression, "groups": KMeans, "axes": PCA, "scale": StandardScaler, "line": LinearRegression}
    kinds |= {"odds": LogisticRegression, "rate": PoissonRegressor, "kind": MultinomialLogisticRegression}
    kinds |= {"bare": LogisticRegression, "bare_odds": LogisticRegression}
    return used(s, {name: load_model(s, name, kind) for name, kind in kinds.items()})


def used(s, models):
    x = models["scale"].transform(load(s, "a", "x"))
    found = models["risk"].decision_function(x), models["groups"].predict(x), models["axes"].transform(x)
    raw = load(s, "a", "x")
    found = *found, models["line"].predict(raw[:, :2]), models["odds"].coef_, models["rate"].predict(x), models["kind"].coef_
    bare = [models[name] for name in ("bare", "bare_odds")]
    assert [model.intercept_ for model in bare] == [0.0, 0.0]
    found = *found, *[model.coef_ for model in bare], *[model.decision_function(x) for model in bare]
    return [reveal(one, label="result") for one in found]


@pytest.fixture(scope="module")
def first():
    """A run that has saved its models."""
    return mpc.run_local(fitted, data=DATA, bound=8.0)


@pytest.mark.parametrize("options", [{}, {"debug": True}, {"eager": True}], ids=str)
def test_a_model_of_an_earlier_run_gives_the_same(first, options):
    again = mpc.run_local(resumed, data=DATA, bound=8.0, saved=first.saved, **options)
    for one, other in zip(first.results["a"], again.results["a"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


@pytest.mark.parametrize("precision", [16, 26])
def test_columns_of_unlike_bounds_keep_their_digits(precision):
    bounds = [1e-3, 120.0, 1e7, 1.0, 1e4, 120.0]
    x = np.random.default_rng(5).uniform(0.2, 1, (60, 6)) * bounds
    model = {"data": {"a": {"x": x}, "b": {}}, "bound": {"x": bounds}, "precision": precision}

    def fitted(s):
        save(s, StandardScaler().fit(load(s, "a", "x")), "scale")

    def taken(s):
        scaler = load_model(s, "scale", StandardScaler)
        z = scaler.transform(load(s, "a", "x"))
        return reveal(z, scaler.inverse_transform(z), scaler.mean_, scaler.scale_, label="all")

    saved = mpc.run_local(fitted, **model).saved
    z, again, mean, scale = mpc.run_local(taken, saved=saved, **model).results["b"]
    np.testing.assert_allclose(z, (x - x.mean(0)) / x.std(0), atol=2e-3)
    np.testing.assert_allclose(again / bounds, x / bounds, atol=1e-3)
    np.testing.assert_allclose([mean / bounds, scale / bounds], [x.mean(0) / bounds, x.std(0) / bounds], atol=2e-4)


def test_the_shares_add_up_and_each_is_new_in_every_save():
    def main(s):
        scaler = StandardScaler().fit(load(s, "a", "x"))
        save(s, scaler, "one")
        save(s, scaler, "two")
        return reveal(scaler.mean_, label="means")

    outcome = mpc.run_local(main, data=DATA, bound=8.0)
    one, two = (outcome.saved[name] for name in ("one", "two"))
    assert {share.saved.id for share in one.values()} != {share.saved.id for share in two.values()}
    assert len({share.saved.id for share in one.values()}) == 1
    sums = [np.sum([share.words for share in saved.values()], axis=0, dtype=np.uint64) for saved in (one, two)]
    np.testing.assert_array_equal(*sums)
    piece = next(piece for piece in one["a"].saved.card.arrays if piece.name == "_mean")
    at = [p.name for p in one["a"].saved.card.arrays].index("_mean") * piece.size
    means = sums[0][at : at + piece.size].astype(np.int64) / 2.0**piece.fraction
    np.testing.assert_allclose(means, X.mean(axis=0), atol=1e-4)
    for party in "abc":
        assert (one[party].words != two[party].words).all()
        spread = one[party].words >> np.uint64(60)  # the model itself is small: its high bits would all be alike
        assert len(set(spread.tolist())) > 1


def test_a_save_stands_in_the_plan_and_reveals_nothing_else():
    def main(s):
        save(s, StandardScaler().fit(load(s, "a", "x")), "scale")

    plan = mpc.plan_local(main, data=DATA, bound=8.0)
    found = {key.receivers: key.label for key in plan.contract if not key.label.startswith("every")}
    share = "share of what is saved as scale, random words for their keeper alone"
    assert found == {("a", "b", "c"): "id of what is saved as scale", ("a",): share, ("b",): share, ("c",): share}
    assert not any(plan.declared(key) for key in plan.contract)
    assert not plan.copies


@pytest.mark.parametrize("label", ["share of what is saved as x, indeed", "id of what is saved as x"])
def test_no_script_reveals_under_the_label_of_a_save(label):
    with pytest.raises(UsageError, match="label"):
        mpc.run_local(lambda s: reveal(load(s, "a", "x"), label=label), data=DATA, bound=8.0)


def test_what_was_assumed_is_checked_before_a_save():
    kept = []

    def main(s):
        x = assume_bound(load(s, "a", "x"), 0.5)
        save(s, StandardScaler().fit(x), "scale")
        kept.append("saved")

    with pytest.raises(RangeError, match="assumed"):
        mpc.run_local(main, data=DATA, bound=8.0)
    assert kept == ["saved"], "while it was planned, and not in the run"


def test_every_bit_that_saves_tell_stands_in_the_plan():
    def main(s):
        for bound in (4.0, 2.0, 1.0):
            save(s, StandardScaler().fit(assume_bound(load(s, "a", "x"), bound)), f"below-{bound:.0f}")

    told = mpc.plan_local(main, data=DATA, bound=8.0).contract
    assert sum(times for key, times in told.items() if key.label == ASSUMED) == 3


def test_another_version_at_one_party_ends_the_run(first):
    other = mpc.run_local(fitted, data=DATA, bound=8.0).saved["scale"]["b"]
    mixed = first.saved | {"scale": first.saved["scale"] | {"b": other}}
    with pytest.raises(IntegrityError, match=r"b has another version of the saved model 'scale'"):
        mpc.run_local(resumed, data=DATA, bound=8.0, saved=mixed)


LEARN = Path(__file__).resolve().parents[1] / "docs" / "learn.md"
GIVEN = {"score": lambda x, y: (x, y), "loss": lambda x, y: (x, y), "partial_fit": lambda x, y: (x, y), "summary": lambda x, y: ()}
LOADED = {
    "risk": LogisticRegression, "odds": LogisticRegression, "groups": KMeans, "axes": PCA, "scale": StandardScaler,
    "line": LinearRegression, "rate": PoissonRegressor, "kind": MultinomialLogisticRegression,
}  # fmt: skip


def test_a_loaded_model_has_the_calls_that_the_guide_names(first):
    rows = re.findall(r"^\| (`[A-Z][^|]*) \| ([^|]*) \|([^|]*)\|$", LEARN.read_text().split("## Keeping a model")[1], re.MULTILINE)
    named = {kind: (calls, missing) for kinds, *told in rows for kind in re.findall("`(.*?)`", kinds) for calls, missing in [told]}
    assert {*named} == {"Ridge", *(kind.__name__ for kind in LOADED.values())}
    tried = []

    def main(s):
        x, y = load(s, "a", "x"), load(s, "b", "y")
        for name, kind in LOADED.items():
            model = load_model(s, name, kind)
            rows = x[:, :2] if name == "line" else x
            target = x[:, 2] if name == "line" else y
            calls, missing = [re.findall("`([a-z_]+)`", text) for text in named[kind.__name__]]
            for call in calls:
                if call == "partial_fit" and model.solver == "newton":
                    continue
                found = getattr(model, call)
                given = model.transform(x) if call == "inverse_transform" else rows
                tried.append((name, call))
                if callable(found):
                    found(*GIVEN.get(call, lambda x, y: (x,))(given, target))
            for call in missing:
                tried.append((name, call))
                with pytest.raises(UsageError, match=r"has no (standard errors|labels)"):
                    getattr(model, call)()

    mpc.run_local(main, data=DATA, bound=8.0, saved=first.saved, debug=True)
    assert {("line", "summary"), ("odds", "summary"), ("risk", "partial_fit"), ("kind", "predict_proba")} <= {*tried}


@pytest.mark.parametrize(
    ("main", "match"),
    [
        (lambda s: load_model(s, "scale", KMeans), "is a StandardScaler, not a KMeans"),
        (lambda s: load_model(s, "scales", StandardScaler), "did you mean 'scale'"),
        (lambda s: load_model(s, "scale", StandardScaler()), "takes the class of the model last"),
        (lambda s: save(s, KMeans(), "groups"), "nothing secret to save"),
        (lambda s: save(s, load(s, "a", "x"), "rows"), "keeps a fitted model, not a Fixed"),
        (lambda s: save(s, StandardScaler().fit(load(s, "a", "x")), "../scale"), "name"),
    ],
    ids=["class", "name", "no class", "unfitted", "an array", "path"],
)
def test_what_is_not_saved_or_taken_up(first, main, match):
    with pytest.raises(UsageError, match=match):
        mpc.run_local(main, data=DATA, bound=8.0, saved=first.saved)


def test_a_script_does_not_say_itself_what_a_model_was_made_of():
    def main(s):
        card = Card("PCA", "{}", s.parties, (), (Piece("w", "Fixed", (40,), 0, 9),))
        s.save(load(s, "a", "x").share[:, 0], "mine", msgspec.json.encode(card).decode())

    with pytest.raises(UsageError, match=r"protocols\.learn\.save"):
        mpc.run_local(main, data=DATA, bound=8.0)


FORGED_KEYS = [
    ("share", 3, ["a", "b"]),  # to both
    ("share", 2, [3, 2]),  # no vector
    ("id", 3, ["a"]),
    ("id", 2, [6]),  # all words of the model
]


@pytest.mark.parametrize(("label", "field", "value"), FORGED_KEYS)
def test_a_node_takes_no_plan_that_calls_other_reveals_saves(label, field, value):
    schema = Schema.loads("rows = 3\n[party.a.x]\ncolumn = { name = 'v', type = 'real', bound = 1 }\n[party.b]\n")
    main = partial(save_one, name="scale")
    told = rehearsed.told(plan(main, "a", schema.parties, context=schema))
    assert rehearsed.heard(told, schema, 0).contract
    ways = msgspec.msgpack.decode(told)
    key = next(key for key, _ in ways[0][4] if key[1].startswith(label))
    assert key[field] != value
    key[field] = value
    with pytest.raises(IntegrityError, match="a plan that saves something in another way"):
        rehearsed.heard(msgspec.msgpack.encode(ways), schema, 0)


def save_one(s, name):
    save(s, StandardScaler().fit(load(s, "a", "x").reshape((-1, 1))), name)


def test_a_model_stays_with_those_who_share_it(first):
    with pytest.raises(UsageError, match="other parties"):
        mpc.run_local(resumed, data={"a": {"x": X}, "b": {"y": Y}}, bound=8.0, saved=first.saved)


# -- what release rules of later sessions know ------------------------------------------------------------------------------------

BOTH = {"a": {"x": X}, "b": {"x": X[:30]}}


@pytest.fixture(scope="module")
def joint():
    """A run that has saved a scaler of the rows of two owners."""

    def main(s):
        save(s, StandardScaler().fit(load_rows(s, "x")), "scale")

    return mpc.run_local(main, data=BOTH, bound=8.0)


def planned(main, saved):
    """What a later session may reveal: run, for a plan checks the same rules."""
    return mpc.run_local(main, data=BOTH, bound=8.0, saved=saved.saved)


def test_a_model_remembers_the_tables_that_it_was_made_of(first, joint):
    tables = {name: {(one.owner, one.name, one.rows) for one in kept["a"].saved.card.tables} for name, kept in first.saved.items()}
    assert tables["scale"] == {("a", "x", 40)}
    assert tables["risk"] == {("a", "x", 40), ("b", "y", 40)}
    assert joint.saved["scale"]["b"].saved.card.tables == (Made("a", "x", 40, False), Made("b", "x", 30, False))

    def main(s):
        save(s, load_model(s, "scale", StandardScaler), "again")

    again = planned(main, joint).saved["again"]["a"].saved.card
    assert again.tables == joint.saved["scale"]["a"].saved.card.tables


def means(s, most):
    reveal(load_model(s, "scale", StandardScaler).mean_, label="means", rules=[parameters(most)])


def test_what_is_revealed_of_a_model_counts_for_the_rows_that_it_was_made_of(joint):
    planned(lambda s: means(s, 0.05), joint)  # 3 numbers, 70 people
    with pytest.raises(ReleaseError, match=r"3 numbers depend on the 70 rows of table a\.x and b\.x, of which 'scale' was made"):
        planned(lambda s: means(s, 0.04), joint)


def test_it_counts_together_with_what_is_revealed_of_these_tables_themselves(joint):
    def model_last(s):
        reveal(load(s, "a", "x").sum(axis=0), label="sums")
        means(s, 0.08)

    def model_first(s):
        reveal(load_model(s, "scale", StandardScaler).mean_, label="means")
        reveal(load(s, "a", "x").sum(axis=0), label="sums", rules=[parameters(0.1)])

    with pytest.raises(ReleaseError, match="6 numbers depend on the 70 rows"):
        planned(model_last, joint)
    with pytest.raises(ReleaseError, match=r"6 numbers depend on the 40 rows of table a\.x"):
        planned(model_first, joint)


def test_rows_of_a_table_do_not_add_to_those_of_a_model_that_may_be_the_same_people(joint):
    theirs = mpc.run_local(lambda s: save(s, StandardScaler().fit(load(s, "b", "x")), "scale"), data=BOTH, bound=8.0)

    def main(s):
        few = load_model(s, "scale", StandardScaler).transform(load(s, "a", "x"))[:2]
        reveal(few, label="two people", rules=[parameters(0.1)])

    for saved in (joint, theirs):
        with pytest.raises(ReleaseError, match=r"6 numbers depend on the 40 rows of table a\.x\n"):
            planned(main, saved)


def test_a_group_of_all_rows_is_no_larger_than_the_tables_behind_a_model(joint):
    def main(s, least):
        reveal(load_model(s, "scale", StandardScaler).mean_, label="means", rules=[group(least=least)])

    planned(lambda s: main(s, 70), joint)
    with pytest.raises(ReleaseError, match="it is about 70 rows"):
        planned(lambda s: main(s, 71), joint)


@pytest.mark.parametrize(
    ("tables", "rows"),
    [
        ((Made("a", "x", 40, True), Made("b", "x", 30, True)), 40),  # a key: the same people
        ((Made("a", "x", 30, False), Made("a", "x", 40, False)), 30),  # one table at two times
    ],
)
def test_what_may_be_the_same_people_does_not_add_up_behind_a_model_either(tables, rows, joint):
    card = msgspec.structs.replace(joint.saved["scale"]["a"].saved.card, tables=tables)
    kept = {p: Share(msgspec.structs.replace(one.saved, card=card), one.words) for p, one in joint.saved["scale"].items()}
    with pytest.raises(ReleaseError, match=rf"3 numbers depend on the {rows} rows of table a\.x, of which"):
        mpc.run_local(lambda s: means(s, 0.05), data=BOTH, bound=8.0, saved={"scale": kept})


# -- the section of a schema -----------------------------------------------------------------------------------------------------

TABLES = "rows = 3\n[party.a.x]\ncolumn = { name = 'v', type = 'real', bound = 1 }\n[party.b]\n"
MADE = (Made("a", 'x "y"', 3, True), Made("b", "z", 4, False))
SAVED = Saved(
    "risk", "ab" * 32, Card("PCA", '{"n":1,"text":"\\"quoted\\" [x]"}', ("a", "b"), MADE, (Piece("w", "Fixed", (3, 2), -4, 99),))
)


def test_a_section_says_all_that_it_was_made_of_and_belongs_to_the_digest():
    schema = Schema.loads(TABLES + SAVED.lines())
    assert schema.saved == (SAVED,)
    assert schema.digest() != Schema.loads(TABLES).digest()
    other = msgspec.structs.replace(SAVED, id="ac" * 32)
    assert schema.digest() != Schema.loads(TABLES + other.lines()).digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ab" * 32, "AB" * 32),
        ('parties = ["a", "b"]', 'parties = ["a"]'),
        ('kind = "Fixed"', 'kind = "Bool"'),
        ("shape = [3, 2]", "shape = [3, -2]"),
        ("shape = [3, 2]", "shape = [30000, 20000]"),
        ("limit = 99", "limit = 4611686018427387904"),
        ("limit = 99", "limit = 99, more = 1"),
        ("fraction = -4", "fraction = 999"),
        ('model = "PCA"', 'model = "os.system"'),
        ("rows = 3, ", "rows = -3, "),
        ('owner = "b"', 'owner = "c"'),
        ('owner = "b", name = "z", rows = 4, keyed = false', 'owner = "a", name = "x \\"y\\"", rows = 3, keyed = true'),
        ("keyed = false", "keyed = 0"),
        ('parties = ["a", "b"]', 'parties = ["a", "b", "b"]'),
        ('parties = ["a", "b"]', 'parties = ["a", "b", "\\u0007"]'),
        ("tables = [", "table = ["),
    ],
)
def test_a_section_that_is_not_sound_is_refused(old, new):
    assert old in SAVED.lines()
    with pytest.raises(UsageError, match=r"saved\.risk"):
        Schema.loads(TABLES + SAVED.lines().replace(old, new))


# -- at rest ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys():
    return {name: generate(name) for name in ("a", "b")}


@pytest.fixture
def shelf(tmp_path, keys):
    """Where the first party keeps its shares."""
    roster = Roster(
        tuple(Participant(name, "party", f"{name}.example:7000", certificate.decode()) for name, (_, certificate) in keys.items())
    )
    made = Shelf(tmp_path / "saved", "a", roster, keys["a"][0])
    made.prepare()
    return made


SHARE = Share(SAVED, np.arange(6, dtype=np.uint64) * np.uint64(0x0123456789ABCDEF))


def test_a_share_is_sealed_and_comes_back_as_it_was(shelf):
    path = shelf.write(SHARE, "5e", {"program": "33", "secret": "no"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sealed = path.read_bytes()
    assert SHARE.words[1:].tobytes()[:8] not in sealed
    assert b"33" in sealed
    assert b"secret" not in sealed
    np.testing.assert_array_equal(shelf.read(SAVED).words, SHARE.words)
    with pytest.raises(UsageError, match="could not be written"):
        shelf.write(SHARE, "5f", {})


def test_the_public_facts_of_a_model_may_be_long(shelf):
    card = msgspec.structs.replace(SAVED.card, facts="x" * 60_000)
    share = Share(msgspec.structs.replace(SAVED, card=card), SHARE.words)
    shelf.write(share, "5e", {})
    np.testing.assert_array_equal(shelf.read(share.saved).words, SHARE.words)


def test_a_share_that_was_altered_anywhere_is_refused(shelf):
    path = shelf.write(SHARE, "5e", {})
    sealed = path.read_bytes()
    for place in [0, 9, 14, 60, len(sealed) // 2, len(sealed) - 40, len(sealed) - 1]:
        path.write_bytes(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :])
        with pytest.raises(MpcError):
            shelf.read(SAVED)
    for text in (sealed[:-1], sealed + b"\0", b""):
        path.write_bytes(text)
        with pytest.raises(IntegrityError):
            shelf.read(SAVED)


def test_a_share_of_another_save_party_or_key_is_refused(shelf, keys):
    path = shelf.write(SHARE, "5e", {})
    other = msgspec.structs.replace(SAVED, id="ab" * 8 + "cd" * 24)  # the same name of a file
    with pytest.raises(IntegrityError, match="not the one that the schema declares"):
        shelf.read(other)
    with pytest.raises(UsageError, match="is not here"):
        shelf.read(msgspec.structs.replace(SAVED, id="cd" * 32))
    theirs = Shelf(shelf.folder, "b", shelf.roster, keys["b"][0])
    path.rename(path.with_name(path.name.replace(".a.", ".b.")))
    with pytest.raises(IntegrityError, match="another party's"):
        theirs.read(SAVED)
    path.with_name(path.name.replace(".a.", ".b.")).rename(path)
    replaced = Shelf(shelf.folder, "a", shelf.roster, keys["b"][0])
    with pytest.raises(IntegrityError):
        replaced.read(SAVED)


def test_a_share_kept_among_others_than_the_rosters_is_refused_and_says_who_changed(shelf, keys):
    shelf.write(SHARE, "5e", {})
    old = shelf.roster.get("b")
    moved = replace(shelf, roster=Roster((shelf.roster.get("a"), replace(old, address="elsewhere.example:7000"))))
    np.testing.assert_array_equal(moved.read(SAVED).words, SHARE.words)
    new = generate("b")[1].decode()
    other = replace(shelf, roster=Roster((shelf.roster.get("a"), replace(old, certificate=new))))
    with pytest.raises(IntegrityError, match=r"of other keepers: b changed") as caught:
        other.read(SAVED)
    assert f"b had fingerprint {fingerprint(old.certificate)}, and in this roster has {fingerprint(new)}" in caught.value.why


# -- real processes --------------------------------------------------------------------------------------------------------------

FIT = """
from protocols import load, reveal
from protocols.learn import StandardScaler, save


def main(s):
    scaler = StandardScaler().fit(load(s, "clinic", "features"))
    save(s, scaler, "scale")
"""
USE = """
from protocols import load, reveal
from protocols.learn import StandardScaler, load_model


def main(s):
    scaler = load_model(s, "scale", StandardScaler)
    reveal(scaler.mean_, label="means")
"""


FORGED = """
from mpc.command.dialogue import Keep
from protocols import load
from protocols.learn import StandardScaler, save


def main(s):
    save(s, StandardScaler().fit(load(s, "clinic", "features")), "scale")
    wire = getattr(s._engine, "_transport", None)
    if wire is not None and s.name == "clinic":
        {said}
"""
FORGERIES = {
    "once more": "wire.tell(Keep('scale', '{}', 'ab' * 32, 64), [bytes(64)])",
    "of another name": "wire.tell(Keep('other', '{}', 'ab' * 32, 64), [bytes(64)])",
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Two sites and a dealer that have saved a scaler, and have put the section that each can print into their schemas."""
    made = Network(tmp_path_factory.mktemp("network"))
    for job in made.jobs.values():
        job.write("fit.py", FIT)
    with made.session("--state", "state") as started:
        ends = ends_of(started)
    assert {name: (end.code, end.err) for name, end in ends.items()} == dict.fromkeys(made.names, (0, ""))
    for name in ("clinic", "insurer"):
        assert "Saved scale, a StandardScaler, in 2 shares, one at each of clinic, insurer." in ends[name].out
        assert f"sealed for its key:\n  {shares(made, name)[0].relative_to(made.jobs[name].folder)}" in ends[name].out
    typed = re.search("mpc (saved section scale --state state) >> schema.toml", ends["insurer"].out)
    assert typed
    sections = {made.jobs[name].run(*typed[1].split()).out for name in ("clinic", "insurer")}
    assert len(sections) == 1
    for job in made.jobs.values():
        job.write("fit.py", USE)
        job.write("schema.toml", (job.folder / "schema.toml").read_text() + "".join(sections))
    return made


def shares(network, name) -> list[Path]:
    return sorted((network.jobs[name].folder / "state" / "saved" / name).iterdir())


def test_two_sites_use_in_a_later_session_what_an_earlier_one_saved(network):
    with network.session("--state", "state") as started:
        ends = ends_of(started)
    assert {name: (end.code, end.err) for name, end in ends.items()} == dict.fromkeys(network.names, (0, ""))
    for name in ("clinic", "insurer"):
        assert "means (for clinic and insurer): [3.166667 4.000000]" in ends[name].out
        assert [path.suffixes[-2:] for path in shares(network, name)] == [[f".{name}", ".share"]]
        openings = [path.read_text() for path in (network.jobs[name].folder / "state").rglob("openings/*.json")]
        told = [one for text in openings for one in msgspec.json.decode(text)["reveals"]]
        kept = [one for one in told if one["label"].startswith("share of what is saved")]
        assert len(kept) == 1
        assert kept[0]["words"] is None, "the ledger is not sealed"


def test_a_share_that_is_gone_or_altered_ends_a_site_before_it_connects(network):
    (path,) = shares(network, "insurer")
    sealed = path.read_bytes()
    for text, said in ((None, "is not here"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "altered")):
        path.unlink()
        if text is not None:
            path.write_bytes(text)
        end = ended(network.start("insurer", "--state", "state"))
        path.write_bytes(sealed)
        assert end.code != 0
        assert said in end.err
        assert "Connected" not in end.out


@pytest.mark.parametrize("said", FORGERIES.values(), ids=FORGERIES)
def test_a_script_saves_what_the_plan_has_and_no_more(said, network):
    before = shares(network, "clinic")
    scripts = {name: (job.folder / "fit.py").read_text() for name, job in network.jobs.items()}
    for job in network.jobs.values():
        job.write("fit.py", FORGED.replace("{said}", said))
    with network.session("--state", "state") as started:
        ends = ends_of(started)
    for name, job in network.jobs.items():
        job.write("fit.py", scripts[name])
    assert "a model is saved that the plan does not have" in ends["clinic"].err
    assert all(end.code for end in ends.values())
    assert shares(network, "clinic") == before
    assert len(shares(network, "insurer")) == len(before)


# -- the commands that look after shares -----------------------------------------------------------------------------------------


@pytest.fixture
def kept(network, tmp_path):
    """How the clinic looks after a copy of what it keeps, and where that share is."""
    state = tmp_path / "state"
    shutil.copytree(network.jobs["clinic"].folder / "state", state)

    def call(*arguments):
        return network.jobs["clinic"].run("saved", *arguments, "--state", str(state))

    (path,) = (state / "saved" / "clinic").iterdir()
    return call, path


def test_a_site_sees_what_it_keeps(kept, network):
    call, path = kept
    listed = " ".join(call("list").out.split())
    mark = path.name.removeprefix("scale-").removesuffix(".clinic.share")
    for text in ("clinic", "scale", mark, "StandardScaler", "clinic, insurer", str(path.parent.parent)):
        assert text in listed.replace(" ", "") or text in listed, text
    shown = call("show", mark[:6])
    assert "scale, a StandardScaler of 8 numbers, made of clinic.features (3 rows)." in shown.out
    assert str(path) in shown.out
    assert "Shares of saved models" in network.jobs["clinic"].run("status", str(path.parents[2])).out
    path.write_bytes(b"nothing")
    assert "unreadable" in call("list").out
    path.unlink()
    assert f"No share of a saved model is in {path.parent.parent}." in call("list").out
    for options in (("none",), ("scale", "--as", "insurer"), (mark,)):
        refused = call("show", *options)
        assert refused.code == 2
        assert "No share of this saved model is kept here." in refused.err


def test_two_saves_of_one_name_are_told_apart(kept):
    call, path = kept
    one = call("section", "scale").out
    other = path.with_name(path.name.replace("scale-", "scale-again-"))
    shutil.copy(path, other)
    refused = call("delete", "scale", "--yes")
    assert refused.code == 2
    assert "This could be several saved models." in refused.err
    assert path.exists()
    other.unlink()
    assert call("section", "scale", "--as", "clinic").out == one


def test_a_site_finds_out_whether_its_shares_open(kept):
    call, path = kept
    check = ("check", "--roster", "roster.toml", "--as", "clinic")
    fine = call(*check)
    assert (fine.code, f"{path.name}: opens, whole and unaltered." in fine.out) == (0, True), fine
    sealed = path.read_bytes()
    shutil.copy(path, path.with_name("b.share"))
    path.with_name("a.share").write_bytes(b"nothing")
    found = call(*check)
    assert found.code == 6
    assert "a.share: A share of a saved model cannot be read." in found.out
    assert f"{path.name}: opens, whole and unaltered." in found.out
    assert "b.share: No session would look for a share here." in found.out
    assert f"rename it: {path.name}" in found.out
    assert "2 of 3 shares cannot be used" in found.err
    path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert f"{path.name}: A share of a saved model was altered, or is not for this key." in call(*check).out


def test_a_share_is_deleted_when_somebody_says_so_and_only_that(kept):
    call, path = kept
    asked = call("delete", "scale")
    assert (asked.code, "add --yes" in asked.err, path.exists()) == (2, True, True), asked
    assert "Without it nobody can use the model: not insurer." in asked.out
    beside = path.with_name("other.share")
    beside.write_bytes(b"nothing")
    gone = call("delete", "scale", "--yes")
    assert (gone.code, path.exists(), beside.exists()) == (0, False, True), gone
    assert "Copies in backups are not" in gone.out


@pytest.mark.parametrize(("script", "where"), [(FIT, "save in fit.py:8"), (USE, "load_model of 'scale'")], ids=["save", "use"])
def test_a_run_on_one_machine_says_at_once_that_it_keeps_no_model(script, where, network, tmp_path):
    job = Job(shutil.copytree(network.jobs["clinic"].folder, tmp_path / "job"))
    shutil.copy(network.jobs["insurer"].folder / "insurer.csv", job.folder)
    job.write("fit.py", script)
    refused = job.run("run", "fit.py")
    assert refused.code == 2
    assert "A run on this machine alone keeps no model, and finds none." in refused.err
    assert where in refused.err
    assert "run it with mpc party" in refused.err
    assert "[clinic]" not in refused.out
    debugged = job.run("run", "--debug", "fit.py")
    assert debugged.code == (0 if script == FIT else 2)
    assert ("A debugging run cannot use a saved model." in debugged.err) == (script == USE), debugged
