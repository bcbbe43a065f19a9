"""Draws of counts, each gene from a random stream of its own.

A negative binomial count is Poisson with a gamma distributed mean. Drawn that way it is right for
every size: ``numpy``'s ``negative_binomial(r, r / (r + mu))`` is biased from ``r = 1e16`` on,
where ``r / (r + mu)`` rounds to 1.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nbglm.exceptions import InputTypeError, OptionError

__all__ = [
    "GeneStreams",
    "Seed",
    "check_means",
    "draw_counts",
    "gene_stream",
    "gene_streams",
    "seed_entropy",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Seed: TypeAlias = int | np.integer[Any] | np.random.SeedSequence | np.random.Generator | None
"""What starts the random streams of all genes: see :func:`seed_entropy`."""

_COUNTS = 0x636F756E7473  # the letters of "counts": the second stream of a gene
_LARGEST_MEAN = 2.0**62
_LARGEST_RATE = 2.0**63 - 10.0 * 2.0**31.5  # numpy's own: beyond, a count may not fit 64 bits


def seed_entropy(seed: Seed) -> tuple[int, ...]:
    """Turn a seed into the integers that start every gene's stream.

    Parameters
    ----------
    seed : int, SeedSequence, Generator or None
        A whole number, from 0 on. A SeedSequence is only read: the same one gives the same streams
        again, and ``SeedSequence(7)`` those of 7. A Generator gives four integers of 64 bits, by
        which it is advanced, so that its next use starts other streams. None takes fresh entropy
        from the operating system.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If `seed` is negative.
    TypeError
        If it is of another kind, such as a float.

    Examples
    --------
    >>> seed_entropy(7), seed_entropy(np.random.SeedSequence(7))
    ((7,), (7,))
    >>> again = [seed_entropy(np.random.default_rng(1)) for _ in range(2)]
    >>> again[0] == again[1], len(again[0])
    (True, 4)
    """
    if seed is None:
        seed = np.random.SeedSequence()
    if isinstance(seed, np.random.SeedSequence):
        if isinstance(seed.entropy, int) and not seed.spawn_key:
            return (seed.entropy,)
        # Whatever else it was made of: entropy in several words, and its place among children.
        return tuple(map(int, seed.generate_state(4, np.uint64)))
    if isinstance(seed, np.random.Generator):
        return tuple(map(int, seed.integers(2**64, size=4, dtype=np.uint64)))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        msg = (
            f"seed must be a whole number, None, or numpy's SeedSequence or Generator, not "
            f"{seed!r} ({type(seed).__name__}); numpy.random.default_rng(0) makes a Generator."
        )
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


class GeneStreams(NamedTuple):
    """The two random streams that a gene's counts are drawn from, cell after cell.

    Since each goes on from cell to cell by itself, the draws do not depend on how many cells are
    drawn at a time.

    Attributes
    ----------
    rates : numpy.random.Generator
        Gamma distributed factors of the means.
    counts : numpy.random.Generator
        Poisson counts.
    """

    rates: np.random.Generator
    counts: np.random.Generator


def gene_streams(entropy: tuple[int, ...], name: str) -> GeneStreams:
    """The two streams of one gene's counts: see :func:`gene_stream`.

    Parameters
    ----------
    entropy : tuple of int
        From :func:`seed_entropy`.
    name : str
        Gene name.

    Returns
    -------
    GeneStreams

    Examples
    --------
    >>> mean, size = np.full(6, 3.0), np.full(6, 2.0)
    >>> whole, parts = (gene_streams((0,), "Pyy") for _ in range(2))
    >>> drawn = [draw_counts(parts, mean[i : i + 2], size[i : i + 2]) for i in (0, 2, 4)]
    >>> bool((draw_counts(whole, mean, size) == np.concatenate(drawn)).all())
    True
    """
    return GeneStreams(gene_stream(entropy, name), gene_stream((*entropy, _COUNTS), name))


def check_means(mean: FloatArray, first: int = 0) -> None:
    """Refuse means that no count can be drawn with.

    Parameters
    ----------
    mean : ndarray
        Means.
    first : int
        Number of the first row, for messages.

    Raises
    ------
    OptionError
        If one is not finite, or too large to count up to.

    Examples
    --------
    >>> check_means(np.array([0.0, 1e9]))
    """
    countable = np.isfinite(mean) & (mean <= _LARGEST_MEAN)
    if not countable.all():
        worst = int(np.argmax(np.where(np.isfinite(mean), mean, np.inf)))
        msg = (
            f"cannot draw a count with mean {mean.ravel()[worst]:g} (row {first + worst}): the new "
            f"rows lie outside the range in which this gene's fit says anything, or their offset "
            f"is too large."
        )
        raise OptionError(msg)


def draw_counts(
    rng: np.random.Generator | GeneStreams, mean: FloatArray, size: FloatArray, first: int = 0
) -> IntArray:
    """Draw one count for each mean and size.

    Parameters
    ----------
    rng : numpy.random.Generator or GeneStreams
        Source of randomness: one for both, or one for the gamma and one for the Poisson draws.
    mean : ndarray
        Means, 0 or more, finite.
    size : ndarray of the same shape
        Sizes from 0 (all draws are 0) to infinity (Poisson).
    first : int
        Number of the first row, for messages.

    Returns
    -------
    ndarray of int64

    Raises
    ------
    ValueError
        If a mean, or what a tiny size makes of it, is not finite or too large to count up to.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> draws = [draw_counts(rng, np.full(10_000, 4.0), np.full(10_000, r)) for r in (0, 2, np.inf)]
    >>> [round(float(counts.mean())) for counts in draws], [int(c.var()) > 5 for c in draws]
    ([0, 4, 4], [False, True, False])
    """
    rates, poisson = rng if isinstance(rng, GeneStreams) else (rng, rng)
    check_means(mean, first)
    overdispersed = np.isfinite(size) & (size > 0)
    shape = np.where(overdispersed, size, 1.0)
    # Both draws are made for every row, so that one gene's limits do not shift its other draws.
    factor = rates.standard_gamma(shape) / shape
    rate = np.where(overdispersed, mean * factor, np.where(size > 0, mean, 0.0))
    if rate.max(initial=0.0) > _LARGEST_RATE:
        msg = (
            f"a draw exceeds what a 64-bit count can hold: a mean of {mean.max():g} with a size "
            f"of {size.min():g} has counts without a bound."
        )
        raise OptionError(msg)
    return poisson.poisson(rate)
