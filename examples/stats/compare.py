"""Do people who feel less than excellent see a physician more often? One party knows the visits, another who feels how."""

from protocols import cells, group, load, stats


def main(s):
    excellent = load(s, "survey", "answers")[:, 0] == 1
    visits = load(s, "insurer", "visits")
    names = ["excellent", "less"]

    summary = stats.describe(visits, by=excellent, categories=names)
    print(summary.reveal(label="visits", rules=[group(summary.count)]))
    test = stats.ttest_ind(visits, by=excellent, categories=names, equal_var=False)
    print(test.reveal(label="difference in visits", rules=[group(excellent)]))

    many = stats.crosstab(excellent, visits > 5, names, ["more than 5", "up to 5"])
    table = many.reveal(label="people by health and visits", rules=[cells(5)])
    print(table, table.chi2_contingency(), sep="\n")
