"""HDF5 on a disk that is full: an error, and a process that lives on."""

import errno
import io
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from nbglm.hdf5 import new_hdf5


def run_in_child(program, folder):
    """Run a program of which nobody knows whether it survives."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )


def test_what_is_written_is_read_back(tmp_path):
    values = np.random.default_rng(0).normal(size=200_000)
    with new_hdf5(tmp_path / "a.h5") as file:
        file.create_dataset("x", data=values[:5], maxshape=(None,), chunks=(1000,))
        file["x"].resize((values.size,))
        file["x"][5:] = values[5:]
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["x"][:], values)


def test_an_error_of_the_block_is_the_blocks_own(tmp_path):
    with pytest.raises(ZeroDivisionError), new_hdf5(tmp_path / "a.h5") as file:
        file["x"] = 1 / 0


@pytest.mark.parametrize("room", [0, 100, 5000, 300_000])
def test_a_full_disk_is_an_error_and_no_end_of_the_process(tmp_path, room):
    """In a process of its own, which goes on to open and close other files."""
    program = f"""
import errno, io, pathlib
import h5py, numpy as np
from nbglm.hdf5 import new_hdf5

class Full(io.FileIO):
    def write(self, data):
        if self.tell() + len(data) > {room}:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

class Place(type(pathlib.Path())):
    def open(self, mode, buffering):
        return Full(str(self), mode.replace("b", ""))

for name in "abc":
    try:
        with new_hdf5(Place(name)) as file:
            for part in range(20):
                file.create_dataset(f"x{{part}}", data=np.arange(5000.0), chunks=(100,))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("the disk was not full")
    with h5py.File("other.h5", "w") as file:
        file["x"] = np.arange(10)
    with h5py.File("other.h5") as file:
        assert file["x"][:].sum() == 45
print("alive")
"""
    done = run_in_child(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_the_first_error_is_the_one_raised(tmp_path, monkeypatch):
    errors = iter([errno.ENOSPC, *[errno.EIO] * 10_000])

    class Broken(io.FileIO):
        def write(self, data):
            raise OSError(next(errors), "broken")

    class Place(type(tmp_path)):
        def open(self, mode, buffering):
            return Broken(str(self), mode.replace("b", ""))

    with pytest.raises(OSError, match="broken") as raised, new_hdf5(Place(tmp_path / "a")) as file:
        file["x"] = np.arange(10)
    assert raised.value.errno == errno.ENOSPC


def test_an_interrupt_within_a_call_of_hdf5_waits_for_its_end(tmp_path):
    """It would leave the library in the middle of things, and end the process later."""
    program = """
import _thread, io, pathlib, signal
import h5py, numpy as np
from nbglm.hdf5 import new_hdf5

signal.signal(signal.SIGINT, signal.default_int_handler)
inside = []

class Interrupted(io.FileIO):
    def write(self, data):
        if not inside:
            inside.append(signal.raise_signal(signal.SIGINT))
        return super().write(data)

class Place(type(pathlib.Path())):
    def open(self, mode, buffering):
        return Interrupted(str(self), mode.replace("b", ""))

try:
    with new_hdf5(Place("a")) as file:
        for part in range(100_000):
            file.create_dataset(f"x{part}", data=np.arange(5000.0))
except KeyboardInterrupt:
    assert 0 < part < 99_999
    print("interrupted")
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
with h5py.File("other.h5", "w") as file:
    file["x"] = np.arange(10)
print("alive")
"""
    done = run_in_child(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "interrupted\nalive\n"), done.stderr


def test_labels_on_a_full_disk_are_an_error_too(tmp_path):
    """HDF5 reads back what it has written of texts, which the disk did not take."""
    program = """
import errno, io, pathlib
import anndata, h5py, numpy as np, pandas as pd
from nbglm.hdf5 import check_disk, new_hdf5, write_h5ad

class Full(io.FileIO):
    def write(self, data):
        if self.tell() + len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)

class Place(type(pathlib.Path())):
    def open(self, mode, buffering):
        return Full(str(self), mode.replace("b", ""))

obs = pd.DataFrame({"donor": [f"d{k}" for k in range(4000)]})
obs.index = [f"cell number {k}" for k in range(4000)]
cells = anndata.AnnData(np.ones((4000, 20)), obs=obs)
for room in range(1000, 400_000, 7919):
    try:
        write_h5ad(cells, Place("a.h5ad"))
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise AssertionError("the disk was not full")
    with h5py.File("other.h5", "w") as file:
        file["x"] = np.arange(10)
room = 5000
try:
    with new_hdf5(Place("b.h5")) as file:
        for part in range(100_000):
            file.create_dataset(f"x{part}", data=np.arange(5000.0))
            check_disk(file)
except OSError as error:
    assert error.errno == errno.ENOSPC, error
assert part == 0  # and no more is kept in memory than that
print("alive")
"""
    done = run_in_child(program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr
