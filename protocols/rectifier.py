"""The rectifier max(x, 0), and its derivative as a bit that is already open under its mask."""

from __future__ import annotations

import numpy as np

from mpc.conformance import realizes, signed
from mpc.kernel import digit_layout
from mpc.session import Session
from mpc.sharing.share import Share, selected, truncated
from mpc.sources.correlations import DigitTables
from mpc.sources.selections import GatedTruncation
from protocols.arithmetic import size
from protocols.bits import bits, comparison_cost, difference_bit, difference_cost, negative, select, tables_cost
from protocols.windows import GUARD, WIDTH, opened, placed, window_cost, window_error, within


@realizes(
    lambda x: (np.maximum(x, 0), (x >= 0) * 1), domain=(signed(31),), rounds=4, params={"low": 31},
    online=lambda x: 8 * size(x) + comparison_cost(31, size(x))[0] - 4 * size(x) + bits(size(x)),
    dealt=lambda x: comparison_cost(31, size(x))[1] + 16 * size(x),
)  # fmt: skip
def relu(s: Session, x: Share, low: int) -> tuple[Share, Share]:
    """([max(x, 0)], <x >= 0>) for |x| < 2^low: x's opening, what `negative` costs an open x, 1 round for 1 bit, 16 B dealt.

    The bit is open under its mask: a backward pass that selects by it sends no bit again.
    """
    s.mask(x)
    positive = negative(s, x, low) + 1
    s.mask(positive)
    return select(s, positive, x), positive


def _fused_cost(n: int, guard: int = GUARD, width: int = WIDTH) -> tuple[int, int]:
    online, dealt = window_cost(n, guard, width)
    combining, products = difference_cost(digit_layout(width - 2)[0], n)
    return online + combining + bits(n), 2 * dealt + 8 * n + tables_cost(width - 2, n) + products


@realizes(
    lambda x: (np.maximum(x, 0) / 2**16, (x >= 0) * 1), domain=(within(16),), error=window_error(5), rounds=4, params={"f": 16},
    online=lambda x: _fused_cost(size(x))[0], dealt=lambda x: _fused_cost(size(x))[1],
)  # fmt: skip
@realizes(
    lambda x: (np.maximum(x, 0) / 2**16, (x >= 0) * 1), domain=(within(16, 4, 24),), error=window_error(5), rounds=4,
    params={"f": 16, "width": 24},
    online=lambda x: _fused_cost(size(x), 4, 24)[0], dealt=lambda x: _fused_cost(size(x), 4, 24)[1],
)  # fmt: skip
def relu_truncated(s: Session, x: Share, f: int, guard: int = GUARD, width: int = WIDTH) -> tuple[Share, Share]:
    """([max(x, 0) / 2^f], <x >= 0>) for |x| <= `window_limit`: one window, 4 rounds, 6 B online, 52 B dealt at 32 bits.

    At most `window_error` units off: where |x| < n 2^(f-guard-1) the bit may be wrong, and then both 0 and the truncated x are
    right within a unit. As `truncate_window`, not linear; the twin is `arithmetic.truncate`, then `relu`.

    With v = P - h + q t 2^k the truncation, P and q public, and b = b' + (1 - 2 b') rho the sign: b v needs rho, h, t, rho h,
    rho t.
    """
    c, r = opened(s, x, f, guard, width)
    positive = difference_bit(s, c, s.draw(DigitTables(r, width - 2)), width - 2) + 1
    sign, rho = s.mask(positive)
    high, top, gate, gated_high, gated_top = s.draw(GatedTruncation(r, rho, width, guard))
    M, down = placed(c, width), 64 - width + guard
    P = ((M + (1 << 62)) >> down) - (1 << 62 - down)
    gated = truncated(M, gated_high, gated_top, down)  # P + rho (v - P)
    value = selected(sign, truncated(M, high, top, down), P, gate - 1, -gated)
    return value.reshape(x.shape), positive.reshape(x.shape)
