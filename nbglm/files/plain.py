"""Nested dictionaries as a text in JSON with arrays of numbers beside it, and back.

The leaves are words, numbers, None, arrays of numbers, and :class:`Words`. Nothing else can be
written, and nothing else can come of reading: no class is named by a file, and no name of a user's
becomes a key.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Words", "manifest_of", "pack", "unpack"]

Arrays = dict[str, NDArray[Any]]

_ARRAY, _WORDS, _NUMBER = "$array", "$words", "$number"


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


def pack(tree: Mapping[str, Any]) -> Arrays:
    """Write a tree as arrays of numbers, one of which is a text in JSON.

    Parameters
    ----------
    tree : mapping
        Of mappings, lists and leaves.

    Returns
    -------
    dict of str to ndarray
        ``manifest``, the text in UTF-8, and arrays that it refers to by their names.

    Raises
    ------
    TypeError
        If a leaf is of another kind.

    Examples
    --------
    >>> arrays = pack({"terms": ["x"], "coef": np.array([1.0])})
    >>> bytes(arrays["manifest"]).decode(), arrays["coef"]
    ('{"terms": ["x"], "coef": {"$array": "coef"}}', array([1.]))
    """
    arrays: Arrays = {}
    text = json.dumps(_packed(tree, "", arrays), allow_nan=False)
    manifest = np.frombuffer(text.encode(), dtype=np.uint8)
    return {"manifest": manifest, **arrays}


def _packed(leaf: Any, name: str, arrays: Arrays) -> Any:
    if isinstance(leaf, Mapping):
        return {word: _packed(part, _below(name, word), arrays) for word, part in leaf.items()}
    if isinstance(leaf, Words):
        letters, ends = leaf.arrays()
        arrays[_below(name, "utf8")], arrays[_below(name, "ends")] = letters, ends
        return {_WORDS: name}
    if isinstance(leaf, list | tuple):
        return [_packed(part, _below(name, str(k)), arrays) for k, part in enumerate(leaf)]
    if isinstance(leaf, np.ndarray):
        if leaf.dtype.kind not in "biuf" or leaf.dtype.itemsize > 8:
            msg = f"an array of dtype {leaf.dtype} cannot be kept"
            raise TypeError(msg)
        arrays[name] = leaf
        return {_ARRAY: name}
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
    >>> arrays = pack({"genes": Words(["a/b", "c"]), "llf": [float("-inf")]})
    >>> unpack(manifest_of(arrays.__getitem__), arrays.__getitem__)
    {'genes': ['a/b', 'c'], 'llf': [-inf]}
    """
    if isinstance(leaf, list):
        return [unpack(part, read) for part in leaf]
    if not isinstance(leaf, dict):
        return leaf
    if set(leaf) == {_ARRAY}:
        return read(_name(leaf[_ARRAY]))
    if set(leaf) == {_WORDS}:
        name = _name(leaf[_WORDS])
        return Words.of_arrays(read(_below(name, "utf8")), read(_below(name, "ends")))
    if set(leaf) == {_NUMBER}:
        return float(leaf[_NUMBER])
    return {word: unpack(part, read) for word, part in leaf.items()}


def _name(given: object) -> str:
    """The name of an array, which is no path."""
    if not isinstance(given, str) or not re.fullmatch(r"\w[\w.]*", given):
        msg = f"an array is called {given!r}"
        raise ValueError(msg)
    return given
