"""Models kept in shares: what is saved, what a later session makes of it, and what is refused before anything is computed."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import msgspec
import numpy as np
import pytest
from jobs import ended
from test_processes import Network, ends_of

import mpc
from mpc.data.saved import Card, Piece, Saved, Share
from mpc.data.schema import Schema
from mpc.errors import IntegrityError, MpcError, RangeError, UsageError
from mpc.identity import generate
from mpc.roster import Participant, Roster
from mpc.store.saved import Shelf
from protocols import assume_bound, load, reveal
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
    }
    for name, model in models.items():
        save(s, model, name)
    return used(s, models)


def resumed(s):
    """The same, of what was saved."""
    kinds = {"risk": LogisticRegression, "groups": KMeans, "axes": PCA, "scale": StandardScaler, "line": LinearRegression}
    kinds |= {"odds": LogisticRegression, "rate": PoissonRegressor, "kind": MultinomialLogisticRegression}
    return used(s, {name: load_model(s, name, kind) for name, kind in kinds.items()})


def used(s, models):
    x = models["scale"].transform(load(s, "a", "x"))
    found = models["risk"].decision_function(x), models["groups"].predict(x), models["axes"].transform(x)
    raw = load(s, "a", "x")
    found = *found, models["line"].predict(raw[:, :2]), models["odds"].coef_, models["rate"].predict(x), models["kind"].coef_
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


def test_another_version_at_one_party_ends_the_run(first):
    other = mpc.run_local(fitted, data=DATA, bound=8.0).saved["scale"]["b"]
    mixed = first.saved | {"scale": first.saved["scale"] | {"b": other}}
    with pytest.raises(IntegrityError, match=r"b has another version of the saved model 'scale'"):
        mpc.run_local(resumed, data=DATA, bound=8.0, saved=mixed)


@pytest.mark.parametrize(
    ("main", "match"),
    [
        (lambda s: load_model(s, "scale", KMeans), "is a StandardScaler, not a KMeans"),
        (lambda s: load_model(s, "scales", StandardScaler), "did you mean 'scale'"),
        (lambda s: save(s, KMeans(), "groups"), "nothing secret to save"),
        (lambda s: save(s, StandardScaler().fit(load(s, "a", "x")), "../scale"), "name"),
    ],
    ids=["class", "name", "unfitted", "path"],
)
def test_what_is_not_saved_or_taken_up(first, main, match):
    with pytest.raises(UsageError, match=match):
        mpc.run_local(main, data=DATA, bound=8.0, saved=first.saved)


def test_a_model_stays_with_those_who_share_it(first):
    with pytest.raises(UsageError, match="other parties"):
        mpc.run_local(resumed, data={"a": {"x": X}, "b": {"y": Y}}, bound=8.0, saved=first.saved)


# -- the section of a schema -----------------------------------------------------------------------------------------------------

TABLES = "rows = 3\n[party.a.x]\ncolumn = { name = 'v', type = 'real', bound = 1 }\n[party.b]\n"
SAVED = Saved(
    "risk", "ab" * 32, Card("PCA", '{"n":1,"text":"\\"quoted\\" [x]"}', ("a", "b"), (Piece("w", "Fixed", (3, 2), -4, 99),))
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
    """Two sites and a dealer that have saved a scaler, and the section that the insurer was shown."""
    made = Network(tmp_path_factory.mktemp("network"))
    for job in made.jobs.values():
        job.write("fit.py", FIT)
    with made.session("--state", "state") as started:
        ends = ends_of(started)
    assert {name: (end.code, end.err) for name, end in ends.items()} == dict.fromkeys(made.names, (0, ""))
    section = re.search(r"(?ms)^\[saved\.scale\]\n.*?^\]\n", ends["insurer"].out)
    assert section
    assert section[0] in ends["clinic"].out
    for job in made.jobs.values():
        job.write("fit.py", USE)
        job.write("schema.toml", (job.folder / "schema.toml").read_text() + section[0])
    return made


def shares(network, name) -> list[Path]:
    return sorted((network.jobs[name].folder / "state" / "saved" / name).iterdir())


def test_two_sites_use_in_a_later_session_what_an_earlier_one_saved(network):
    with network.session("--state", "state") as started:
        ends = ends_of(started)
    assert {name: (end.code, end.err) for name, end in ends.items()} == dict.fromkeys(network.names, (0, ""))
    for name in ("clinic", "insurer"):
        assert "means (for clinic and insurer): [3.166667 4.      ]" in ends[name].out
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
