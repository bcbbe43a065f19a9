"""How far apart two distributions are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["beside_trend", "distances"]

FloatArray = NDArray[np.float64]

_BINS = 20


def distances(reference: FloatArray, other: FloatArray, *, paired: bool) -> dict[str, Any]:
    """Distances between two samples of a property.

    Parameters
    ----------
    reference, other : ndarray
        The samples; what is not finite is left out.
    paired : bool
        Whether they are of the same things in the same order.

    Returns
    -------
    dict
        ``n_reference`` and ``n``, their sizes; ``median_reference`` and ``median``; ``ks``, the
        largest difference of the distribution functions; ``wasserstein``, the mean difference of
        quantiles; ``scaled``, the same over the standard deviation of the reference; ``rmse`` of
        pairs.

    Examples
    --------
    >>> found = distances(np.array([0.0, 2.0]), np.array([1.0, 3.0]), paired=True)
    >>> found["ks"], found["wasserstein"], found["scaled"], found["rmse"]
    (0.5, 1.0, 1.0, 1.0)
    """
    from scipy.stats import wasserstein_distance  # takes a while to import

    rmse = np.nan
    if paired:
        both = np.isfinite(reference) & np.isfinite(other)
        if both.any():
            rmse = float(np.sqrt(np.mean((reference[both] - other[both]) ** 2)))
    # Rounded, since the same values that were summed in another order are the same.
    one, two = (np.sort(np.round(part[np.isfinite(part)], 10)) for part in (reference, other))
    found = {
        "n_reference": one.size,
        "n": two.size,
        "median_reference": np.nan,
        "median": np.nan,
        "ks": np.nan,
        "wasserstein": np.nan,
        "scaled": np.nan,
        "rmse": rmse,
    }
    if not one.size or not two.size:
        return found
    every = np.concatenate([one, two])
    shares = [np.searchsorted(part, every, side="right") / part.size for part in (one, two)]
    apart = float(wasserstein_distance(one, two))
    deviation = float(one.std())
    found |= {
        "median_reference": float(np.median(one)),
        "median": float(np.median(two)),
        "ks": float(np.abs(shares[0] - shares[1]).max()),
        "wasserstein": apart,
        "scaled": apart / deviation if deviation > 0.0 else np.nan if apart else 0.0,
    }
    return found


def beside_trend(
    reference: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """What is left of a relation once the reference's own trend is taken off.

    Parameters
    ----------
    reference, other : tuple of ndarray
        ``x`` and ``y`` of each.

    Returns
    -------
    tuple of ndarray
        ``y`` less the running median of the reference at ``x``, for each.

    Examples
    --------
    >>> x = np.arange(100.0)
    >>> one, two = beside_trend((x, 2.0 * x), (x, 2.0 * x + 1.0))
    >>> float(np.median(one)), float(np.median(two))
    (0.0, 1.0)
    """
    x, y = reference
    order = np.argsort(x, kind="stable")
    parts = [part for part in np.array_split(order, min(_BINS, max(x.size // 5, 1))) if part.size]
    places = [float(np.median(x[part])) for part in parts]
    levels = [float(np.median(y[part])) for part in parts]
    return y - np.interp(x, places, levels), other[1] - np.interp(other[0], places, levels)
