"""A clinic has its patients judged by a vendor's scikit-learn model: it shows no patient, and the vendor no weight."""

from protocols import load, reveal
from protocols.learn import from_sklearn


def main(s):
    model = from_sklearn(s, "vendor", "model", classifier=True)
    x = load(s, "clinic", "patients")
    diagnosis, probability = model.predict(x), model.predict_proba(x)
    reveal(diagnosis, probability, label="malignant", columns=["diagnosis", "probability"], to="clinic")
