"""Two hospitals count their patients by age and by visits; a table with a small cell is refused before anybody sees it."""

import numpy as np

from protocols import cells, load_rows, reveal

AGES = [25, 35, 45, 55]  # with [30, 40, 50, 60] there are cells of 3 people
VISITS = [1, 5, 11]


def bands(x, edges):
    """(people, bands): whether each is in it."""
    reached = x[:, None] >= edges
    return np.hstack([~reached[:, :1], reached[:, :-1] & ~reached[:, 1:], reached[:, -1:]])


def main(s):
    patients = load_rows(s, "patients")
    people = (1 * bands(patients[:, 0], AGES)).T @ bands(patients[:, 1], VISITS)
    rows = ["younger", *[f"from {age}" for age in AGES]]
    columns = ["none", *[f"from {visits}" for visits in VISITS]]
    reveal(people, label="patients by age and visits", rows=rows, columns=columns, rules=[cells(5)])
