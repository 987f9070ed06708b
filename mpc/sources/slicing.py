"""Slices of descriptions: a mini-batch of a table that was put together is put together of slices, not cut from the whole."""

from __future__ import annotations

from mpc.sources.orders import Expression, Root, View, measured

ELEMENTWISE = ("neg", "add", "sub")


def sliced_first(mask: View) -> Expression:
    """The same mask with its slice taken from the parts of what it slices, where that is as good; else the mask itself.

    A table of many rows is trained on batch by batch. Cutting each batch from the whole would cost the whole every time.
    """
    inner = mask.args[0]
    if mask.op != "slice" or isinstance(inner, Root):
        return mask
    if inner.op == "concat":
        return _of_parts(mask, inner)
    if inner.op in ELEMENTWISE and len({measured(arg)[1] for arg in inner.args}) == 1:
        return View(inner.op, inner.params, tuple(View("slice", mask.params, (arg,)) for arg in inner.args))
    return mask


def _of_parts(mask: View, whole: View) -> Expression:
    (axis,), params = whole.params, mask.params
    start, count, step = params[axis]
    if step != 1 or not count:
        return mask
    parts, at = [], 0
    for arg in whole.args:
        extent = measured(arg)[1][axis]
        low, high = max(start, at), min(start + count, at + extent)
        if low < high:
            parts.append(View("slice", (*params[:axis], (low - at, high - low, 1), *params[axis + 1 :]), (arg,)))
        at += extent
    return sliced_first(parts[0]) if len(parts) == 1 else View("concat", (axis,), tuple(parts))
