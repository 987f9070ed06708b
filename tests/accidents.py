"""How what is secret could become plain by accident: what people who know Python, NumPy and pandas write without a thought.

Each is a function of a thing with elements. `REFUSED` end in an error of ours. `SHOWN` give text, which tells type and shape.
`SECRET` give secrets again. `EITHER` are refused as long as no function gives a secret. `PYTHON` are refused by Python or a
package, which ask nothing of a thing but what it is.
"""

from __future__ import annotations

import array
import base64
import bisect
import collections
import copy
import ctypes
import dataclasses
import datetime
import decimal
import fractions
import functools
import gc
import hashlib
import heapq
import html
import importlib
import importlib.util
import inspect
import io
import itertools
import json
import marshal
import math
import mmap
import operator
import os
import pathlib
import pickle
import pprint
import random
import reprlib
import statistics
import string
import struct
import subprocess
import sys
import time
import types
import unittest
import urllib.parse
import weakref
from collections.abc import Callable
from typing import Any

import mishaps
import msgspec
import numpy as np
import rich
import rich.console

Way = Callable[[Any], Any]
LIST = [1, 2, 3]


REFUSED: dict[str, Way] = {
    # Python's conversions
    "bool": bool, "bool of a number": lambda x: bool(x[0]), "float": float, "float of a number": lambda x: float(x[0]),
    "int": lambda x: int(x[0]), "complex": lambda x: complex(x[0]), "round": lambda x: round(x[0]),
    "round to digits": lambda x: round(x[0], 2), "floor": lambda x: math.floor(x[0]), "ceil": lambda x: math.ceil(x[0]),
    "trunc": lambda x: math.trunc(x[0]), "sqrt": lambda x: math.sqrt(x[0]), "fsum": math.fsum,
    "isclose": lambda x: math.isclose(x[0], 1), "index": lambda x: operator.index(x[0]),
    "list index": lambda x: LIST[x[0]], "slice": lambda x: LIST[: x[0]], "slice object": lambda x: LIST[slice(x[0])],
    "range": lambda x: range(x[0]), "hex": lambda x: hex(x[0]), "chr": lambda x: chr(x[0]), "repeat": lambda x: "ab" * x[0],
    "sleep": lambda x: time.sleep(x[0]), "timestamp": lambda x: datetime.datetime.fromtimestamp(x[0]), "bytes": bytes,
    "struct of integers": lambda x: struct.pack("q", x[0]), "array.array": lambda x: array.array("d", x),
    "ctypes": lambda x: ctypes.c_double(x[0]), "mmap": lambda x: mmap.mmap(-1, x[0]), "hash": hash, "dict key": lambda x: {x: 1},
    "set": lambda x: {x[0]}, "Counter": collections.Counter, "lru_cache": lambda x: functools.lru_cache(lambda v: v)(x),
    "statistics.mean": statistics.mean, "statistics.median": statistics.median, "ratio": lambda x: x[0].as_integer_ratio(),
    "hex of a float": lambda x: x[0].hex(), "to_bytes": lambda x: x[0].to_bytes(8, "little"),
    # decisions
    "if": mishaps.if_equal, "while": mishaps.while_loop, "assert": mishaps.assertion,
    "assert equality": mishaps.assertion_of_equality, "match": mishaps.matching,
    "ternary": lambda x: 1 if x[0] > 0 else 0, "and": lambda x: x[0] and 1, "or": lambda x: x[0] or 1, "not": lambda x: not x[0],
    "chain": lambda x: 0 < x[0] < 1, "in": lambda x: 3 in x, "in a list": lambda x: x[0] in LIST, "any": any, "all": all,
    "filter": lambda x: list(filter(None, x)), "comprehension": lambda x: [v for v in x if v > 0], "sorted": sorted, "max": max,
    "min": min, "max of two": lambda x: max(x[0], x[1]), "max of all": lambda x: max(*x), "list.sort": lambda x: list(x).sort(),
    "list.index": lambda x: LIST.index(x[0]), "list.count": lambda x: LIST.count(x[0]), "heapq": lambda x: heapq.nlargest(1, x),
    "bisect": lambda x: bisect.bisect(LIST, x[0]), "groupby": lambda x: [k for k, _ in itertools.groupby(x)],
    "queue": mishaps.queued,
    "lists compared": lambda x: [x[0]] == [x[1]],
    "dataclasses compared": lambda x: bool(mishaps.Record(x[0]) == mishaps.Record(x[1])),
    "random.sample": lambda x: random.Random(1).sample(LIST, x[0]), "random.shuffle": lambda x: random.Random(1).shuffle(x),
    "assertEqual": lambda x: unittest.TestCase().assertEqual(x, x),  # noqa: PT009
    "assertTrue": lambda x: unittest.TestCase().assertTrue(x[0]),  # noqa: PT009
    "assertAlmostEqual": lambda x: unittest.TestCase().assertAlmostEqual(x[0], x[1]),  # noqa: PT009
    # text
    "f-string with digits": lambda x: f"{x[0]:.2f}", "f-string with a width": lambda x: f"{x[0]:>10}",
    "%f": lambda x: "%f" % x[0], "%d": lambda x: "%d" % x[0], "%x": lambda x: "%x" % x[0],  # noqa: UP031  # as newcomers write it
    "format": lambda x: format(x[0], "d"),
    "concatenation": lambda x: "x is " + x, "concatenation after": lambda x: x + " is x", "html": html.escape,
    "path": pathlib.Path, "open": open, "subprocess": lambda x: subprocess.run([sys.executable, x[0]]),
    # storage
    "JSON by float": lambda x: json.dumps(x, default=float),
    "JSON by tolist": lambda x: json.dumps(x, default=lambda v: v.tolist()),
    "pickle": pickle.dumps, "pickle of old": lambda x: pickle.dumps(x, 0), "pickle of a list": lambda x: pickle.dumps([x]),
    "copy": copy.copy, "deepcopy": copy.deepcopy, "deepcopy of a list": lambda x: copy.deepcopy([x]),
    "asdict": lambda x: dataclasses.asdict(mishaps.Record(x)), "astuple": lambda x: dataclasses.astuple(mishaps.Record(x)),
    "shelve": mishaps.shelved,
    "np.save": lambda x: np.save("a", x), "np.savez": lambda x: np.savez("a", x=x), "np.savetxt": lambda x: np.savetxt("a", x),
    # NumPy: conversions
    "asarray": np.asarray, "array": np.array, "array of a list": lambda x: np.array([x, x]), "float64": lambda x: np.float64(x[0]),
    "array of numbers": lambda x: np.array([x[0], x[1]]), "array of objects": lambda x: np.array(x, dtype=object),
    "objects of a list": lambda x: np.array([x, x], dtype=object), "float array": lambda x: np.asarray(x, dtype=float),
    "array of rows": lambda x: np.array(list(x)), "fromiter": lambda x: np.fromiter(x, float), "from_dlpack": np.from_dlpack,
    "int64": lambda x: np.int64(x[0]), "full": lambda x: np.full(3, x[0]), "zeros": lambda x: np.zeros(x[0]),
    "arange": lambda x: np.arange(x[0]), "masked array": np.ma.array,
    "nditer": np.nditer, "ndenumerate": lambda x: list(np.ndenumerate(x)), "into an array": mishaps.into_an_array,
    "into a slice": mishaps.into_a_slice, "in place": mishaps.in_place, "put": lambda x: np.put(np.zeros(3), [0], x[:1]),
    "copyto": lambda x: np.copyto(np.zeros(x.shape), x), "out": lambda x: np.add(x, 1, out=np.zeros(x.shape)),
    "at": lambda x: np.add.at(np.zeros(3), [0], x[0]), "reduce": np.add.reduce, "frompyfunc": np.frompyfunc(float, 1, 1),
    "vectorize": np.vectorize(float),
    "generator's choice": lambda x: np.random.default_rng(0).choice(x),
    "item assignment": mishaps.item_assignment,
    "item deletion": mishaps.item_deletion, "mask": lambda x: x[x == x],
    "mask of a plain array": lambda x: np.zeros(x.shape)[x == x],
    "index of a plain array": lambda x: np.zeros(3)[x],
    # NumPy: results whose length or order would tell something, and decisions
    "where": np.where, "nonzero": np.nonzero, "argwhere": np.argwhere, "unique": np.unique,
    "assert_allclose": lambda x: np.testing.assert_allclose(x, x), "assert_equal": lambda x: np.testing.assert_equal(x, x),
    "array2string": np.array2string, "array_repr": np.array_repr, "array_str": np.array_str,
    # mishaps.attributes of arrays, series and tensors
    "item": lambda x: x[0].item(), "tolist": lambda x: x.tolist(), "tobytes": lambda x: x.tobytes(), "data": lambda x: x.data,
    "tofile": lambda x: x.tofile("a"), "dumps": lambda x: x.dumps(), "flat": lambda x: x.flat, "view": lambda x: x.view(),
    "interface": lambda x: x.__array_interface__, "structure": lambda x: x.__array_struct__,
    "DLPack": lambda x: x.__dlpack__(), "__array__": lambda x: x.__array__(), "values": lambda x: x.values,
    "numpy": lambda x: x.numpy(), "to_numpy": lambda x: x.to_numpy(), "__dict__": lambda x: x.__dict__,
}  # fmt: skip

EITHER: dict[str, Way] = {
    "astype": lambda x: x.astype(float),
    "sort": np.sort, "argsort": np.argsort, "isnan": np.isnan, "isfinite": np.isfinite, "allclose": lambda x: np.allclose(x, x),
    "array_equal": lambda x: np.array_equal(x, x), "np.round": np.round, "np.any": np.any, "np.all": np.all, "median": np.median,
    "take": lambda x: np.take(LIST, x), "linspace": lambda x: np.linspace(0, x[0], 3), "divmod": lambda x: divmod(x[0], 2),
    "histogram": lambda x: np.histogram(x, LIST)[0], "digitize": lambda x: np.digitize(x, LIST),
    "interpolation": lambda x: np.interp(x, LIST, LIST), "along an axis": lambda x: np.apply_along_axis(float, 0, x),
}  # fmt: skip

SHOWN: dict[str, Way] = {
    "print": mishaps.printed, "repr": repr, "str": str, "ascii": ascii, "f-string": lambda x: f"{x} {x!r} {x!s} {x=}",
    "str.format": lambda x: "{} {!r}".format(x, x), "%s": lambda x: "%s %r" % (x, x),  # noqa: UP031, UP032
    "list": lambda x: str([x]),
    "Template": lambda x: string.Template("$x").substitute(x=x), "join": lambda x: ", ".join(map(str, [x])),
    "logging": mishaps.logged,
    "exception": mishaps.raised, "failed assertion": mishaps.assertion_shown, "rich traceback": mishaps.rich_traceback,
    "warning": mishaps.warned,
    "rich": lambda x: mishaps.on_a_console(lambda console: console.print(x, [x])),
    "rich inspect": lambda x: mishaps.on_a_console(lambda console: rich.inspect(x, console=console, private=True)),
    "locals": mishaps.local_variables,
    "pprint": pprint.pformat, "reprlib": reprlib.repr, "dataclass": lambda x: repr(mishaps.Record(x)),
    "namedtuple": lambda x: repr(mishaps.Row(x)),
    "namespace": lambda x: repr(types.SimpleNamespace(x=x)), "doctest": mishaps.doctested, "displayhook": sys.__displayhook__,
    "members": lambda x: f"{x} {inspect.getmembers_static(x)}", "referents": lambda x: f"{x} {gc.get_referents(x)}",
    "attributes": mishaps.attributes, "JSON by str": lambda x: json.dumps(x, default=str),
    "URL": lambda x: urllib.parse.unquote_plus(urllib.parse.urlencode({"x": x})),
    "CSV": mishaps.written_as_csv, "file": mishaps.printed_into_a_file, "copied list": lambda x: copy.copy([x]),
    "dict value": lambda x: {"x": x},
    "logging a number": mishaps.logged_as_a_number,
}  # fmt: skip

SECRET: dict[str, Way] = {
    "sum": sum, "iteration": lambda x: [v for v in x], "tuple": tuple, "zip": lambda x: next(zip(x, x, strict=True)),  # noqa: C416
    "enumerate": lambda x: [v for _, v in enumerate(x)], "unpacking": mishaps.unpacking, "reversed": lambda x: list(reversed(x)),
    "next": lambda x: next(iter(x)), "map": lambda x: list(map(abs, x * 1)), "random.choice": lambda x: random.Random(1).choice(x),
    "reduce": lambda x: functools.reduce(operator.mul, x[:2]), "objects by fromiter": lambda x: list(np.fromiter(x, object)),
    "deque": collections.deque,
    "math.prod": lambda x: math.prod(x[:2]), "equality": lambda x: x[0] == x[1], "statistics by NumPy": np.mean,
    "rows of a table": lambda x: list(x.reshape(-1, 2)), "copy method": lambda x: x.copy(),
}  # fmt: skip

PYTHON: dict[str, Way] = {
    "memoryview": lambda x: memoryview(x), "frombuffer": lambda x: np.frombuffer(x), "struct": lambda x: struct.pack("d", x[0]),
    "Decimal": lambda x: decimal.Decimal(x[0]), "Fraction": lambda x: fractions.Fraction(x[0]), "vars": lambda x: vars(x),
    "timedelta": lambda x: datetime.timedelta(x[0]), "seed": lambda x: random.Random(x[0]), "joined": lambda x: ", ".join(x),
    "generator's seed": lambda x: np.random.default_rng(x[0]), "int of text": lambda x: int(str(x)),
    "float of text": lambda x: float(f"{x}"), "environment": lambda x: os.environ.update(X=x), "JSON": lambda x: json.dumps(x),
    "JSON of rows": lambda x: json.dumps({"x": list(x)}), "msgspec": lambda x: msgspec.json.encode(mishaps.Model(x)),
    "msgpack": lambda x: msgspec.msgpack.encode(x), "marshal": lambda x: marshal.dumps(x), "write": mishaps.written,
    "sqlite": mishaps.in_a_database, "base64": lambda x: base64.b64encode(x), "SHA-256": lambda x: hashlib.sha256(x),
    "socket": mishaps.sent,
    "BytesIO": lambda x: io.BytesIO(x), "new shape": lambda x: setattr(x, "shape", (1,)), "weakref": lambda x: weakref.ref(x),
    "new attribute": lambda x: setattr(x, "name", "x"), "datetime64": lambda x: np.datetime64(x[0], "s"),
    "power modulo": lambda x: pow(x[0], 2, 5),
}  # fmt: skip

PACKAGES: dict[str, dict[str, Way]] = {  # of those that are installed: how it ends, how it begins
    "pandas": {
        "REFUSED Series": lambda x: mishaps.of_package("pandas", "Series")(x),
        "REFUSED DataFrame": lambda x: mishaps.of_package("pandas", "DataFrame")({"x": x}),
        "REFUSED isna": lambda x: mishaps.of_package("pandas", "isna")(x),
        "SHOWN rows": lambda x: str(mishaps.of_package("pandas", "DataFrame")({"x": list(x)})),
    },
    "pyarrow": {"PYTHON array": lambda x: mishaps.of_package("pyarrow", "array")(x)},
    "polars": {"PYTHON Series": lambda x: mishaps.of_package("polars", "Series")(x)},
    "matplotlib": {"REFUSED plot": lambda x: mishaps.of_package("matplotlib.pyplot", "plot")(x)},
}


def ways() -> dict[str, tuple[str, Way]]:
    """All of them by name, with how they end."""
    found = {name: ("REFUSED", way) for name, way in REFUSED.items()}
    found |= {f"{name}, shown": ("SHOWN", way) for name, way in SHOWN.items()}
    found |= {f"{name}, refused or secret": ("EITHER", way) for name, way in EITHER.items()}
    found |= {f"{name}, secret": ("SECRET", way) for name, way in SECRET.items()}
    found |= {f"{name}, by Python": ("PYTHON", way) for name, way in PYTHON.items()}
    for package, listed in PACKAGES.items():
        if importlib.util.find_spec(package) is not None:
            found |= {f"{package}, {name.partition(' ')[2]}": (name.partition(" ")[0], way) for name, way in listed.items()}
    return found
