"""SPU: two parties of SEMI2K over a link on loopback, without TLS; its default, where the first party makes all randomness.

`play_spu.py FOLDER` compiles, shares the arguments and starts the parties, `play_spu.py FOLDER NUMBER` is one of them.
"""

import importlib.metadata
import os
import pickle  # of this script's own files, in a folder that nobody else writes
import sys
import time

import numpy as np
from common import Order, loopback, timed, together, write

LEAVING = 0.5  # seconds: the last barrier's message must be on its way before its sender ends


def calls(settings):
    """What each workload is there."""
    import jax
    import jax.numpy as jnp

    def trained(x, y):
        batch, rate = settings["batch"], settings["rate"]

        def epoch(_, state):
            weights, intercept = state
            for start in range(0, x.shape[0], batch):
                rows, labels = x[start : start + batch], y[start : start + batch]
                error = jax.nn.sigmoid(rows @ weights + intercept) - labels
                step = rate / rows.shape[0]
                weights, intercept = weights - step * (rows.T @ error), intercept - step * error.sum()
            return weights, intercept

        return jax.lax.fori_loop(0, settings["epochs"], epoch, (jnp.zeros(x.shape[1]), jnp.float32(0)))[0]

    def chained(x, y):
        for _ in range(settings["length"]):
            x = x * y
        return x

    return {
        "multiply and truncate": lambda x, y: x * y,
        "matmul and truncate": lambda x, y: x @ y,
        "layer and truncate": lambda x, y: x @ y,
        "x < 0": lambda x: x < 0,
        "relu": lambda x: jnp.maximum(x, 0),
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "gelu": lambda x: jax.nn.gelu(x, approximate=True),
        "exp": jnp.exp,
        "reciprocal": lambda x: 1.0 / x,
        "sqrt": jnp.sqrt,
        "rsqrt": jax.lax.rsqrt,
        "log": jnp.log,
        "softmax": lambda x: jax.nn.softmax(x, axis=-1),
        "maximum": lambda x: x.max(-1),
        "argmax": lambda x: jnp.argmax(x, axis=-1),
        "maximum of a row": lambda x: x.max(-1),
        "argmax of a row": lambda x: jnp.argmax(x, axis=-1),
        "mean of products": lambda x, y: (x * y).mean(),
        "filtered mean": lambda x, y: jnp.where(x > 0, y, 0).mean(),
        "logistic regression": trained,
        "one pass": trained,
        "five passes": trained,
        "net": lambda x, a, b, c: jnp.maximum(jnp.maximum(x @ a, 0) @ b, 0) @ c,
        "chain": chained,
    }


def configuration():
    """SEMI2K in 64 bits, 18 of them after the point."""
    from spu import libspu

    return libspu.RuntimeConfig(protocol=libspu.ProtocolKind.SEMI2K, field=libspu.FieldType.FM64, fxp_fraction_bits=18)


def prepare(order):
    """Compile the workload and share its arguments; a file for each party."""
    import spu
    from spu import libspu
    from spu.utils import frontend

    given = [one.astype(np.float32) for one in order.arrays]
    names = [f"in{number}" for number in range(len(given))]
    secret = libspu.Visibility.VIS_SECRET
    call = calls(order.settings)[order.workload]
    made, _ = frontend.compile(
        frontend.Kind.JAX, call, given, {}, names, [secret] * len(given), lambda out: [f"out{k}" for k in range(len(out))]
    )
    shares = [spu.Io(order.parties, configuration()).make_shares(one, secret) for one in given]
    for number in range(order.parties):
        job = {
            "code": made.code, "inputs": list(made.input_names), "outputs": list(made.output_names),
            "shares": dict(zip(names, [share[number] for share in shares], strict=True)),
        }  # fmt: skip
        (order.folder / f"job{number}").write_bytes(pickle.dumps(job))


def party(order, number):
    """One of the parties, from its shares to its findings."""
    import spu
    from spu import libspu

    job = pickle.loads((order.folder / f"job{number}").read_bytes())
    described = libspu.link.Desc()
    described.recv_timeout_ms = described.http_timeout_ms = 600_000
    for other in range(order.parties):
        described.add_party(f"p{other}", f"127.0.0.1:{(order.ports if other == number else order.settings['reached'])[other]}")
    link = libspu.link.create_brpc(described, number)
    runtime = spu.Runtime(link, configuration())
    for name, share in job["shares"].items():
        runtime.set_var(name, share)
    program = libspu.Executable(name="w", input_names=job["inputs"], output_names=job["outputs"], code=job["code"])
    seconds, _, sent = timed(order.repeats, link.barrier, lambda: runtime.run(program), loopback)
    outputs = [runtime.get_var(name) for name in job["outputs"]]
    (order.folder / f"shares{number}").write_bytes(pickle.dumps(outputs))
    write(order, number, seconds, sent // order.parties, [])
    link.barrier()
    time.sleep(LEAVING)
    os._exit(0)


def finish(order):
    """Put the parties' shares of the results together."""
    import spu

    held = [pickle.loads((order.folder / f"shares{number}").read_bytes()) for number in range(order.parties)]
    exchange = spu.Io(order.parties, configuration())
    np.savez(order.folder / "results.npz", *[np.asarray(exchange.reconstruct(list(one))) for one in zip(*held, strict=True)])


if __name__ == "__main__":
    told = Order(sys.argv[1])
    if sys.argv[2:]:
        party(told, int(sys.argv[2]))
    elif told.workload not in calls(told.settings):
        sys.exit(3)
    else:
        prepare(told)
        together(told, importlib.metadata.version("spu"), [([__file__, sys.argv[1], str(one)], {}) for one in range(told.parties)])
        finish(told)
