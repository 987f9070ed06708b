"""How often people see a physician, by how healthy they feel: one party knows the visits, another the group."""

import numpy as np

from protocols import divide, load, reveal

GROUPS = ["excellent", "good", "fair", "poor"]  # in the order of the schema
FEWEST = 10  # a group of fewer people is not revealed: zeros stand in its row


def main(s):
    member = load(s, "survey", "answers")  # (people, groups): 1 in the column of one's group, else 0
    visits = load(s, "insurer", "visits")

    people = member.sum(axis=0)
    small = people < FEWEST
    divisor = np.where(small, FEWEST, people)
    mean = divide(member.T @ visits, divisor, low=FEWEST)
    square = divide(member.T @ visits**2, divisor, low=FEWEST)
    std = np.sqrt(np.maximum(square - mean**2, 0))

    cells = [np.where(small, 0, cell) for cell in (people, mean, std)]
    reveal(*cells, label="visits by health", columns=["people", "mean", "std"], rows=GROUPS)
