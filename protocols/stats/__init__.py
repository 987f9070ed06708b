"""Statistics of secret arrays under SciPy's names: `reveal` tells the numbers a test needs, and the rest follows in plain."""

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
