"""CrypTen: two parties over gloo on loopback, without TLS; the first one makes all randomness, and so could read everything.

`play_crypten.py FOLDER` starts the parties, `play_crypten.py FOLDER NUMBER` is one of them.
"""

import importlib
import importlib.metadata
import os
import sys
import time

from common import Order, loopback, timed, together, write


def imported():
    """CrypTen, whose import asks for a module of torch that has moved since."""
    moved = "torch.onnx._internal.registration"
    try:
        importlib.import_module(moved)
    except ImportError:
        sys.modules[moved] = importlib.import_module("torch.onnx._internal.torchscript_exporter.registration")
    import crypten

    return crypten


def calls(settings):
    """What each workload is there."""

    def trained(x, y, crypten, torch):
        weights, intercept = crypten.cryptensor(torch.zeros(x.size(1), 1)), crypten.cryptensor(torch.zeros(1))
        batch, rate = settings["batch"], settings["rate"]
        for _ in range(settings["epochs"]):
            for start in range(0, x.size(0), batch):
                rows, labels = x[start : start + batch], y[start : start + batch].reshape(-1, 1)
                error = (rows.matmul(weights) + intercept).sigmoid() - labels
                step = rate / rows.size(0)
                weights, intercept = weights - rows.t().matmul(error) * step, intercept - error.sum() * step
        return weights

    def chained(x, y):
        for _ in range(settings["length"]):
            x = x * y
        return x

    return {
        "multiply and truncate": lambda x, y: x * y,
        "matmul and truncate": lambda x, y: x.matmul(y),
        "layer and truncate": lambda x, y: x.matmul(y),
        "x < 0 as a number": lambda x: x < 0,
        "relu": lambda x: x.relu(),
        "sigmoid": lambda x: x.sigmoid(),
        "tanh": lambda x: x.tanh(),
        "gelu": lambda x: x * 0.5 * (1 + (x * 0.7071067811865476).erf()),
        "exp": lambda x: x.exp(),
        "reciprocal": lambda x: x.reciprocal(),
        "sqrt": lambda x: x.sqrt(),
        "rsqrt": lambda x: x.inv_sqrt(),
        "log": lambda x: x.log(),
        "softmax": lambda x: x.softmax(1),
        "maximum": lambda x: x.max(dim=1)[0],
        "maximum of a row": lambda x: x.max(dim=1)[0],
        "mean of products": lambda x, y: (x * y).mean(),
        "filtered mean": lambda x, y: ((x > 0) * y).mean(),
        "logistic regression": trained,
        "one pass": trained,
        "five passes": trained,
        "net": lambda x, a, b, c: x.matmul(a).relu().matmul(b).relu().matmul(c),
        "chain": chained,
    }


def waiting(link, delay):
    """Let each exchange of two parties take so long: gloo chooses its own ports, so no proxy can be put between them.

    It is the least that a network of such a delay adds: gloo may send to and fro for one exchange, and bytes cost nothing here.
    """

    def late(call):
        def exchange(*given, **named):
            time.sleep(delay)
            return call(*given, **named)

        return exchange

    for name in ("all_reduce", "reduce", "broadcast", "gather", "all_gather", "scatter", "recv"):
        setattr(link, name, late(getattr(link, name)))


def opened(result):
    """The result as numbers. CrypTen's own decoding is one too low for some negative numbers just above a whole one, -5 + 2^-15 for
    example; that is not its protocols' doing."""
    return result.reveal().double() / result.encoder.scale


def party(order, number):
    """One of the parties, from its arguments to its findings."""
    os.environ.update(
        RANK=str(number), WORLD_SIZE="2", RENDEZVOUS=f"tcp://127.0.0.1:{order.ports[0]}", DISTRIBUTED_BACKEND="gloo",
        GLOO_SOCKET_IFNAME="lo",
    )  # fmt: skip
    import torch

    torch.set_num_threads(1)
    crypten = imported()
    crypten.init()
    import crypten.communicator as communicator

    link = communicator.get()
    given = [crypten.cryptensor(torch.tensor(one, dtype=torch.float64), src=0) for one in order.arrays]
    call = calls(order.settings)[order.workload]
    more = (crypten, torch) if "epochs" in order.settings else ()
    if order.settings["delay"]:
        waiting(link, order.settings["delay"])
    with crypten.no_grad():
        seconds, result, sent = timed(order.repeats, link.barrier, lambda: call(*given, *more), loopback)
    write(order, number, seconds, sent // 2, [opened(result).numpy()])
    link.barrier()
    os._exit(0)


if __name__ == "__main__":
    told = Order(sys.argv[1])
    if order_number := sys.argv[2:]:
        party(told, int(order_number[0]))
    elif told.workload not in calls(told.settings):
        sys.exit(3)
    else:
        version = importlib.metadata.version("crypten")
        together(told, version, [([__file__, sys.argv[1], str(number)], {}) for number in range(told.parties)])
