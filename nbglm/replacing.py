"""New files take the place of old ones when they are whole, and not before.

What is written goes beside its place, on the same disk, under a name that begins with a dot; it is
renamed at the end. Whatever comes in between, a full disk, Ctrl-C or the end of the process, what
was there before stays as it was, and there is never half a file under the final name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing", "room_beside"]


@contextmanager
def room_beside(path: Path) -> Iterator[Path]:
    """A new folder beside a file, gone with all that is in it in the end.

    Parameters
    ----------
    path : Path
        The file, which need not be there.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    OSError
        If nothing can be written there; its ``filename`` is that of the folder asked for.
    """
    try:
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        error.filename = str(path.parent)
        raise
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file, or a folder such as a zarr store, that appears when it is whole.

    Parameters
    ----------
    path : Path
        Its final name.

    Yields
    ------
    Path
        Where to write in the meantime, a name with the same suffix. If the block ends without an
        error, what is there takes the place of `path`.

    Raises
    ------
    OSError
        If nothing can be written there.

    Examples
    --------
    >>> place = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(place) as new:
    ...     _ = new.write_text("whole")
    ...     place.exists()
    False
    >>> place.read_text(), len(list(place.parent.iterdir()))
    ('whole', 1)
    """
    with room_beside(path) as room:
        new, old = room / path.name, room / "old"
        yield new
        if not os.path.lexists(path) or not (new.is_dir() or path.is_dir()):
            new.replace(path)
            return
        # A folder replaces nothing in one step: what is there goes aside for a moment.
        path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise
