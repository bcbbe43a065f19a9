"""Signals, killed workers, limits of the system: what is quick of it; the rest is a script's.

``python validation/abuse.py --only machines`` runs all of them.
"""

import errno
from concurrent.futures.process import BrokenProcessPool

import abuse
import joblib
import numpy as np
import pytest
from abuses.registry import MISUSES, judge

import nbglm
from nbglm.parallel.blocks import in_blocks, named_worker_errors, wanted_jobs
from nbglm.parallel.threads import in_threads, over_genes

abuse.load()

QUICK = (
    "a_fit_in_threads_is_interrupted",
    "a_worker_process_is_killed",
    "a_disk_for_scratch_files_that_is_full",
    "a_folder_for_scratch_files_that_is_not_there",
    "memory_that_is_used_up",
    "threads_that_the_system_will_not_start",
    "python_that_takes_every_warning_for_an_error",
    "python_without_its_assertions",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_a_machine_that_is_abused_gets_its_answer(name):
    (misuse,) = (each for each in MISUSES if each.name == f"machines.{name}")
    assert not judge(misuse)


class KilledWorker(Exception):  # noqa: N818 - the name that dask gives it
    pass


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (BrokenProcessPool("a child died"), "killed while it fitted"),
        (KilledWorker("task-1"), "killed while it fitted"),
        (RuntimeError("can't start new thread"), "would not start more workers"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "would not start more workers"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "n_jobs="),
    ],
)
def test_workers_that_are_gone_are_an_error_in_words(raised, says):
    with pytest.raises(nbglm.WorkerError, match=says) as error, named_worker_errors():
        raise raised
    assert error.value.__cause__ is raised
    assert isinstance(error.value, RuntimeError)


def start():
    msg = "can't start new thread"
    raise RuntimeError(msg)


def trip():
    """What Python's pool of threads does where it cannot start all of them."""
    try:
        start()
    except RuntimeError:
        None.terminate()


def test_a_pool_that_trips_over_itself_is_understood():
    with pytest.raises(nbglm.WorkerError, match="can't start new thread"), named_worker_errors():
        trip()


@pytest.mark.parametrize("raised", [RuntimeError("other"), OSError(2, "no file"), KeyError("x")])
def test_errors_of_tasks_stay_what_they_are(raised):
    def task(_, __):
        raise raised

    with pytest.raises(type(raised)) as error:
        list(in_blocks(task, [1], None))
    assert error.value is raised
    with pytest.raises(type(raised)):
        list(in_threads(lambda _: task(None, None), [1]))


@pytest.mark.parametrize("jobs", [0, 10**6, "all", 1.5, True, [2], np.float64(2.0)])
def test_what_is_no_number_of_workers_is_refused(jobs):
    with pytest.raises(nbglm.NbglmError, match=r"n_jobs.*-1 takes every core"):
        wanted_jobs(jobs)
    with joblib.parallel_config(n_jobs=jobs), pytest.raises(nbglm.NbglmError, match="parallel_con"):
        wanted_jobs(None)


@pytest.mark.parametrize("jobs", [1, -1, -100, np.int64(2), 64])
def test_numbers_of_workers_as_joblib_understands_them(jobs):
    assert wanted_jobs(jobs) == jobs
    assert type(wanted_jobs(jobs)) is int


@pytest.mark.parametrize("progress", ["yes", 1, 0, [], "False"])
def test_progress_is_wanted_or_not(progress):
    with pytest.raises(TypeError, match="progress must be True, False or None"):
        over_genes(abs, [1], progress=progress)
    with pytest.raises(TypeError, match="progress must be True, False or None"):
        nbglm.fit_negbin(np.ones((3, 1)), "~ 1", progress=progress)
