"""A clinic and an insurer fit one model on the same patients; neither sees the other's columns."""

import numpy as np

from protocols import load, reveal
from protocols.learn import LogisticRegression, StandardScaler

TRAINING_ROWS = 455


def main(s):
    x = np.hstack([load(s, "clinic", "features"), load(s, "insurer", "features")])
    y = load(s, "clinic", "outcome")
    scaler = StandardScaler()
    training, labels = scaler.fit_transform(x[:TRAINING_ROWS]), y[:TRAINING_ROWS]
    model = LogisticRegression(epochs=10, batch=128, rate=0.5).fit(training, labels)
    reveal((model.predict(training) == labels).mean(), label="training accuracy")
    reveal(model.coef_, label="weights", to="clinic")
    held_out = scaler.transform(x[TRAINING_ROWS:])
    return reveal(model.predict(held_out), label="predictions for held-out patients", to="clinic")
