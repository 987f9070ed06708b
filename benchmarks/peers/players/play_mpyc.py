"""MPyC: three parties, one of which may be corrupted, with Shamir's sharing, over loopback without TLS.

`play_mpyc.py FOLDER` starts the parties; each is this script once more, with MPyC's own options.
"""

import importlib.metadata
import os
import sys
import time

import numpy as np
from common import Order, loopback, together, write

BITS, FRACTION = 40, 18


def calls(settings, mpc):
    """What each workload is there; it has no functions such as exp on arrays."""

    def chained(x, y):
        for _ in range(settings["length"]):
            x = x * y
        return x

    def positive(x):
        return x * (x >= 0)

    return {
        "multiply and truncate": lambda x, y: x * y,
        "matmul and truncate": lambda x, y: x @ y,
        "layer and truncate": lambda x, y: x @ y,
        "x < 0": lambda x: x < 0,
        "relu": positive,
        "reciprocal": lambda x: 1 / x,
        "maximum of a row": lambda x: mpc.np_amax(x, axis=1),
        "mean of products": lambda x, y: (x * y).sum() / settings["rows"],
        "filtered mean": lambda x, y: ((x > 0) * y).sum() / settings["rows"],
        "net": lambda x, a, b, c: positive(positive(x @ a) @ b) @ c,
        "chain": chained,
    }


def party(folder):
    """One of the parties, from its arguments to its findings."""
    from mpyc.runtime import mpc

    order = Order(folder)
    numbers = mpc.SecFxp(BITS, FRACTION)

    async def main():
        await mpc.start()
        given = [mpc.input(numbers.array(np.asarray(one, float)), senders=0) for one in order.arrays]
        await mpc.gather(given)
        call = calls(order.settings, mpc)[order.workload]
        seconds, sent, result = [], 0, None
        for _ in range(1 + order.repeats):
            await mpc.barrier()
            before, start = loopback(), time.perf_counter()
            result = call(*given)
            await mpc.gather(result)
            seconds.append(time.perf_counter() - start)
            sent = loopback() - before
        write(order, mpc.pid, seconds[1:], sent // order.parties, [np.asarray(await mpc.output(result), dtype=float)])
        await mpc.shutdown()

    mpc.run(main())


if __name__ == "__main__":
    if os.environ.get("FOLDER_OF_ORDER"):
        party(os.environ["FOLDER_OF_ORDER"])
    else:
        told = Order(sys.argv[1])
        if told.workload not in calls({"rows": 1, "length": 1}, None):
            sys.exit(3)
        more = {"FOLDER_OF_ORDER": sys.argv[1]}
        count, port = told.parties, str(told.ports[0])
        commands = [([__file__, f"-M{count}", f"-I{number}", "-B", port], more) for number in range(count)]
        together(told, importlib.metadata.version("mpyc"), commands)
