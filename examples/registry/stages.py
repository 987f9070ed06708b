"""A hospital and a cancer registry count the same patients by treatment and stage; no table with a small cell leaves."""

import numpy as np

from protocols import cells, group, load, reveal

TREATMENTS = ["surgery", "radiation", "drugs", "none"]
STAGES = ["I", "II", "III", "IV"]
GROUPS = [["I"], ["II"], ["III", "IV"]]


def main(s):
    patients = load(s, "hospital", "patients")  # a column of 0 and 1 for each treatment, and the day when first seen
    cases = load(s, "registry", "cases")  # a column of 0 and 1 for each stage, and the day of the diagnosis

    treated, staged = 1 * (patients[:, :4] > 0), cases[:, :4] > 0
    people = treated.T @ staged  # a row for each treatment, a column for each stage
    table = np.stack([people[:, [STAGES.index(stage) for stage in names]].sum(axis=1) for names in GROUPS], axis=1)
    columns = [" and ".join(names) for names in GROUPS]
    reveal(table, label="patients by treatment and stage", rows=TREATMENTS, columns=columns, rules=[cells(5)])

    days = patients[:, 4] - cases[:, 4]
    reveal(days.mean(), label="mean days from diagnosis to hospital", rules=[group()])
