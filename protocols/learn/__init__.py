"""Models on secret arrays, with scikit-learn's conventions."""

from protocols.learn.base import Estimator
from protocols.learn.clusters import KMeans
from protocols.learn.components import PCA
from protocols.learn.exchange import SecretClassifier, SecretRegressor, from_sklearn, to_sklearn, write_model
from protocols.learn.generalized import PoissonRegressor
from protocols.learn.linear import LinearRegression, Ridge
from protocols.learn.logistic import LogisticRegression
from protocols.learn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)
from protocols.learn.multinomial import MultinomialLogisticRegression
from protocols.learn.preprocessing import StandardScaler, train_test_split
from protocols.learn.saving import load_model, save

__all__ = [
    "PCA",
    "Estimator",
    "KMeans",
    "LinearRegression",
    "LogisticRegression",
    "MultinomialLogisticRegression",
    "PoissonRegressor",
    "Ridge",
    "SecretClassifier",
    "SecretRegressor",
    "StandardScaler",
    "accuracy_score",
    "confusion_matrix",
    "f1_score",
    "from_sklearn",
    "load_model",
    "log_loss",
    "mean_absolute_error",
    "mean_squared_error",
    "precision_score",
    "r2_score",
    "recall_score",
    "roc_auc_score",
    "root_mean_squared_error",
    "save",
    "to_sklearn",
    "train_test_split",
    "write_model",
]
