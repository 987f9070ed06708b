"""The compiled kernel. Importing this module fails with ImportError where the extension was not built."""

from __future__ import annotations

from mpc.errors import UsageError
from mpc.kernel import _native
from mpc.kernel.bits import NativeBits
from mpc.kernel.passes import NativePasses
from mpc.kernel.products import NativeProducts
from mpc.kernel.reference import ReferenceKernel
from mpc.kernel.waves import NativeWaves


def paths() -> tuple[str, ...]:
    """The instruction sets this processor can use, fastest first: of avx512, avx2 and portable."""
    return tuple(path for path in _native.paths().split() if path != "-")


class NativeKernel(NativeProducts, NativeBits, NativeWaves, NativePasses, ReferenceKernel):
    """Everything in C++ for one instruction set ("auto": the fastest), but for words over GF(2)^k, where NumPy is as fast.

    A large product is divided among `threads` threads.
    """

    name = "native"

    def __init__(self, path: str = "auto", threads: int = 1) -> None:
        usable = paths()
        if path not in ("auto", *usable):
            raise UsageError(f"This processor cannot run the path {path!r}.", do=f"Choose auto, {', '.join(usable)}.")
        if not 1 <= threads <= 256:
            raise UsageError(f"A kernel cannot use {threads} threads.", do="Choose from 1 to 256.")
        self.path, self.threads = usable[0] if path == "auto" else path, threads
        self._set = _native.paths().split().index(self.path)
