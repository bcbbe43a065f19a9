"""Exponential and logarithm without branches, so that loops over them run in vector registers.

Both take the exponent of a double apart as an integer. Where ``log1p(x)`` appears in the
likelihood it is always as a share of ``x`` that must keep its relative accuracy as ``x`` vanishes:
:func:`ratio_terms` gives the four such shares that the package needs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from nbglm.kernels.compiled import scalar

__all__ = ["excess_terms", "exp", "log", "ratio_terms", "relative_excess"]

_LOG2_E = 1.0 / math.log(2.0)
# log 2 in two parts, of which the first has so few digits that its multiples are exact.
_LOG2_HIGH = float(np.float32(math.log(2.0)))
_LOG2_LOW = -1.904654299957767878541823e-9  # from mpmath
_ROUND = 1.5 * 2.0**52  # added to a number below 2^51, this leaves it rounded in the last bits
_LOWEST, _HIGHEST = -708.0, 709.0  # exp stays a normal number
_C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12, _C13 = (
    1.0 / math.factorial(k) for k in range(3, 14)
)
_ROOT_HALF = int(np.float64(math.sqrt(0.5)).view(np.int64))
_LARGEST_RATIO = 1e300


@intrinsic
def _bits(context: Any, number: Any) -> Any:  # noqa: ARG001 - numba passes it
    """The bits of a double as an integer."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def _double(context: Any, number: Any) -> Any:  # noqa: ARG001 - numba passes it
    """The double that has these bits."""

    def generate(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@scalar
def exp(x: float) -> float:
    """``exp(x)`` to the last bit but one; ``exp(-708)`` below that, infinite from 709 on.

    With ``x = k log 2 + f`` and ``|f| <= log(2) / 2`` it is ``2**k`` times the Taylor polynomial of
    degree 13, which leaves 4e-18.
    """
    shifted = min(max(x, _LOWEST), _HIGHEST) * _LOG2_E + _ROUND
    k = shifted - _ROUND
    f = (min(max(x, _LOWEST), _HIGHEST) - k * _LOG2_HIGH) - k * _LOG2_LOW
    series = _C13
    series = series * f + _C12
    series = series * f + _C11
    series = series * f + _C10
    series = series * f + _C9
    series = series * f + _C8
    series = series * f + _C7
    series = series * f + _C6
    series = series * f + _C5
    series = series * f + _C4
    series = series * f + _C3
    series = series * f + 0.5
    series = series * f + 1.0
    series = series * f + 1.0
    return math.inf if x > _HIGHEST else series * _double((_bits(shifted) + 1023) << 52)


@scalar
def relative_excess(x: float) -> float:
    """``(x - log1p(x)) / x`` for ``-0.3 < x < 0.42``, to full relative accuracy.

    With ``s = x / (2 + x)``, ``log1p(x) = 2 atanh(s)``, hence
    ``x - log1p(x) = s x - 2 s**3 (1/3 + s**2/5 + ...)``, where nothing cancels.
    """
    inverse = 1.0 / (2.0 + x)
    s = x * inverse
    u = s * s
    tail = 1.0 / 21.0
    tail = tail * u + 1.0 / 19.0
    tail = tail * u + 1.0 / 17.0
    tail = tail * u + 1.0 / 15.0
    tail = tail * u + 1.0 / 13.0
    tail = tail * u + 1.0 / 11.0
    tail = tail * u + 1.0 / 9.0
    tail = tail * u + 1.0 / 7.0
    tail = tail * u + 1.0 / 5.0
    tail = tail * u + 1.0 / 3.0
    return s - 2.0 * u * inverse * tail


@scalar
def log(x: float) -> float:
    """``log(x)`` for a normal positive number, as ``k log 2 + log1p(f)``."""
    bits = _bits(x)
    k = (bits - _ROOT_HALF) >> 52
    f = _double(bits - (k << 52)) - 1.0
    return k * _LOG2_HIGH + (k * _LOG2_LOW + f * (1.0 - relative_excess(f)))


@scalar
def ratio_terms(x: float) -> tuple[float, float, float, float]:
    """What the likelihood needs of the ratio ``x >= 0`` of a mean to a size.

    Parameters
    ----------
    x : float
        The ratio; everything above 1e300 is as 1e300.

    Returns
    -------
    p, q, share, gap : float
        ``1 / (1 + x)``, ``x / (1 + x)``, ``log1p(x) / x`` and ``(q - log1p(x)) / x``, each to full
        relative accuracy; 1, 0, 1 and 0 at ``x = 0``.
    """
    x = min(x, _LARGEST_RATIO)
    whole = 1.0 + x
    p = 1.0 / whole
    q = x * p
    bits = _bits(whole)
    k = (bits - _ROOT_HALF) >> 52
    small = k == 0
    # Where 1 + x needs no scaling, x itself has the digits that 1 + x has lost.
    f = x if small else _double(bits - (k << 52)) - 1.0
    excess = relative_excess(f)
    log1p_x = k * _LOG2_HIGH + (k * _LOG2_LOW + f * (1.0 - excess))
    share = 1.0 - excess if small else log1p_x / x
    return p, q, share, (excess - q if small else p - share)


@scalar
def excess_terms(x: float, whole: float) -> tuple[float, float, float]:
    """What deviances need of a relative change ``x >= -1``.

    Parameters
    ----------
    x : float
        The change; at most 1e300.
    whole : float
        ``1 + x``, which has digits that `x` has lost where it is small.

    Returns
    -------
    excess, rise, share : float
        ``(x - log1p(x)) / x``, ``((1 + x) log1p(x) - x) / x`` and ``log1p(x) / x``, each to full
        relative accuracy; the first two vanish with `x` and have its sign.
    """
    bits = _bits(whole)
    k = (bits - _ROOT_HALF) >> 52
    near = k == 0
    f = x if near else _double(bits - (k << 52)) - 1.0
    excess = relative_excess(f)
    share = (k * _LOG2_HIGH + (k * _LOG2_LOW + f * (1.0 - excess))) / (1.0 if near else x)
    return (
        excess if near else 1.0 - share,
        x - whole * excess if near else whole * share - 1.0,
        1.0 - excess if near else share,
    )
