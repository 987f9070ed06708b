"""Models on secret arrays, with scikit-learn's conventions."""

from protocols.learn.logistic import LogisticRegression
from protocols.learn.preprocessing import StandardScaler

__all__ = ["LogisticRegression", "StandardScaler"]
