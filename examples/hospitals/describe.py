"""Two hospitals describe all their patients together; neither sees a single row of the other."""

import numpy as np

from protocols import load_rows, reveal
from protocols.learn import StandardScaler

COLUMNS = ["age", "health", "visits", "cost"]


def main(s):
    patients = load_rows(s, "patients")
    visits = patients[:, COLUMNS.index("visits")]

    summary = [patients.mean(axis=0), patients.std(axis=0, ddof=1), patients.min(axis=0), patients.max(axis=0)]
    reveal(*summary, label="summary", columns=["mean", "std", "min", "max"], rows=COLUMNS)

    z = StandardScaler().fit_transform(patients)
    reveal(z.T @ z / len(z), label="correlations", columns=COLUMNS, rows=COLUMNS)

    often = visits > 10
    reveal(often.sum(), label="patients with more than 10 visits")
    reveal(often.mean(), label="share of patients with more than 10 visits")
    reveal(np.where(often, 0, visits).sum() / len(visits), label="visits per patient without theirs", to="north")
