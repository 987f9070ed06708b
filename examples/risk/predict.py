"""In a later session the model that both hospitals share judges new patients of one of them, which alone learns the result."""

from protocols import load, reveal
from protocols.learn import LogisticRegression, load_model


def main(s):
    model = load_model(s, "risk", LogisticRegression)
    x = load(s, "north", "newcomers")
    reveal(model.predict_proba(x), label="risk of each newcomer", to="north")
