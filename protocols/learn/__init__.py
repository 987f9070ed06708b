"""Models on secret arrays, with scikit-learn's conventions."""

from typing import TYPE_CHECKING, NoReturn

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
from protocols.numbers.absent import absent

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

TREES = "trees are not yet supported: LogisticRegression, MultinomialLogisticRegression or LinearRegression"
LOOP = "a loop in the script: for k in range(5) with train_test_split(x, y, random_state=k)"
NEAREST = {
    **{f"{kind}{of}": TREES for kind in ("RandomForest", "GradientBoosting", "DecisionTree") for of in ("Classifier", "Regressor")},
    **dict.fromkeys(("cross_val_score", "cross_validate", "GridSearchCV", "KFold", "StratifiedKFold"), LOOP),
    **dict.fromkeys(("Pipeline", "make_pipeline"), "one after another: z = StandardScaler().fit_transform(x), then fit(z, y)"),
    **dict.fromkeys(("Lasso", "ElasticNet"), "Ridge(alpha=...): penalties are of squared coefficients"),
    **dict.fromkeys(("SVC", "LinearSVC", "SGDClassifier", "MLPClassifier"), "LogisticRegression"),
    **dict.fromkeys(("MinMaxScaler", "RobustScaler"), "StandardScaler"),
    "SGDRegressor": "LinearRegression or Ridge",
    "OneHotEncoder": "one_hot(x, count), from protocols; a category is loaded as one 0/1 column a value",
    "classification_report": "precision_score, recall_score and f1_score with average=None",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> NoReturn:
        absent("protocols.learn", name, NEAREST, __all__, "docs/learn.md")
