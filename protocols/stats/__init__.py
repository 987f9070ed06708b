"""Statistics of secret arrays under SciPy's names: `reveal` tells the numbers a test needs, and the rest follows in plain."""

from typing import TYPE_CHECKING, NoReturn

from protocols.numbers.absent import absent
from protocols.stats.describing import corr, cov, describe, histogram
from protocols.stats.ranking import mannwhitneyu
from protocols.stats.tables import chi2_contingency, chisquare, crosstab, proportion
from protocols.stats.testing import f_oneway, pearsonr, ttest_1samp, ttest_ind, ttest_rel

__all__ = [
    "chi2_contingency",
    "chisquare",
    "corr",
    "cov",
    "crosstab",
    "describe",
    "f_oneway",
    "histogram",
    "mannwhitneyu",
    "pearsonr",
    "proportion",
    "ttest_1samp",
    "ttest_ind",
    "ttest_rel",
]

RANKS = "mannwhitneyu(x, by=condition) ranks the rows of two groups; other ranks are not yet supported"
BELOW = "histogram(x, edges) counts the rows between public edges; a median, which is one person's value, is not yet supported"
NEAREST = {
    **dict.fromkeys(("median", "iqr", "percentileofscore", "scoreatpercentile", "mode"), BELOW),
    "spearmanr": f"pearsonr(x, y) is of the values themselves; {RANKS}",
    "kendalltau": f"pearsonr(x, y) is of the values themselves; {RANKS}",
    "wilcoxon": f"ttest_rel(a, b) compares pairs by their mean; {RANKS}",
    "kruskal": f"f_oneway(x, by=groups) compares means; {RANKS}",
    "ks_2samp": f"histogram(x, edges, by=condition), whose revealed counts can be compared; {RANKS}",
    "ranksums": "mannwhitneyu(x, by=condition) is the same test, corrected for ties",
    "fisher_exact": "scipy.stats.fisher_exact of the counts of crosstab(a, b).reveal(), or chi2_contingency(crosstab(a, b))",
    "linregress": "LinearRegression, from protocols.learn, with summary()",
    "ttest": "ttest_ind, ttest_rel or ttest_1samp",
    "zscore": "StandardScaler().fit_transform(x), from protocols.learn",
    **{name: f"describe(x), or np.{same}(x)" for name, same in (("mean", "mean"), ("std", "std"), ("tstd", "std"), ("var", "var"))},
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        absent("stats", name, NEAREST, __all__, "docs/stats.md")
