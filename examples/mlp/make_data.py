"""How patients.csv and model.npz were made, from the cancer example: a net trained on some patients, and the others."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
HERE = Path(__file__).resolve().parent
TRAINING_ROWS = 455
WIDTHS = (15, 16, 8, 2)  # inputs, two hidden layers, scores of benign and malignant
EPOCHS, BATCH, RATE, DECAY = 100, 65, 0.02, 1e-2
LARGEST = 4.0  # what weights are clipped to: their bound in the schema


def study() -> tuple[list[str], list[list[str]]]:
    """The names of the clinic's columns, and its rows as they are in the file: patient, 15 measurements, 1 for malignant."""
    with (HERE.parent / "cancer" / "clinic.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def layers(x: Floats, weights: list[Floats]) -> list[Floats]:
    """What goes into each layer, a column of ones last, and the scores."""
    inputs = []
    for k, weight in enumerate(weights):
        inputs.append(np.hstack([np.maximum(x, 0) if k else x, np.ones((len(x), 1))]))
        x = inputs[-1] @ weight
    return [*inputs, x]


def step(x: Floats, y: npt.NDArray[np.int64], weights: list[Floats], momentum: list[Floats]) -> None:
    """One step of gradient descent on the cross entropy, with momentum and weight decay."""
    *inputs, scores = layers(x, weights)
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = (odds / odds.sum(axis=1, keepdims=True) - np.eye(2)[y]) / len(x)
    for k in reversed(range(len(weights))):
        gradient = inputs[k].T @ error + DECAY * weights[k]
        error = (error @ weights[k][:-1].T) * (inputs[k][:, :-1] > 0)
        momentum[k] *= 0.9
        momentum[k] += gradient
        weights[k] -= RATE * momentum[k]
        np.clip(weights[k], -LARGEST, LARGEST, out=weights[k])


def train(x: Floats, y: npt.NDArray[np.int64]) -> list[Floats]:
    """A matrix for each layer, whose last row is added: always the same ones."""
    chance = np.random.default_rng(0)
    weights = [chance.normal(0, (2 / a) ** 0.5, (a + 1, b)) for a, b in itertools.pairwise(WIDTHS)]
    momentum = [np.zeros_like(weight) for weight in weights]
    for _ in range(EPOCHS):
        order = chance.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            step(x[rows], y[rows], weights, momentum)
    return weights


def main() -> None:
    header, rows = study()
    x = np.array([row[1:16] for row in rows], dtype=np.float64)
    centre, factor = x[:TRAINING_ROWS].mean(axis=0, keepdims=True), 1 / x[:TRAINING_ROWS].std(axis=0, keepdims=True)
    x = (x - centre) * factor
    y = np.array([int(row[16]) for row in rows])
    weights = train(x[:TRAINING_ROWS], y[:TRAINING_ROWS])
    np.savez(HERE / "model.npz", centre=centre, factor=factor, **dict(zip(("first", "second", "last"), weights, strict=True)))
    with (HERE / "patients.csv").open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file, lineterminator="\n")
        sheet.writerow(header[:16])
        sheet.writerows(row[:16] for row in rows[TRAINING_ROWS:])
    found = layers(x, weights)[-1].argmax(axis=1)
    for name, part in (("training", slice(TRAINING_ROWS)), ("others", slice(TRAINING_ROWS, None))):
        print(f"{name}: {(found[part] == y[part]).mean():.4f}")


if __name__ == "__main__":
    main()
