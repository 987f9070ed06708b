"""Secure multiparty computation for institutions: parties exchange additive shares, a dealer supplies correlated randomness."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["__version__", "plan_local", "run_local"]


def __getattr__(name: str) -> Any:
    """`mpc.run_local` and `mpc.plan_local`, imported when first asked for, so that importing a submodule stays cheap."""
    if name in ("plan_local", "run_local"):
        from mpc import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'mpc' has no attribute {name!r}")
