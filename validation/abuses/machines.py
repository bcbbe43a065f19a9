"""What happens to a fit from outside: signals, killed workers, full disks, other threads.

Most of these start processes; ``validation/abuse.py`` runs them, tests/system/test_machines.py the
shorter ones.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import sparse

import nbglm
from abuses.registry import answered, answered_slowly, refused
from nbglm.exceptions import CountsError

PACKAGE = Path(nbglm.__file__).parent
FORMULA = {"mean": "~ time + group", "dispersion": "~ time"}
PROMPTLY = 2.0  # seconds between Ctrl-C and KeyboardInterrupt

rng = np.random.default_rng(20261126)
obs = pd.DataFrame({"time": rng.random(200), "group": rng.choice(list("abc"), 200)})
counts = rng.negative_binomial(2, 0.4, size=(200, 6))
counts[obs["group"] == "c", 1] = 0
counts[:, 2] = rng.poisson(2.0, 200)


def fit(data: Any = counts, **options: Any) -> nbglm.NegBinResults:
    """A small fit with genes at limits."""
    return nbglm.fit_negbin(data, FORMULA, obs=obs, progress=False, **options)


def bits(results: nbglm.NegBinResults) -> bytes:
    """All numbers of a fit, to the last bit."""
    names = ("coef", "finite", "direction", "root", "llf", "status", "coef_status")
    arrays = (np.ascontiguousarray(getattr(results.arrays, name)) for name in names)
    return b"".join(array.tobytes() for array in arrays)


EXPECTED = bits(fit())


def same(data: Any = counts, **options: Any) -> None:
    """Check that a fit has the bits that it must have."""
    assert bits(fit(data, **options)) == EXPECTED


# Arrays as they lie in memory


def locked(array: Any) -> Any:
    """An array, or the arrays of a sparse matrix, that nobody may write into."""
    parts = (array,) if isinstance(array, np.ndarray) else (array.data, array.indices, array.indptr)
    for part in parts:
        part.flags.writeable = False
    return array


@answered
def a_table_that_is_read_only() -> None:
    same(locked(counts.copy()))


@answered
def sparse_rows_that_are_read_only() -> None:
    same(locked(sparse.csr_matrix(counts)))


@answered
def sparse_columns_that_are_read_only() -> None:
    same(locked(sparse.csc_matrix(counts)))


@answered
def weights_and_offsets_that_are_read_only() -> None:
    same(weights=locked(np.ones(200)), offset=locked(np.zeros(200)))


@answered
def a_table_in_the_order_of_fortran() -> None:
    same(np.asfortranarray(counts))


@answered
def a_table_of_the_other_byte_order() -> None:
    same(counts.astype(">i4"))


@answered
def every_other_row_and_column_of_a_table() -> None:
    wide = np.zeros((400, 12), dtype=np.int64)
    wide[::2, ::2] = counts
    same(wide[::2, ::2])


@answered
def a_table_that_runs_backwards() -> None:
    same(counts[::-1, ::-1].copy()[::-1, ::-1])


@answered
def counts_in_half_precision() -> None:
    same(counts.astype(np.float16))


@answered
def counts_in_extended_precision() -> None:
    same(counts.astype(np.longdouble))


@answered
def counts_as_python_objects() -> None:
    same(counts.astype(object))


@answered
def weights_of_the_other_byte_order_with_gaps() -> None:
    same(weights=np.ones(400)[::2].astype(">f8"))


@answered
def a_memory_map_of_a_table() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts.npy"
        np.save(path, counts)
        same(np.load(path, mmap_mode="r"))


@answered
def the_input_is_left_as_it_was() -> None:
    tables: list[Any] = [counts.copy(), sparse.csr_matrix(counts), sparse.csc_matrix(counts)]
    frame, weights = obs.copy(), np.ones(200)
    for table in tables:
        nbglm.fit_negbin(table, FORMULA, obs=frame, weights=weights, progress=False)
        dense = table if isinstance(table, np.ndarray) else table.toarray()
        np.testing.assert_array_equal(dense, counts)
    pd.testing.assert_frame_equal(frame, obs)
    assert (weights == 1.0).all()


# Threads and workers inside of each other


@answered
def fits_in_four_threads_at_once() -> None:
    found: list[bool] = []
    threads = [
        threading.Thread(target=lambda: found.append(bits(fit(n_jobs=2)) == EXPECTED))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == [True] * 4


@answered
def fits_in_the_threads_of_somebody_else() -> None:
    tasks = (joblib.delayed(lambda: bits(fit(n_jobs=2)))() for _ in range(3))
    assert set(joblib.Parallel(n_jobs=2, backend="threading")(tasks)) == {EXPECTED}


def spoiled(table: Any, values: Any) -> nbglm.NegBinResults:
    """A fit while another thread writes into its counts."""
    stop = threading.Event()

    def spoil() -> None:
        random_source = np.random.default_rng(0)
        while not stop.wait(0.0005):
            where = random_source.integers(values.size, size=50)
            values.reshape(-1)[where] = random_source.choice([1, 5, -3, 2**40], 50)

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        time.sleep(0.01)
        many = pd.DataFrame({"x": np.linspace(0.0, 1.0, len(values) // 40)})
        return nbglm.fit_negbin(table, "~ x", obs=many, progress=False, n_jobs=2)
    finally:
        stop.set()
        thread.join()


@refused(CountsError, "counts")
def a_table_that_another_thread_writes_into() -> None:
    table = np.random.default_rng(0).poisson(3.0, (2000, 40))
    flat = table.reshape(-1)
    spoiled(table, flat)


@refused(CountsError, "counts")
def sparse_columns_that_another_thread_writes_into() -> None:
    table = sparse.csc_matrix(np.random.default_rng(0).poisson(3.0, (2000, 40)) + 1)
    spoiled(table, table.data)


# Processes

PRELUDE = """
import json, os, sys, time
import joblib, numpy as np, pandas as pd
import nbglm
rng = np.random.default_rng(1)
FORMULA = {"mean": "~ time + group", "dispersion": "~ time"}

def make(cells, genes):
    obs = pd.DataFrame({"time": rng.random(cells), "group": rng.choice(list("abc"), cells)})
    mean = np.exp(0.5 * obs["time"].to_numpy()[:, None] + rng.normal(0, 1, genes))
    counts = rng.negative_binomial(2, 2 / (2 + mean))
    counts[:, 1] = rng.poisson(mean[:, 1])
    counts[obs["group"] == "c", 2] = 0
    counts[:, 3] = 0
    return counts, obs

def fit(data, **options):
    return nbglm.fit_negbin(data[0], FORMULA, obs=data[1], progress=False, **options)

def bits(results):
    names = ("coef", "finite", "direction", "root", "llf", "status", "coef_status")
    return b"".join(np.ascontiguousarray(getattr(results.arrays, n)).tobytes() for n in names)

small = make(300, 12)
"""

SHOW = (
    PRELUDE
    + """
import hashlib
results = fit(small)
said = [bits(results), results.sample(seed=1).X.toarray().tobytes()]
said += [results.wald_test("group").to_csv().encode(), results.explain("gene_2").encode()]
said += [results.to_frame().to_csv().encode(), results.conf_int(method="profile", genes="gene_0")]
said[-1] = said[-1]["beta"].to_csv().encode()
print(hashlib.sha256(b"".join(said)).hexdigest())
"""
)


def environment(**more: str) -> dict[str, str]:
    """Of a process that finds this package."""
    return {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **more}


def python(code: str, *options: str, **more: str) -> str:
    """What a process prints, which must end well and say nothing else."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stderr, done.stderr[-2000:]
    return done.stdout.strip()


@cache
def shown() -> str:
    """What a process prints that is started as usual."""
    return python(SHOW)


def everywhere(*options: str, **more: str) -> None:
    """Check that a process started in another way prints the same numbers."""
    assert python(SHOW, *options, **more) == shown()


@answered_slowly
def python_without_its_assertions() -> None:
    everywhere("-O")


@answered_slowly
def python_that_takes_every_warning_for_an_error() -> None:
    everywhere("-W", "error")


@answered_slowly
def strings_that_hash_in_another_way() -> None:
    everywhere(PYTHONHASHSEED="1")
    everywhere(PYTHONHASHSEED="2")


@answered_slowly
def another_language_and_time_zone() -> None:
    everywhere(LC_ALL="de_DE.UTF-8", LANG="de_DE.UTF-8", TZ="Asia/Kolkata")
    everywhere(LC_ALL="C", PYTHONUTF8="0")


@answered_slowly
def other_numbers_of_threads_in_the_environment() -> None:
    everywhere(OMP_NUM_THREADS="7", OPENBLAS_NUM_THREADS="3", NUMBA_NUM_THREADS="1")


@answered_slowly
def a_fit_in_a_forked_process() -> None:
    code = """
import multiprocessing
def child(queue, jobs):
    queue.put(bits(fit(small, n_jobs=jobs)))
expected = bits(fit(small, n_jobs=2))
for jobs in (1, 2):
    forks = multiprocessing.get_context("fork")
    queue = forks.Queue()
    process = forks.Process(target=child, args=(queue, jobs))
    process.start()
    assert queue.get(timeout=120) == expected
    process.join(timeout=60)
    assert process.exitcode == 0
"""
    python(PRELUDE + code)


@answered_slowly
def fits_in_the_processes_of_somebody_else() -> None:
    code = """
import joblib
def inner(data):
    return bits(fit(data, n_jobs=2))
expected = bits(fit(small))
found = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(inner)(small) for _ in range(3))
assert set(found) == {expected}
"""
    python(PRELUDE + code)


# Interrupted

INTERRUPTED = (
    PRELUDE
    + """
from contextlib import nullcontext
backend, times, lazy = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "lazy"

def main():
    big = make(4000, 1500)
    options = {}
    if lazy:
        import dask.array
        big = dask.array.from_array(big[0], chunks=(100, 1500)), big[1]
        options["max_memory"] = "12 MB"
    expected = bits(fit(small))
    if backend == "dask":
        import distributed
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )
        client = distributed.Client(cluster)
    with (
        nullcontext() if backend == "none" else
        joblib.parallel_config(backend, **({} if backend == "dask" else {"n_jobs": 2}))
    ):
        assert bits(fit(small)) == expected
        for _ in range(times):
            try:
                print("ready", flush=True)
                while True:
                    fit(big, **options)
            except KeyboardInterrupt:
                caught = time.time()
            print(json.dumps([caught, bits(fit(small)) == expected]), flush=True)
    if backend == "dask":
        client.close()
        cluster.close()

if __name__ == "__main__":
    main()
"""
)


def left_behind(mark: str) -> list[str]:
    """Command lines of processes that have a word in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@contextmanager
def own_folder() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder for temporary files, and the environment that names it."""
    with tempfile.TemporaryDirectory(prefix="nbglm-abuse-") as folder:
        yield Path(folder), environment(TMPDIR=folder, JOBLIB_TEMP_FOLDER=folder)


def interrupted(backend: str, times: int = 4, *, lazy: bool = False) -> None:
    """Check that a fit ends at once when it is interrupted, and that the next one is right."""
    moments = np.random.default_rng([*backend.encode(), lazy])
    with own_folder() as (folder, variables):
        code = folder / "fits.py"
        code.write_text(INTERRUPTED)
        # A process that was started in the background ignores Ctrl-C, and its children with it.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        process = subprocess.Popen(
            [sys.executable, code, backend, str(times), "lazy" if lazy else "dense"],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        signal.signal(signal.SIGINT, before)
        try:
            for _ in range(times):
                said = process.stdout.readline()
                assert said == "ready\n", said + process.stderr.read()[-2000:]
                time.sleep(moments.uniform(0.0, 3.0))
                sent = time.time()
                process.send_signal(signal.SIGINT)
                said = process.stdout.readline()
                assert said.startswith("["), said + process.stderr.read()[-2000:]
                caught, right = json.loads(said)
                assert caught - sent < PROMPTLY, f"interrupted after {caught - sent:.1f} s"
                assert right
            process.communicate(timeout=120)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0
        code.unlink()
        assert not left_behind(str(folder))
        files = {path.name for path in folder.iterdir()}
        assert files <= {"dask-scratch-space"}, files  # dask keeps that folder for the next cluster


@answered_slowly
def a_fit_is_interrupted() -> None:
    interrupted("none")


@answered_slowly
def a_fit_in_threads_is_interrupted() -> None:
    interrupted("threading")


@answered_slowly
def a_fit_in_processes_is_interrupted() -> None:
    interrupted("loky")


@answered_slowly
def a_fit_on_a_cluster_is_interrupted() -> None:
    interrupted("dask")


@answered_slowly
def reading_and_fitting_data_outside_memory_is_interrupted() -> None:
    interrupted("threading", times=6, lazy=True)


@answered_slowly
def sending_data_from_a_scratch_file_to_processes_is_interrupted() -> None:
    interrupted("loky", lazy=True)


# Killed

KILLED = (
    PRELUDE
    + """
import contextlib, signal, threading

def workers():
    import psutil
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # of a process that has just ended
            if "LokyProcess" in " ".join(child.cmdline()):
                yield child.pid

def kill(stop):
    # One that dies between two fits is replaced without a word, and rightly: then another must go.
    while not stop.wait(rng.uniform(0.0, 0.5)):
        with contextlib.suppress(StopIteration, ProcessLookupError):
            os.kill(next(workers()), signal.SIGKILL)

def main():
    big = make(3000, 400)
    expected = bits(fit(small))
    with joblib.parallel_config("loky", n_jobs=2):
        for _ in range(2):
            assert bits(fit(small)) == expected
            stop = threading.Event()
            killer = threading.Thread(target=kill, args=(stop,))
            killer.start()
            try:
                while True:
                    fit(big)
            except nbglm.WorkerError as error:
                assert isinstance(error, RuntimeError)
                print(error)
            finally:
                stop.set()
            killer.join()
        assert bits(fit(small)) == expected

if __name__ == "__main__":
    main()
"""
)


@answered_slowly
def a_worker_process_is_killed() -> None:
    with own_folder() as (folder, variables):
        code = folder / "fits.py"
        code.write_text(KILLED)
        done = subprocess.run(
            [sys.executable, code],
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        first, second = done.stdout.splitlines()
        assert first == second
        assert "worker process was killed" in first
        assert "fewer" in first
        assert not left_behind(str(folder))


# Disks, memory, and the cache of compiled kernels


@answered_slowly
def a_disk_for_scratch_files_that_is_full() -> None:
    code = """
import gc, resource, signal
import dask.array
big = make(4000, 600)
lazy = dask.array.from_array(big[0], chunks=(100, 600)), big[1]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
try:
    fit(lazy, max_memory="5 MB")
except nbglm.CountsError as error:
    said = str(error)
gc.collect()
links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
assert not [path for path in links if os.path.islink(path) and "deleted" in os.readlink(path)]
assert not os.listdir(os.environ["TMPDIR"])
print(said)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
fit(small)
"""
    with own_folder() as (folder, _):
        said = python(PRELUDE + code, TMPDIR=str(folder))
        assert "cannot take" in said
        assert str(folder) in said
        assert "TMPDIR" in said


@answered_slowly
def a_folder_for_scratch_files_that_is_not_there() -> None:
    code = """
import dask.array
big = make(4000, 600)
whole = fit(big, n_jobs=2)
os.environ["TMPDIR"] = "/proc/nowhere"
lazy = dask.array.from_array(big[0], chunks=(100, 600)), big[1]
assert bits(fit(lazy, max_memory="5 MB", n_jobs=2)) == bits(whole)
"""
    python(PRELUDE + code)


@answered_slowly
def memory_that_is_used_up() -> None:
    code = """
import resource
big = make(20_000, 400)
expected = bits(fit(small))
pages = int(open("/proc/self/statm").read().split()[0])
now = pages * resource.getpagesize()
said = set()
for more in (4, 10, 20, 40):
    resource.setrlimit(resource.RLIMIT_AS, (now + (more << 20), resource.RLIM_INFINITY))
    try:
        fit(big)
    except MemoryError as error:
        said.add(more)
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert bits(fit(small)) == expected
assert said
"""
    python(PRELUDE + code)


@answered_slowly
def threads_that_the_system_will_not_start() -> None:
    code = """
import resource
expected = bits(fit(small))
pages = int(open("/proc/self/statm").read().split()[0])
now = pages * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (50 << 20), resource.RLIM_INFINITY))
try:
    fit(small, n_jobs=64)
except nbglm.WorkerError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert bits(fit(small, n_jobs=2)) == expected
"""
    assert "n_jobs=" in python(PRELUDE + code)


@contextmanager
def fresh_copy() -> Iterator[Path]:
    """A folder with a copy of the package of which nothing is compiled."""
    with tempfile.TemporaryDirectory(prefix="nbglm-abuse-") as folder:
        nothing = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, Path(folder) / "nbglm", ignore=nothing)
        yield Path(folder)


@answered_slowly
def processes_that_compile_at_the_same_time() -> None:
    with fresh_copy() as folder:
        variables = environment(PYTHONPATH=str(folder))
        running = [
            subprocess.Popen(
                [sys.executable, "-c", SHOW], env=variables, stdout=subprocess.PIPE, text=True
            )
            for _ in range(3)
        ]
        said = {process.communicate(timeout=900)[0].strip() for process in running}
        assert said == {shown()}
        will = "from nbglm.search.climb import will_compile; print(will_compile())"
        assert python(will, PYTHONPATH=str(folder)) == "False"
        assert python(SHOW, PYTHONPATH=str(folder)) in said


@answered_slowly
def an_installation_and_a_home_that_cannot_be_written() -> None:
    with fresh_copy() as folder:
        places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in places:
            path.chmod(0o555)
        # The right to write anywhere, which root has, is given up first.
        drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
        nowhere = {"HOME": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
        done = subprocess.run(
            [*(drop if os.geteuid() == 0 else []), sys.executable, "-c", SHOW],
            env=environment(PYTHONPATH=str(folder), NUMBA_CACHE_DIR="", **nowhere),
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        written = [path.name for path in folder.rglob("*.nb?")]
        for path in places:
            path.chmod(0o755)
        assert done.returncode == 0, done.stderr[-2000:]
        assert not done.stderr
        assert done.stdout.strip() == shown()
        assert not written


@answered_slowly
def a_process_that_is_killed_while_it_compiles() -> None:
    with fresh_copy() as folder:
        variables = environment(PYTHONPATH=str(folder))
        for seconds in itertools.accumulate([4.0, 4.0]):
            process = subprocess.Popen([sys.executable, "-c", SHOW], env=variables, stdout=-3)
            time.sleep(seconds)
            process.kill()
            process.wait()
        assert python(SHOW, PYTHONPATH=str(folder)) == shown()
