"""What a compressed chunk would become, which is asked before it is unpacked.

A few thousand bytes can be made to unpack into more than any machine has. A chunk that claims, or
turns out, to hold more than a chunk of its array does is refused.
"""

from __future__ import annotations

import zlib

__all__ = ["CODECS", "inflates_to", "unpacked_size"]

CODECS = frozenset({"bytes", "zstd", "blosc", "lz4"})
"""How arrays of zarr may be packed: in ways that say first how large they are."""


def unpacked_size(codec: str, start: bytes) -> int:
    """What a chunk says that it holds.

    Parameters
    ----------
    codec : str
        How it is packed.
    start : bytes
        Its first bytes, 18 if it has as many.

    Returns
    -------
    int
        In bytes.

    Raises
    ------
    ValueError
        If it does not say.

    Examples
    --------
    >>> unpacked_size("lz4", bytes([16, 1, 0, 0]))
    272
    """
    size = -1
    if codec == "blosc" and len(start) >= 16:
        size = int.from_bytes(start[4:8], "little")
    elif codec == "lz4" and len(start) >= 4:
        size = int.from_bytes(start[:4], "little")
    elif codec == "zstd" and start[:4] == b"\x28\xb5\x2f\xfd":
        size = _zstd_size(start)
    if size < 0:
        msg = f"a chunk does not say what it holds ({codec})"
        raise ValueError(msg)
    return size


def _zstd_size(start: bytes) -> int:
    """The content size in the header of a frame (RFC 8878, 3.1.1.1); -1 if there is none."""
    flags = start[4] if len(start) > 4 else 0
    single, dictionary = bool(flags & 0x20), (0, 1, 2, 4)[flags & 3]
    width = (1 if single else 0, 2, 4, 8)[flags >> 6]
    begin = 5 + (not single) + dictionary
    if width == 0 or len(start) < begin + width:
        return -1
    return int.from_bytes(start[begin : begin + width], "little") + (256 if width == 2 else 0)


def inflates_to(packed: bytes, most: int) -> bool:
    """Whether a chunk packed by deflate holds no more than it may.

    Parameters
    ----------
    packed : bytes
        The chunk.
    most : int
        How many bytes it may hold.

    Returns
    -------
    bool

    Examples
    --------
    >>> inflates_to(zlib.compress(bytes(1000)), 1000), inflates_to(zlib.compress(bytes(1001)), 1000)
    (True, False)
    """
    return len(zlib.decompressobj().decompress(packed, most + 1)) <= most
