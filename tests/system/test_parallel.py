"""The same bits on every backend of joblib, inference that shares memory, and a killed worker."""

import os
import pickle
import signal
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.parallel import ParallelBackendBase
from threadpoolctl import threadpool_info, threadpool_limits

import nbglm
from nbglm.counts.table import GeneBlock
from nbglm.parallel.blas import one_blas_thread
from nbglm.parallel.blocks import block_size, in_blocks
from nbglm.parallel.threads import in_threads, over_genes
from nbglm.problem.problem import make_problem

FORMULA = {"mean": "~ time + group", "dispersion": "~ time"}
FIELDS = ("coef", "finite", "direction", "root", "llf", "evaluations", "status", "coef_status")


def simulate(cells, genes):
    rng = np.random.default_rng(20261123)
    obs = pd.DataFrame({"time": rng.random(cells), "group": rng.choice(["a", "b", "c"], cells)})
    mean = np.exp(0.5 * obs["time"].to_numpy()[:, None] + rng.normal(0, 1, genes))
    counts = rng.negative_binomial(2, 2 / (2 + mean))
    counts[:, 1] = rng.poisson(mean[:, 1])
    counts[obs["group"] == "c", 2] = 0
    counts[:, 3] = 0
    return counts, obs


@pytest.fixture(scope="module")
def data():
    return simulate(cells=400, genes=40)


@pytest.fixture(scope="module")
def reference(data):
    counts, obs = data
    return nbglm.fit_negbin(counts, FORMULA, obs=obs, n_jobs=1, progress=False)


@pytest.fixture(scope="module")
def client():
    """A dask cluster of two worker processes, each with a nanny that replaces it if it dies."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@contextmanager
def backend(name, request):
    if name == "dask":
        request.getfixturevalue("client").wait_for_workers(2, timeout=60)
        with joblib.parallel_config("dask"):
            yield
    else:
        with joblib.parallel_config(name, n_jobs=2):
            yield


def assert_same_bits(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one.arrays, name), getattr(other.arrays, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["threading", "loky", "dask"])
def test_every_backend_gives_the_same_bits(name, data, reference, request):
    counts, obs = data
    with backend(name, request):
        again = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    assert_same_bits(again, reference)
    assert set(reference.status) == {"ok", "poisson_limit", "separated", "all_zero"}


@pytest.mark.parametrize("name", ["loky", "dask"])
def test_inference_does_not_lose_answers_to_other_processes(name, data, request):
    counts, obs = data
    counts = counts[:, :4]

    def everything(fit):
        return [
            fit.pvalues["beta"],
            fit.pvalues["gamma"],
            fit.overdispersion_test(),
            fit.anova(),
            fit.score_test("~ np.sin(time)"),
            fit.wald_test("group"),
            fit.with_cov("HC0").bse["beta"],
            fit.with_cov("eim").bse["gamma"],
            fit.conf_int(method="profile")["beta"],
            fit.sample(obs.iloc[:20], seed=1).to_df(),
        ]

    fit = nbglm.fit_negbin(counts, "~ time + group", obs=obs, progress=False)
    alone = everything(fit)
    with backend(name, request):
        again = everything(nbglm.fit_negbin(counts, "~ time + group", obs=obs, progress=False))
    for one, other in zip(alone, again, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert np.isinf(fit.params["beta"]).any(axis=None)
    assert np.isfinite(fit.pvalues["beta"].loc["group[T.c]", "gene_2"])


@pytest.mark.parametrize("name", ["loky", "dask"])
def test_tasks_that_share_memory_stay_in_this_process(name, request):
    found = np.zeros(4)

    def task(gene):
        found[gene] = os.getpid()

    with backend(name, request):
        over_genes(task, range(4), progress=False)
    assert (found == os.getpid()).all()


@pytest.mark.parametrize("config", [{"n_jobs": 2}, {"backend": "loky", "n_jobs": 2}])
def test_as_many_threads_as_the_configuration_says(config):
    both = threading.Barrier(2)
    with joblib.parallel_config(**config):
        assert sorted(in_threads(lambda _: both.wait(timeout=30), range(2))) == [0, 1]


def test_configured_number_of_jobs_without_a_backend():
    both = threading.Barrier(2)
    with joblib.parallel_config(n_jobs=2):
        found = in_blocks(lambda _, barrier: barrier.wait(timeout=30), range(2), both)
        assert sorted(found) == [0, 1]


def look(block, problem):
    """How a task finds its data."""
    layout = problem.layout
    usual = all(array.flags.carray for array in layout)
    return os.getpid(), block, isinstance(layout.x, np.memmap), usual, layout.x.sum()


def slow_look(block, problem):
    time.sleep(0.1)  # so long that both workers have something to do
    return look(block, problem)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loky", "dask"])
def test_shared_arrays_are_sent_once(name, request, monkeypatch):
    cells = 100_000
    x = np.column_stack([np.ones(cells), np.random.default_rng(0).random(cells)])
    problem = make_problem(x, np.ones((cells, 1)), np.zeros(cells))
    sent = []

    def dumps(what, protocol):
        sent.append(what)
        return pickle.dumps(what, protocol)

    ours = SimpleNamespace(dumps=dumps, loads=pickle.loads)
    monkeypatch.setattr(nbglm.parallel.blocks, "pickle", ours)
    with backend(name, request):
        found = list(in_blocks(slow_look, range(12), problem))
    pids, blocks, mapped, usual, sums = zip(*found, strict=True)
    assert os.getpid() not in pids
    assert blocks == tuple(range(12))
    # Memory maps from loky; from dask one pickle of the problem beside those of the blocks.
    assert all(kind == (name == "loky") for kind in mapped)
    assert sum(what is problem for what in sent) == (name == "dask")
    assert len(sent) == 12 + (name == "dask")
    # To numba, arrays that are not writeable or not aligned are of another type: all kernels would
    # compile anew.
    assert all(usual)
    assert set(sums) == {problem.layout.x.sum()}


def test_backends_without_generators(monkeypatch):
    monkeypatch.setattr(ParallelBackendBase, "supports_return_generator", False)
    asked = []

    def blocks():
        for block in range(40):
            asked.append(block)
            yield block

    with joblib.parallel_config("loky", n_jobs=2):
        found = in_blocks(divmod, blocks(), 7)
        assert next(found) == (0, 0)
        assert len(asked) < 40
        assert [(0, 0), *found] == [divmod(block, 7) for block in range(40)]


def test_a_dask_cluster_of_one_thread(data, reference):
    distributed = pytest.importorskip("distributed")
    counts, obs = data
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        again = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    assert_same_bits(again, reference)


def test_errors_of_blocks_and_tasks_reach_the_user(request):
    for name in ("threading", "loky", "dask"):
        with backend(name, request), pytest.raises(ZeroDivisionError):
            list(in_blocks(divmod, range(5), 0))


def test_blocks_are_small_when_they_travel(rng):
    counts = rng.integers(0, 200, 1000).astype(np.float64)
    block = GeneBlock(np.array([0, 400, 1000]), np.arange(1000), counts)
    packed = pickle.dumps(block)
    assert len(packed) < 1000 * (2 + 1) + 500
    for one, other in zip(block, pickle.loads(packed), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
        assert other.flags.writeable
    huge = block._replace(counts=counts + 2.0**53)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(huge)).counts, huge.counts)
    empty = GeneBlock(np.zeros(2, np.int64), np.zeros(0, np.int64), np.zeros(0))
    assert pickle.loads(pickle.dumps(empty)).counts.size == 0


def test_more_blocks_for_more_workers():
    assert block_size(cells=1000, genes=2000, n_jobs=1) == 125
    with joblib.parallel_config("threading"):
        assert block_size(cells=1000, genes=2000, n_jobs=50) == 5
    assert block_size(cells=1000, genes=1, n_jobs=8) == 1


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_blas_thread_until_the_last_one_leaves():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        one_blas_thread.__enter__()
        one_blas_thread.__enter__()
        assert blas_threads() == {1}
        one_blas_thread.__exit__(None, None, None)
        assert blas_threads() == {1}
        one_blas_thread.__exit__(None, None, None)
        assert blas_threads() == before


def test_numbers_do_not_depend_on_blas_threads():
    counts, obs = simulate(cells=30_000, genes=4)
    formula = {"mean": "~ time + group", "dispersion": "~ 1"}
    fits = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            fits.append(nbglm.fit_negbin(counts, formula, obs=obs, progress=False))
    assert_same_bits(*fits)


class Killer(threading.Thread):
    """Kills the first worker that has been seen with unfinished tasks."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client = client
        self.pids = client.run(os.getpid)
        self.lost = ()
        self.victim = None

    def run(self):
        deadline = time.monotonic() + 60
        while not self.lost and time.monotonic() < deadline:
            busy = [w for w, tasks in self.client.processing().items() if tasks and w in self.pids]
            for worker in busy[:1]:
                self.attack(worker)
            time.sleep(0.005)

    def attack(self, worker):
        # A stopped process finishes nothing: what the scheduler still waits for, once messages
        # that were under way have arrived, dies with it.
        pid = self.pids[worker]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.3)
        self.lost = self.client.processing().get(worker, ())
        if self.lost:
            self.victim = pid
        os.kill(pid, signal.SIGKILL if self.lost else signal.SIGCONT)


def test_a_killed_worker_costs_only_time(client):
    counts, obs = simulate(cells=2000, genes=60)
    alone = nbglm.fit_negbin(counts, FORMULA, obs=obs, n_jobs=1, progress=False)
    client.wait_for_workers(2, timeout=60)
    killer = Killer(client)
    killer.start()
    with joblib.parallel_config("dask"):
        again = nbglm.fit_negbin(counts, FORMULA, obs=obs, progress=False)
    # The task that it had begun could not be answered by anybody before the kill.
    assert killer.lost, "the fit was over before a worker was seen at work"
    killer.join(timeout=60)
    assert not killer.is_alive()
    assert_same_bits(again, alone)
    client.wait_for_workers(2, timeout=60)
    assert killer.victim not in client.run(os.getpid).values()


@pytest.mark.slow
def test_all_workers_killed_cost_only_time(client):
    """What all blocks share is sent again, where scattered data would be gone."""
    client.wait_for_workers(2, timeout=60)
    pids = set(client.run(os.getpid).values())
    problem = make_problem(np.ones((100, 1)), np.ones((100, 1)), np.zeros(100))

    def blocks():
        # Asked for one after the other, as those before come back.
        for block in range(12):
            if block == 8:
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
            yield block

    with joblib.parallel_config("dask"):
        found = list(in_blocks(slow_look, blocks(), problem))
    assert [block for _, block, *_ in found] == list(range(12))
    assert pids & {pid for pid, *_ in found[:8]}
    assert not pids & {pid for pid, *_ in found[8:]}
