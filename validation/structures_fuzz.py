"""Random sparse structures, sound and damaged, read in child processes that may crash.

``python validation/structures_fuzz.py [--structures 10000] [--seed 0] [--batch 250]``

Each structure is a small table of counts as CSR, CSC (matrix or array, whole or as a view of an
AnnData), COO, BSR, DIA, LIL, DOK, a dask array of dense or sparse chunks, or a sparse group of an
HDF5 file or a zarr store; most of them are damaged in one way or several: indices out of range,
pointers that fall, begin late, end early or lead beyond the values, lengths that differ, floats
for indices, values that are no counts, chunks of another shape than was promised, arrays that
another thread changes meanwhile. What a structure means is worked out entry by entry in plain
Python. A sound one must give that table and, through a fit, the numbers of the dense table; a
damaged one must be refused with a CountsError. Anything else is printed with its seed, and so is
the death of a child.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
from scipy import sparse

import nbglm
from nbglm.counts.table import read_counts

OUTCOMES = ("equals the dense answer", "refused with CountsError", "neither", "crashed")
FAR = (10**6, 2**31 - 1, 2**40)


@dataclass
class Parts:
    """The arrays of a compressed matrix, before anything holds them to be one."""

    layout: str
    shape: tuple[int, int]
    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    done: list[str] = field(default_factory=list)


def random_table(rng: np.random.Generator) -> np.ndarray:
    """Counts of a few cells and genes."""
    shape = int(rng.integers(2, 30)), int(rng.integers(1, 9))
    table = rng.poisson(rng.gamma(0.5, 3.0, shape[1]), shape)
    dtype = rng.choice(["f4", "f8", "i4", "i8", "u1", "u2", "?"])
    return (table > 0).astype(bool) if dtype == "?" else table.clip(0, 255).astype(dtype)


def parts_of(table: np.ndarray, layout: str, rng: np.random.Generator) -> Parts:
    """Compressed rows or columns, in some order, maybe with zeros and entries that are twice."""
    lines = table if layout == "csr" else table.T
    indices: list[int] = []
    data: list[Any] = []
    indptr = [0]
    messy = rng.random() < 0.4
    for line in lines:
        entries = [(k, line[k]) for k in np.flatnonzero(line)]
        if messy:
            zeros = rng.integers(0, line.size, rng.integers(0, 3))
            entries += [(int(k), line.dtype.type(0)) for k in zeros]
            rng.shuffle(entries)
        indices += [int(k) for k, _ in entries]
        data += [value for _, value in entries]
        indptr.append(len(indices))
    width = rng.choice([np.int32, np.int64])
    return Parts(
        layout,
        (int(table.shape[0]), int(table.shape[1])),
        np.array(data, dtype=table.dtype),
        np.array(indices, dtype=width),
        np.array(indptr, dtype=width),
    )


def _somewhere(values: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.integers(0, values.size))


def _too_large(parts: Parts, rng: np.random.Generator) -> None:
    minors = parts.shape[1] if parts.layout == "csr" else parts.shape[0]
    if parts.indices.size and parts.indices.dtype.kind == "i":
        far = int(rng.choice([minors, minors + 1, *FAR]))
        if far > np.iinfo(parts.indices.dtype).max:
            parts.indices = parts.indices.astype(np.int64)
        parts.indices[_somewhere(parts.indices, rng)] = far


def _negative(parts: Parts, rng: np.random.Generator) -> None:
    if parts.indices.size:
        parts.indices[_somewhere(parts.indices, rng)] = -int(rng.choice([1, 2, 10**6]))


def _pointer(parts: Parts, rng: np.random.Generator) -> None:
    change = int(rng.choice([-1, 1, 5, -3, 10**6]))
    parts.indptr[_somewhere(parts.indptr, rng)] += change


def _pointer_length(parts: Parts, rng: np.random.Generator) -> None:
    shorter = rng.random() < 0.5
    parts.indptr = parts.indptr[:-1] if shorter else np.append(parts.indptr, parts.indptr[-1])


def _lengths(parts: Parts, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        parts.data = parts.data[: parts.data.size // 2]
    else:
        parts.indices = parts.indices[: parts.indices.size // 2]


def _room(parts: Parts, rng: np.random.Generator) -> None:
    """Entries beyond the last pointer, as scipy leaves them in memory."""
    more = int(rng.integers(1, 4))
    parts.data = np.append(parts.data, np.zeros(more, parts.data.dtype))
    parts.indices = np.append(parts.indices, np.zeros(more, parts.indices.dtype))


def _floats(parts: Parts, rng: np.random.Generator) -> None:
    parts.indices = parts.indices + rng.choice([0.0, 0.5])


def _shape(parts: Parts, rng: np.random.Generator) -> None:
    change = int(rng.choice([-1, 1, 3]))
    rows, columns = parts.shape
    parts.shape = (rows + change, columns) if rng.random() < 0.5 else (rows, columns + change)


def _value(parts: Parts, rng: np.random.Generator) -> None:
    if parts.data.size and parts.data.dtype.kind in "biuf":
        parts.data = parts.data.astype(np.float64)
        parts.data[_somewhere(parts.data, rng)] = rng.choice([-1.0, 0.5, np.nan, np.inf, 2.0**60])


def _kind_of_values(parts: Parts, rng: np.random.Generator) -> None:
    parts.data = parts.data.astype(rng.choice(["O", "c16", "m8[s]", "U3"]))


DAMAGES: tuple[Callable[[Parts, np.random.Generator], None], ...] = (
    *(_too_large, _negative, _pointer, _pointer, _pointer_length, _lengths, _room, _floats),
    *(_shape, _value, _kind_of_values),
)


def damage(parts: Parts, rng: np.random.Generator) -> None:
    """Nothing in a third of all cases, else one to three damages."""
    for _ in range(int(rng.choice([0, 1, 1, 1, 2, 3], p=[0.35, 0.2, 0.2, 0.1, 0.1, 0.05]))):
        chosen = DAMAGES[int(rng.integers(len(DAMAGES)))]
        chosen(parts, rng)
        parts.done.append(chosen.__name__)


def meaning(parts: Parts, *, room: bool) -> np.ndarray | None:
    """The dense table that the arrays mean, entry by entry; None if they mean none.

    Values that are no counts are left as they are: see :func:`counted`.

    Parameters
    ----------
    parts : Parts
        The arrays.
    room : bool
        Whether there may be entries beyond the last pointer, as in memory.

    Returns
    -------
    ndarray or None
    """
    rows, columns = parts.shape
    majors, minors = (rows, columns) if parts.layout == "csr" else (columns, rows)
    pointer = [int(p) for p in parts.indptr]
    sound = rows > 0 and columns > 0 and parts.indices.dtype.kind in "iu"
    sound = sound and parts.data.dtype.kind in "biuf" and len(pointer) == majors + 1
    sound = sound and pointer[0] == 0 and pointer == sorted(pointer)
    sound = sound and parts.data.size == parts.indices.size
    if not sound or pointer[-1] > parts.data.size or (not room and pointer[-1] < parts.data.size):
        return None
    table = np.zeros((majors, minors))
    for major in range(majors):
        for at in range(pointer[major], pointer[major + 1]):
            minor = int(parts.indices[at])
            if not 0 <= minor < minors:
                return None
            table[major, minor] += float(parts.data[at])
    return table if parts.layout == "csr" else table.T


def counted(table: np.ndarray | None) -> np.ndarray | None:
    """The same table if all of it are counts."""
    if table is None:
        return None
    counts = (table >= 0) & (table < 2.0**53) & (table == np.floor(table))
    return table if counts.all() else None


def by_force(parts: Parts, array: bool) -> Any:
    """A scipy matrix with these arrays, past the checks of its constructor."""
    kinds = {
        ("csr", False): sparse.csr_matrix,
        ("csr", True): sparse.csr_array,
        ("csc", False): sparse.csc_matrix,
        ("csc", True): sparse.csc_array,
    }
    rows, columns = (max(size, 1) for size in parts.shape)
    matrix = kinds[parts.layout, array]((rows, columns))
    matrix.data, matrix.indices, matrix.indptr = parts.data, parts.indices, parts.indptr
    return matrix


@dataclass
class Case:
    """A structure, and what it must come to: a table, or None for an error."""

    kind: str
    data: Any
    wanted: np.ndarray | None
    done: list[str]
    changes: Callable[[], None] | None = None
    other: np.ndarray | None = None  # the table while a change lasts, if it is one


def compressed_case(rng: np.random.Generator, _: Path) -> Case:
    """In memory, by itself or in an AnnData of which a view is taken."""
    layout = str(rng.choice(["csr", "csc"]))
    parts = parts_of(random_table(rng), layout, rng)
    damage(parts, rng)
    wanted = meaning(parts, room=True) if min(parts.shape) > 0 else None
    matrix = by_force(parts, bool(rng.random() < 0.5))
    if min(parts.shape) < 1:
        parts.shape = matrix.shape
        wanted = meaning(parts, room=True)
    if rng.random() < 0.25 and matrix.shape[0] > 2 and parts.data.dtype.kind in "biuf":
        try:
            adata = anndata.AnnData(matrix)
        except Exception:  # noqa: BLE001 - anndata refuses some by itself
            return Case(layout, matrix, counted(wanted), parts.done)
        chosen = np.sort(rng.choice(matrix.shape[0], matrix.shape[0] - 1, replace=False))
        part = None if wanted is None else wanted[chosen]
        return Case(f"{layout}, view", adata[chosen], counted(part), parts.done)
    return Case(layout, matrix, counted(wanted), parts.done)


def changing_case(rng: np.random.Generator, _: Path) -> Case:
    """In memory, while another thread changes a number of it, and changes it back."""
    layout = str(rng.choice(["csr", "csc"]))
    table = random_table(rng)
    table[0, 0] = 1
    parts = parts_of(table, layout, rng)
    matrix = by_force(parts, array=False)
    held, far = {
        0: (parts.indices, int(rng.choice([-7, *FAR[:2]]))),
        1: (parts.indptr, int(rng.choice([-7, *FAR[:2]]))),
        2: (parts.data, 0),
    }[int(rng.integers(3))]
    at = _somewhere(held, rng)
    good = held[at]

    turns = itertools.count()

    def flip() -> None:
        held[at] = far if next(turns) % 8 == 0 else good

    wanted = meaning(parts, room=True)
    held[at] = far
    other = meaning(parts, room=True)
    held[at] = good
    return Case(f"{layout}, changing", matrix, wanted, ["changes"], flip, other)


def other_case(rng: np.random.Generator, _: Path) -> Case:
    """COO, BSR, DIA, LIL and DOK, with indices set by hand."""
    table = random_table(rng)
    kind = str(rng.choice(["coo", "coo", "bsr", "dia", "lil", "dok"]))
    wanted: np.ndarray | None = table.astype(float)
    done = []
    if kind == "bsr":
        height = int(rng.choice([k for k in range(1, 4) if table.shape[0] % k == 0]))
        matrix: Any = sparse.bsr_matrix(table, blocksize=(height, 1))
    else:
        matrix = getattr(sparse, f"{kind}_matrix")(table)
    broken = rng.random() < 0.6 and matrix.nnz
    far = int(rng.choice([table.shape[0], 10**6, -1, -5]))
    if broken and kind == "coo":
        part = matrix.row if rng.random() < 0.5 else matrix.col
        part[_somewhere(part, rng)] = max(far, table.shape[1]) if far > 0 else far
    elif broken and kind == "bsr":
        matrix.indices[_somewhere(matrix.indices, rng)] = (
            max(far, table.shape[1]) if far > 0 else far
        )
    elif broken and kind == "dia":
        matrix.offsets = matrix.offsets[:-1]
    elif broken and kind == "lil":
        row = int(np.flatnonzero([len(r) for r in matrix.rows])[0])
        if rng.random() < 0.5:
            matrix.rows[row][0] = max(far, table.shape[1]) if far > 0 else far
        else:
            matrix.data[row].append(3)
    elif broken:
        held = matrix._dict if hasattr(matrix, "_dict") else matrix  # noqa: SLF001
        dict.__setitem__(held, (max(far, table.shape[0]) if far > 0 else far, 0), 1)
    if broken:
        wanted, done = None, ["by hand"]
    return Case(kind, matrix, wanted, done)


def dask_case(rng: np.random.Generator, _: Path) -> Case:
    """Chunks, dense or sparse, of the shape that was promised or of another."""
    import dask.array as da

    table = random_table(rng)
    kind = str(rng.choice(["dense", "csr", "csc", "coo"]))
    height = int(rng.integers(1, table.shape[0] + 1))
    width = int(rng.integers(1, table.shape[1] + 1))
    array = da.from_array(table, chunks=(height, width))
    fault = str(rng.choice(["", "", "shape", "structure", "dtype", "mask", "values"]))
    wanted: np.ndarray | None = table.astype(float)
    if fault:
        wanted = None

    def chunk(block: np.ndarray) -> Any:
        if fault == "shape":
            block = block[:-1] if len(block) > 1 else np.concatenate([block, block])
        if fault == "values":
            block = block - 0.5
        if fault == "dtype":
            block = block.astype("c16") + 1j
        if fault == "mask":
            return np.ma.array(block, mask=np.ones(block.shape, dtype=bool))
        if kind == "dense" and fault != "structure":
            return block
        made = getattr(sparse, f"{'csr' if kind == 'dense' else kind}_matrix")(block + 0)
        if fault == "structure" and made.format == "coo":
            made.row = np.append(made.row, 10**6)
        elif fault == "structure":
            made.indptr = made.indptr + 1
        return made

    return Case(
        f"dask, {kind}",
        array.map_blocks(chunk, dtype=table.dtype, meta=np.zeros((0, 0), dtype=table.dtype)),
        wanted,
        [fault] if fault else [],
    )


def _written(group: Any, parts: Parts) -> None:
    for name in ("data", "indices", "indptr"):
        values = getattr(parts, name)
        if hasattr(group, "create_array"):
            group.create_array(name, data=values)
        else:
            group.create_dataset(name, data=values)
    group.attrs["encoding-type"] = f"{parts.layout}_matrix"
    group.attrs["encoding-version"] = "0.1.0"
    group.attrs["shape"] = [int(size) for size in parts.shape]


def file_case(rng: np.random.Generator, folder: Path) -> Case:
    """A sparse group of an HDF5 file or a zarr store, handed over as such or through anndata."""
    layout = str(rng.choice(["csr", "csc"]))
    parts = parts_of(random_table(rng), layout, rng)
    damage(parts, rng)
    if parts.data.dtype.kind in "OmU":  # files hold no such things
        parts.data = (
            parts.data.astype("c16") if parts.data.dtype.kind == "O" else np.zeros(3, "c16")
        )
    wanted = counted(meaning(parts, room=False))
    kind = str(rng.choice(["h5", "zarr"]))
    if kind == "h5":
        path = folder / f"{rng.integers(2**62)}.h5"
        group = h5py.File(path, "w").create_group("X")
    else:
        import zarr

        group = zarr.open_group(zarr.storage.MemoryStore(), mode="w").create_group("X")
    _written(group, parts)
    data: Any = group
    if rng.random() < 0.5:
        try:
            data = anndata.io.sparse_dataset(group)
        except Exception:  # noqa: BLE001 - anndata refuses some by itself
            data = group
    return Case(f"{kind}, {layout}", data, wanted, parts.done)


CASES = (compressed_case, compressed_case, changing_case, other_case, dask_case, file_case)


def _dense(counts: Any) -> np.ndarray:
    table = np.zeros((counts.n_cells, counts.n_genes))
    for gene in range(counts.n_genes):
        block = counts.block(gene, gene + 1)
        table[block.cells, gene] = block.counts
    return table


def _read(case: Case) -> str:
    counts = read_counts(case.data)
    found = _dense(counts)
    if case.wanted is None:
        return f"neither: {case.done} was not refused"
    tables = [table for table in (case.wanted, case.other) if table is not None]
    if not any(np.array_equal(found, table) for table in tables):
        return f"neither: another table after {case.done}"
    fit = nbglm.fit_negbin(case.data, "~ 1", progress=False).arrays.llf
    dense = (nbglm.fit_negbin(table, "~ 1", progress=False).arrays.llf for table in tables)
    if not any(np.array_equal(fit, llf) for llf in dense):
        return f"neither: another fit after {case.done}"
    return OUTCOMES[0]


def judge(case: Case) -> str:
    """What comes of reading a structure and fitting it."""
    over = threading.Event()
    thread = None
    if case.changes is not None:
        flip = case.changes

        def keep_changing() -> None:
            while not over.is_set():
                flip()

        thread = threading.Thread(target=keep_changing)
        thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nbglm.NbglmWarning)
            return _read(case)
    except nbglm.CountsError as error:
        may = case.wanted is None or case.changes is not None
        return OUTCOMES[1] if may else f"neither: sound, but refused: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is an outcome
        return f"neither: {type(error).__name__} after {case.done}: {error}"
    finally:
        over.set()
        if thread is not None:
            thread.join()


def run_here(first: int, stop: int) -> None:
    """Judge some structures in this process, and print a line before and after each."""
    sys.setswitchinterval(1e-5)
    warnings.filterwarnings("ignore", module="zarr|anndata")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, stop):
            rng = np.random.default_rng(seed)
            case = CASES[int(rng.integers(len(CASES)))](rng, Path(folder))
            print(f"{seed}\t{case.kind}", flush=True)
            print(f"{seed}\t{case.kind}\t{judge(case)}", flush=True)


def outcomes(first: int, stop: int, batch: int = 250) -> Iterator[tuple[int, str, str]]:
    """Seed, kind and outcome of each structure, judged in child processes.

    Parameters
    ----------
    first, stop : int
        Seeds.
    batch : int
        Structures of a child.

    Yields
    ------
    tuple
        A structure at which a child died has the outcome ``crashed``.
    """
    while first < stop:
        end = min(first + batch, stop)
        command = [sys.executable, __file__, "--here", str(first), str(end)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line.split("\t") for line in child.stdout.splitlines()]
        judged = {int(line[0]): (line[1], line[2]) for line in lines if len(line) == 3}
        for seed in range(first, end):
            if seed in judged:
                yield seed, *judged[seed]
                continue
            kind = next((line[1] for line in lines if line[0] == str(seed)), "?")
            yield seed, kind, f"crashed: exit code {child.returncode} {child.stderr[-500:]}"
            end = seed + 1  # go on after it
            break
        first = end


def report(first: int, stop: int, batch: int) -> int:
    """Print a table of the outcomes; how many were wrong."""
    table: dict[str, Counter[str]] = {}
    for seed, kind, outcome in outcomes(first, stop, batch):
        word = outcome.partition(":")[0]
        table.setdefault(kind, Counter())[word] += 1
        if word in OUTCOMES[2:]:
            print(f"seed {seed}, {kind}: {outcome}", flush=True)
    total: Counter[str] = Counter()
    for counts in table.values():
        total.update(counts)
    print(f"{'structure':<16}" + "".join(f"{word:>27}" for word in OUTCOMES))
    for kind, counts in [*sorted(table.items()), ("all", total)]:
        print(f"{kind:<16}" + "".join(f"{counts[word]:>27}" for word in OUTCOMES))
    return total["neither"] + total["crashed"]


def main() -> int:
    """Judge as many structures as were asked for.

    Returns
    -------
    int
        0 if each was answered right or refused.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first one")
    parser.add_argument("--batch", type=int, default=250, help="structures of a child process")
    parser.add_argument("--here", type=int, nargs=2, help="judge these seeds in this process")
    options = parser.parse_args()
    if options.here:
        run_here(*options.here)
        return 0
    return min(1, report(options.seed, options.seed + options.structures, options.batch))


if __name__ == "__main__":
    sys.exit(main())
