"""Nested dictionaries as a text in JSON with arrays of numbers beside it, and back.

The leaves are words, numbers, None, arrays of numbers, and :class:`Words`. Nothing else can be
written, and nothing else can come of reading: no class is named by a file, and no name of a user's
becomes a key.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Words", "digest", "manifest_of", "pack", "unpack"]

Arrays = dict[str, NDArray[Any]]

_ARRAY, _WORDS, _NUMBER, _DIGEST = "$array", "$words", "$number", "sha256"
_INLINE, _SHAPE, _DTYPE = "$numbers", "shape", "dtype"
_FEW = 32  # numbers or texts, which stand in the text itself rather than in an array of their own
_MANIFEST_DIGEST = "manifest_sha256"


class Words(list[str]):
    """A long list of texts, which is written as arrays of numbers.

    Examples
    --------
    >>> Words(["Pyy", "a/b"])
    ['Pyy', 'a/b']
    """

    def arrays(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """All of them in UTF-8, one after the other, and where each ends."""
        parts = [text.encode("utf-8", "surrogatepass") for text in self]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        return np.frombuffer(b"".join(parts), dtype=np.uint8), ends

    @classmethod
    def of_arrays(cls, letters: NDArray[Any], ends: NDArray[Any]) -> Words:
        """The texts that :meth:`arrays` made such arrays of."""
        if letters.dtype != np.uint8 or ends.dtype.kind not in "iu" or ends.ndim != 1:
            msg = "texts are not stored as bytes and their ends"
            raise ValueError(msg)
        stops = [0, *ends.tolist()]
        sound = all(a <= b for a, b in pairwise(stops))
        if not sound or stops[-1] != letters.size:
            msg = "texts do not end where they should"
            raise ValueError(msg)
        whole = letters.tobytes()
        return cls(whole[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(stops))


def digest(*arrays: NDArray[Any]) -> str:
    """By what arrays are known again, whatever order of bytes or lines they are stored in.

    Parameters
    ----------
    *arrays : ndarray
        Of numbers.

    Returns
    -------
    str
        The first half of their SHA-256.

    Examples
    --------
    >>> digest(np.array([1.0])) == digest(np.array([1.0], dtype=">f8"))
    True
    """
    known = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        known.update(f"{plain.dtype.str} {array.shape} ".encode())
        known.update(plain.reshape(-1).view(np.uint8).data)
    return known.hexdigest()[:32]


def pack(tree: Mapping[str, Any]) -> Arrays:
    """Write a tree as arrays of numbers, one of which is a text in JSON.

    Parameters
    ----------
    tree : mapping
        Of mappings, lists and leaves.

    Returns
    -------
    dict of str to ndarray
        ``manifest``, the text in UTF-8, its digest, and arrays that it refers to by their names,
        with their digests.

    Raises
    ------
    TypeError
        If a leaf is of another kind.

    Examples
    --------
    >>> arrays = pack({"terms": ["x"], "coef": np.arange(1000.0)})
    >>> bytes(arrays["manifest"]).decode()[:41], arrays["coef"].size
    ('{"terms": ["x"], "coef": {"$array": "coef', 1000)
    """
    arrays: Arrays = {}
    text = json.dumps(_packed(tree, "", arrays), allow_nan=False)
    manifest = np.frombuffer(text.encode(), dtype=np.uint8)
    known = np.frombuffer(bytes.fromhex(digest(manifest)), dtype=np.uint8)
    return {"manifest": manifest, _MANIFEST_DIGEST: known, **arrays}


def _packed(leaf: Any, name: str, arrays: Arrays) -> Any:
    if isinstance(leaf, Mapping):
        return {word: _packed(part, _below(name, word), arrays) for word, part in leaf.items()}
    if isinstance(leaf, Words) and len(leaf) > _FEW:
        letters, ends = leaf.arrays()
        arrays[_below(name, "utf8")], arrays[_below(name, "ends")] = letters, ends
        return {_WORDS: name, _DIGEST: digest(letters, ends)}
    if isinstance(leaf, list | tuple):
        return [_packed(part, _below(name, str(k)), arrays) for k, part in enumerate(leaf)]
    return _packed_array(leaf, name, arrays) if isinstance(leaf, np.ndarray) else _scalar(leaf)


def _packed_array(leaf: NDArray[Any], name: str, arrays: Arrays) -> Any:
    if leaf.dtype.kind not in "biuf" or leaf.dtype.itemsize > 8:
        msg = f"an array of dtype {leaf.dtype} cannot be kept"
        raise TypeError(msg)
    if leaf.size <= _FEW:
        numbers = [_scalar(number) for number in leaf.ravel().tolist()]
        return {_INLINE: numbers, _SHAPE: list(leaf.shape), _DTYPE: leaf.dtype.str[1:]}
    arrays[name] = leaf
    return {_ARRAY: name, _DIGEST: digest(leaf)}


def _scalar(leaf: Any) -> Any:
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return {_NUMBER: repr(leaf)}
    if leaf is None or isinstance(leaf, bool | int | float | str):
        return leaf
    msg = f"a {type(leaf).__name__} cannot be kept"
    raise TypeError(msg)


def _below(name: str, word: str) -> str:
    return f"{name}.{word}" if name else word


def manifest_of(read: Callable[[str], NDArray[Any]]) -> dict[str, Any]:
    """The text in JSON that :func:`pack` wrote, in which arrays are only named.

    Parameters
    ----------
    read : callable
        From the name of an array to the array.

    Returns
    -------
    dict

    Raises
    ------
    ValueError, TypeError, KeyError, RecursionError
        If it is damaged.
    """
    manifest = read("manifest")
    if manifest.dtype != np.uint8 or manifest.ndim != 1:
        msg = "its manifest is no text"
        raise ValueError(msg)
    if bytes.fromhex(digest(manifest)) != read(_MANIFEST_DIGEST).tobytes():
        msg = "its manifest is not what was written"
        raise ValueError(msg)
    told = json.loads(manifest.tobytes())
    if not isinstance(told, dict):
        msg = "its manifest is no mapping"
        raise TypeError(msg)
    return told


def unpack(leaf: Any, read: Callable[[str], NDArray[Any]]) -> Any:
    """Put its arrays into a manifest, or a part of it.

    Parameters
    ----------
    leaf : dict, list, str or number
        The part.
    read : callable
        From the name of an array to the array.

    Returns
    -------
    dict, list, str or number
        What :func:`pack` was given.

    Raises
    ------
    ValueError, TypeError, KeyError, RecursionError
        If it is damaged.

    Examples
    --------
    >>> arrays = pack({"genes": Words(["a/b", "c"]), "llf": np.array([-np.inf])})
    >>> unpack(manifest_of(arrays.__getitem__), arrays.__getitem__)
    {'genes': ['a/b', 'c'], 'llf': array([-inf])}
    """
    if isinstance(leaf, list):
        return [unpack(part, read) for part in leaf]
    if not isinstance(leaf, dict):
        return leaf
    known = _KINDS.get(frozenset(leaf))
    return known(leaf, read) if known else {word: unpack(leaf[word], read) for word in leaf}


def _array(leaf: Mapping[str, Any], read: Callable[[str], NDArray[Any]]) -> NDArray[Any]:
    name = _name(leaf[_ARRAY])
    return _same(name, leaf[_DIGEST], read(name))[0]


def _words(leaf: Mapping[str, Any], read: Callable[[str], NDArray[Any]]) -> Words:
    name = _name(leaf[_WORDS])
    parts = (read(_below(name, part)) for part in ("utf8", "ends"))
    return Words.of_arrays(*_same(name, leaf[_DIGEST], *parts))


def _number(leaf: Mapping[str, Any], _read: object = None) -> float:
    return float(leaf[_NUMBER])


def _few_numbers(leaf: Mapping[str, Any], _read: object) -> NDArray[Any]:
    """An array that stands in the text."""
    dtype = np.dtype(str(leaf[_DTYPE]))
    if dtype.kind not in "biuf" or len(leaf[_INLINE]) > _FEW:
        msg = f"{len(leaf[_INLINE])} numbers are stored as {dtype}"
        raise ValueError(msg)
    numbers = [_number(part) if isinstance(part, dict) else part for part in leaf[_INLINE]]
    return np.array(numbers, dtype=dtype).reshape([int(size) for size in leaf[_SHAPE]])


_KINDS: Mapping[frozenset[str], Callable[..., Any]] = {
    frozenset({_ARRAY, _DIGEST}): _array,
    frozenset({_WORDS, _DIGEST}): _words,
    frozenset({_INLINE, _SHAPE, _DTYPE}): _few_numbers,
    frozenset({_NUMBER}): _number,
}
"""What stands for a leaf that JSON does not have, by its keys."""


def _same(name: str, known: object, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The arrays, if they are what was written."""
    if digest(*arrays) != known:
        msg = f"its array {name!r} is not what was written"
        raise ValueError(msg)
    return arrays


def _name(given: object) -> str:
    """The name of an array, which is no path."""
    if not isinstance(given, str) or not re.fullmatch(r"\w[\w.]*", given):
        msg = f"an array is called {given!r}"
        raise ValueError(msg)
    return given
