"""Scores of predictions, under scikit-learn's names; all stay secret until they are revealed.

Labels are Bool; or Int, with the public `labels` that there are; or 0/1 columns as a category is loaded, one a class. One of
the two arguments may be public. `log_loss` and `roc_auc_score` take Int labels of two classes where they are 0 and 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpc.errors import UsageError
from mpc.lines import script_line
from protocols.learn.labels import CODES, labels_of
from protocols.numbers import Bool, Fixed, Int, Number, Secret, assume_bound, divide, log, one_hot, sqrt
from protocols.numbers.doors import worded
from protocols.numbers.joining import stacked
from protocols.numbers.ordering import clip
from protocols.numbers.pieces import diagonal
from protocols.numbers.spread import var
from protocols.numbers.ties import comparable

LEAST = 2.0**-10  # of a probability in a logarithm: its own error, 2^-13, is an eighth of that
PAIRS = 1 << 24  # of rows that are compared with each other
AVERAGES = (None, "binary", "macro", "micro")


def accuracy_score(y_true: Any, y_pred: Any) -> Number:
    """The part of labels that are equal: 2 to 3 rounds. Probabilities and other fractions are no labels."""
    _alike("accuracy_score", y_true, y_pred)
    y_true, y_pred = (labels_of(y, "accuracy_score") for y in (y_true, y_pred))
    if not (_classes(y_true) and _classes(y_pred)):
        do = f"compare probabilities first: y_proba >= 0.5, and so a 0/1 column beside real ones; {CODES}"
        raise UsageError("accuracy_score takes labels, not numbers with fractions.", where=script_line(), do=do)
    if y_true.ndim == 2:
        hits: Number = (_numbers(y_true) * _numbers(y_pred)).sum(axis=1)
        return hits.mean()
    same: Bool = y_true == y_pred
    return same.mean()


def confusion_matrix(y_true: Any, y_pred: Any, *, labels: Any = None) -> Number:
    """How many rows of class i were said to be of class j, [i, j]: a product, and of Int labels 3 rounds before it.

    That Int labels are among `labels`, whole numbers that rise, is checked before the next reveal.
    """
    _alike("confusion_matrix", y_true, y_pred)
    y_true, y_pred = (labels_of(y, "confusion_matrix") for y in (y_true, y_pred))
    true, said = _indicators(y_true, labels), _indicators(y_pred, labels)
    if true.shape[1] != said.shape[1]:
        raise UsageError(f"confusion_matrix was given {true.shape[1]} classes and {said.shape[1]}.", do="give the same labels")
    result: Number = true.T.matmul(said) if isinstance(true, Number) else said.matmul_from(true.T)
    return result


def precision_score(y_true: Any, y_pred: Any, *, labels: Any = None, average: str | None = "binary") -> Number:
    """Of those said to be of a class, the part that is; 0 where none is said to be: 11 rounds after the confusion matrix."""
    table = confusion_matrix(y_true, y_pred, labels=labels)
    return _averaged(table, table.sum(axis=0), 1, average)


def recall_score(y_true: Any, y_pred: Any, *, labels: Any = None, average: str | None = "binary") -> Number:
    """Of those of a class, the part said to be; 0 where there is none: 11 rounds after the confusion matrix."""
    table = confusion_matrix(y_true, y_pred, labels=labels)
    return _averaged(table, table.sum(axis=1), 1, average)


def f1_score(y_true: Any, y_pred: Any, *, labels: Any = None, average: str | None = "binary") -> Number:
    """2 TP / (2 TP + FP + FN), the harmonic mean of precision and recall: 11 rounds after the confusion matrix."""
    table = confusion_matrix(y_true, y_pred, labels=labels)
    return _averaged(table, table.sum(axis=0) + table.sum(axis=1), 2, average)


def log_loss(y_true: Any, y_proba: Number) -> Number:
    """Mean of -log of the probability of what was true: 16 rounds. Error 2^-10: probabilities below 2^-10 count as 2^-10.

    `y_proba` is the probability of class 1 for Bool labels, or has a column for each class; that it is from 0 to 1, but for 2^-11,
    is checked before the next reveal.
    """
    _alike("log_loss", y_true, y_proba)
    true, y_proba = _positive("log_loss", y_true), _numbers(y_proba)
    twice = 2 * y_proba - 1
    if isinstance(twice, Number):
        assume_bound(twice, 1 + LEAST, "log_loss takes probabilities: one is below 0 or above 1")
    elif not (abs(twice) <= 1).all():
        raise UsageError("log_loss takes probabilities, from 0 to 1.", where=script_line())
    chance = (true * y_proba).sum(axis=1) if y_proba.ndim == 2 else true * twice + (1 - y_proba)
    kept: Number = clip(chance, LEAST, 1.0)
    return log(kept).mean().negated()


def roc_auc_score(y_true: Any, y_score: Number) -> Number:
    """Area under the ROC curve: how often a row of class 1 scores higher than one of class 0, ties by half.

    Scores that a function or a rounded product gave, such as probabilities, are tied where they differ by a few last places: by
    2^-14 at 16 bits of precision. Logits of the same model (`decision_function`) are told apart exactly.

    Every row is compared with every other, so that no order is revealed: 11 rounds, and 21 bytes of the dealer a pair, up to 4096
    rows. That there are both classes is checked before the next reveal.
    """
    _alike("roc_auc_score", y_true, y_score)
    rows, y_score = y_score.shape[0], _numbers(y_score)
    if y_score.ndim != 1 or rows < 2 or rows * rows > PAIRS:
        what = f"roc_auc_score takes 2 to {math.isqrt(PAIRS)} rows of one score, not shape {y_score.shape}."
        raise UsageError(
            what, why="every row is compared with every other", do="score a public sample of the rows: train_test_split"
        )
    level, near = comparable(y_score)
    least: Bool = level.reshape((-1, 1)).minus(level.reshape((1, -1))).greater_equal(-near)
    reached = least.number()
    twice = reached.sum(axis=1) - reached.sum(axis=0) + rows  # twice those below, those equal once, and the row itself
    true = _positive("roc_auc_score", y_true)
    positive: Number = true.sum()
    pairs: Number = (true * (twice - 1)).sum() - positive * (positive - 1)
    if not isinstance(y_true, Secret):
        if not 0 < positive < rows:
            raise UsageError("roc_auc_score has no meaning where all labels are alike.", where=script_line())
        return pairs.over(2 * int(positive * (rows - positive)))
    both = _within(positive * (rows - positive), rows * rows // 4)
    area = divide(_within(pairs, 2 * rows * rows), both, low=rows - 1)
    worded(area.s, "roc_auc_score has no meaning where all labels are alike")
    return area.times(0.5)


def mean_squared_error(y_true: Any, y_pred: Any) -> Number:
    """Mean of squared differences: 3 rounds."""
    _alike("mean_squared_error", y_true, y_pred)
    result: Number = (_numbers(y_true) - _numbers(y_pred)).squared().mean()
    return result


def root_mean_squared_error(y_true: Any, y_pred: Any) -> Number:
    """The root of `mean_squared_error`: 13 rounds."""
    return sqrt(mean_squared_error(y_true, y_pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Number:
    """Mean of absolute differences: 5 rounds."""
    _alike("mean_absolute_error", y_true, y_pred)
    result: Number = abs(_numbers(y_true) - _numbers(y_pred)).mean()
    return result


def r2_score(y_true: Any, y_pred: Any, *, low: float | None = None) -> Number:
    """1 - residual variance / variance of y_true: 15 rounds. That the latter is at least `low`, 2^-12 of its bound, is checked."""
    _alike("r2_score", y_true, y_pred)
    left = mean_squared_error(y_true, y_pred)
    if not isinstance(y_true, Secret):
        spread = float(np.var(y_true))
        if not spread:
            raise UsageError("r2_score has no meaning where y_true does not vary.")
        return left.over(-spread).plus(1)
    whole = var(_numbers(y_true))
    least = low if low is not None else float(np.max(whole.bound)) * 2.0**-12
    part = divide(left, whole, low=least)
    worded(part.s, f"r2_score needs a y_true whose variance is at least {least:g}: state a tighter bound of it, or low=")
    return part.minus_from(1)


def _alike(name: str, first: Any, second: Any) -> None:
    secret = [v for v in (first, second) if isinstance(v, Secret)]
    if not secret or np.shape(first) != np.shape(second) or not np.size(first):
        shapes = f"{np.shape(first)} and {np.shape(second)}"
        do = "of public arrays, sklearn.metrics has the same name" if not secret else "give as many labels as predictions"
        raise UsageError(f"{name} takes two arrays of one shape, at least one of them secret, not {shapes}.", do=do)


def _classes(y: Any) -> bool:
    """Whether these can be labels: truth values, or whole numbers."""
    return isinstance(y, Bool | Int) if isinstance(y, Secret) else bool((np.asarray(y) == np.rint(y)).all())


def _positive(name: str, y: Any) -> Any:
    """0 and 1: class 1 of two, or a column a class. That Int labels are these is checked, before the next reveal where secret."""
    y = labels_of(y, name)
    if isinstance(y, Secret):
        fits = isinstance(y, Bool) or (isinstance(y, Int) and y.limit <= 1)
    else:
        fits = bool(np.isin(np.asarray(y), (0, 1)).all())
    if not fits:
        do = "labels are the first argument; say which class is meant: y == 1, or y == 2; of a 0/1 column beside real ones y > 0.5"
        raise UsageError(f"{name} takes labels that are truth values, or 0 and 1.", where=script_line(), do=do)
    if isinstance(y, Int) and y.ndim == 1:
        y.s.assume(y.greater_equal(0).share, f"{name} takes labels that are 0 or 1")
    return _numbers(y)


def _numbers(y: Any) -> Any:
    if isinstance(y, Bool):
        return y.number()
    return y if isinstance(y, Secret) else np.asarray(y, dtype=np.int64 if np.asarray(y).dtype.kind in "bui" else np.float64)


def _indicators(y: Any, labels: Any) -> Any:
    """One 0/1 column a class, (rows, classes)."""
    if y.ndim == 2:
        return _numbers(y)
    if isinstance(y, Bool):
        one = y.number()
        return stacked([1 - one, one], axis=1)
    plain = not isinstance(y, Secret)
    if plain and np.asarray(y).dtype == np.bool_:
        return np.stack([~y, y], axis=1).astype(np.int64)
    if labels is None or (not plain and not isinstance(y, Int)):
        raise UsageError(
            "Classes must be truth values, or whole numbers with labels=[...].",
            why="which labels there are is public, and part of the program",
            do="write labels=[0, 1, 2], or labels=range(10)" + f"; {CODES}" * isinstance(y, Fixed),
        )
    known = np.asarray(labels, dtype=np.int64)
    if known.ndim != 1 or known.size < 1 or (np.diff(known) != 1).any():
        raise UsageError("labels must be whole numbers one after another.", do="code classes as 0, 1, 2: a category column is")
    if plain and not np.isin(np.asarray(y), known).all():
        raise UsageError("A public label is none of `labels`.", where=script_line(), do="name all labels that there are")
    if plain:
        return (np.asarray(y)[:, None] == known).astype(np.int64)
    return one_hot(y - int(known[0]), known.size).number()


def _averaged(table: Number, total: Number, factor: int, average: str | None) -> Number:
    """factor * diagonal / total, where that is not 0 / 0; of class 1, of each class, or on average."""
    if average not in AVERAGES or (average == "binary" and table.shape[0] != 2):
        do = "average is None for a score of each class, 'macro' or 'micro'; 'binary' is for two classes"
        raise UsageError(f"average={average!r} does not go with {table.shape[0]} classes.", do=do)
    hits: Number = diagonal(table)
    if average == "binary":
        hits, total = hits[1:], total[1:]
    if average == "micro":
        hits, total = hits.sum().reshape((1,)), total.sum().reshape((1,))
    empty: Bool = total == 0
    scores = divide(hits * factor, total + empty.number(), low=1)
    kept = _within(scores, 1)
    return kept[0] if average in ("binary", "micro") else kept.mean() if average == "macro" else kept


def _within(x: Number, bound: float) -> Number:
    """x with a bound that is proved by what it is, and room for rounding."""
    return x.assume(math.ceil(bound * 2.0 ** float(np.max(x.frac)) * (1 + 2.0**-10)))


__all__ = [
    "accuracy_score",
    "confusion_matrix",
    "f1_score",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "precision_score",
    "r2_score",
    "recall_score",
    "roc_auc_score",
    "root_mean_squared_error",
]
