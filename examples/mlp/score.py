"""A clinic has its patients judged by a vendor's net: it shows no patient, and the vendor no weight."""

import numpy as np

from protocols import assume_bound, load, relu, reveal, softmax


def main(s):
    x = (load(s, "clinic", "patients") - load(s, "vendor", "centre")) * load(s, "vendor", "factor")
    first, second, last = [load(s, "vendor", name) for name in ("first", "second", "last")]

    hidden = relu(assume_bound(x, 16) @ first[:-1] + first[-1])
    hidden = relu(assume_bound(hidden, 16) @ second[:-1] + second[-1])
    scores = assume_bound(assume_bound(hidden, 16) @ last[:-1] + last[-1], 32)

    diagnosis, probability = np.argmax(scores, axis=1), softmax(scores, axis=1)[:, 1]
    reveal(diagnosis, probability, label="malignant", columns=["diagnosis", "probability"], to="clinic")
