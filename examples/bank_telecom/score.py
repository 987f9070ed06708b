"""A bank and a telecom study the same customers: what goes with what, who spends how much, who falls into arrears."""

import numpy as np

from protocols import divide, load, reveal
from protocols.learn import LogisticRegression, StandardScaler

COLUMNS = ["income", "savings", "spending", "bill", "late", "calls"]
FEWEST = 20  # the run ends, before anything is revealed, where fewer customers than this have either kind of contract


def main(s):
    x = np.hstack([load(s, "bank", "accounts"), load(s, "telecom", "contracts")])
    arrears, prepaid = load(s, "bank", "arrears"), load(s, "telecom", "prepaid")

    kind = np.stack([prepaid, ~prepaid])  # (kinds of contract, customers)
    spending = divide(kind @ x[:, COLUMNS.index("spending")], kind.sum(axis=1), low=FEWEST)
    share = divide((kind & arrears).sum(axis=1), kind.sum(axis=1), low=FEWEST)
    reveal(spending, share, label="by contract", columns=["spending", "in arrears"], rows=["prepaid", "postpaid"])

    z = StandardScaler().fit_transform(x)
    reveal(z.T @ z / len(z), label="correlations", columns=COLUMNS, rows=COLUMNS)

    model = LogisticRegression(epochs=5, batch=100, rate=1.0).fit(z, arrears)
    reveal((model.predict(z) == arrears).mean(), label="accuracy")
    reveal(model.coef_, label="weights", columns=COLUMNS, to="bank")
