"""Draws of counts, each gene from a random stream of its own.

A negative binomial count is Poisson with a gamma distributed mean. Drawn that way it is right for
every size: ``numpy``'s ``negative_binomial(r, r / (r + mu))`` is biased from ``r = 1e16`` on,
where ``r / (r + mu)`` rounds to 1.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, OptionError

__all__ = ["draw_counts", "gene_stream", "seed_entropy"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LARGEST_MEAN = 2.0**62


def seed_entropy(seed: int | np.random.SeedSequence | None) -> tuple[int, ...]:
    """Turn a seed into the integers that start every gene's stream.

    Parameters
    ----------
    seed : int, SeedSequence or None
        None takes fresh entropy from the operating system.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If `seed` is negative.
    TypeError
        If it is not a whole number.

    Examples
    --------
    >>> seed_entropy(7)
    (7,)
    """
    if isinstance(seed, np.random.SeedSequence):
        entropy = seed.entropy
        start = (entropy or 0,) if entropy is None or isinstance(entropy, int) else tuple(entropy)
        return (*start, *seed.spawn_key)
    if seed is None:
        return (int(np.random.SeedSequence().entropy),)  # type: ignore[arg-type]
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        msg = f"seed must be a whole number or None, not {seed!r} ({type(seed).__name__})."
        raise InputTypeError(msg)
    if seed < 0:
        msg = f"seed must not be negative; got {seed}."
        raise OptionError(msg)
    return (int(seed),)


def gene_stream(entropy: tuple[int, ...], name: str) -> np.random.Generator:
    """The random stream of one gene.

    Keyed by the gene's name, so that its draws do not depend on which other genes are drawn, in
    what order, or by how many workers.

    Parameters
    ----------
    entropy : tuple of int
        From :func:`seed_entropy`.
    name : str
        Gene name.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> first, again = (gene_stream((0,), "Pyy").integers(1000) for _ in range(2))
    >>> bool(first == again)
    True
    """
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([*entropy, *words])))


def draw_counts(rng: np.random.Generator, mean: FloatArray, size: FloatArray) -> IntArray:
    """Draw one count for each mean and size.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    mean : ndarray
        Means, 0 or more, finite.
    size : ndarray of the same shape
        Sizes from 0 (all draws are 0) to infinity (Poisson).

    Returns
    -------
    ndarray of int64

    Raises
    ------
    ValueError
        If a mean is not finite or too large to count up to.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draws = [draw_counts(rng, np.full(10_000, 4.0), np.full(10_000, r)) for r in (0, 2, np.inf)]
    >>> [round(float(counts.mean())) for counts in draws], [int(c.var()) > 5 for c in draws]
    ([0, 4, 4], [False, True, False])
    """
    if not np.all(np.isfinite(mean)) or mean.max(initial=0.0) > _LARGEST_MEAN:
        worst = int(np.argmax(np.where(np.isfinite(mean), mean, np.inf)))
        msg = (
            f"cannot draw a count with mean {mean.ravel()[worst]:g} (row {worst}): the new rows "
            f"lie outside the range in which this gene's fit says anything."
        )
        raise OptionError(msg)
    overdispersed = np.isfinite(size) & (size > 0)
    shape = np.where(overdispersed, size, 1.0)
    # Both draws are made for every row, so that one gene's limits do not shift its other draws.
    factor = rng.standard_gamma(shape) / shape
    rate = np.where(overdispersed, mean * factor, np.where(size > 0, mean, 0.0))
    if rate.max(initial=0.0) > _LARGEST_MEAN:
        msg = (
            f"a draw exceeds what a 64-bit count can hold: a mean of {mean.max():g} with a size "
            f"of {size.min():g} has counts without a bound."
        )
        raise OptionError(msg)
    return rng.poisson(rate)
