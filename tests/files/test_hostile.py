"""Files that are damaged, of another kind, newer, or made to do harm, and folders that are full."""

import contextlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr

import nbglm
import nbglm.files.writing
from nbglm.files.plain import digest
from nbglm.files.reading import open_arrays

CELLS = 60
AT = "uns/nbglm"


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(8)
    obs = pd.DataFrame({"x": rng.random(CELLS), "g": rng.choice(list("ab"), CELLS)})
    names = [f"gene/{k}" for k in range(40)]
    counts = pd.DataFrame(rng.poisson(2.0, (CELLS, 40)), columns=names)
    return nbglm.fit_negbin(counts, "~ bs(x, df=4) + g", obs=obs, progress=False)


@pytest.fixture(params=["h5ad", "zarr"])
def path(request, fit, tmp_path):
    path = tmp_path / f"fit.{request.param}"
    fit.save(path)
    return path


def refused(path, *words, error=nbglm.FileError):
    with pytest.raises(error) as caught:
        nbglm.load(path)
    for word in (repr(str(path)), *words):
        assert word in str(caught.value)


def replace(path, name, values, **options):
    """Another array in place of one of a file."""
    if path.is_dir():
        shutil.rmtree(path / AT / name)
        zarr.open_group(str(path / AT), mode="r+").create_array(name, data=values, **options)
        return
    with h5py.File(path, "r+") as file:
        del file[f"{AT}/{name}"]
        file.create_dataset(f"{AT}/{name}", data=values, **options)


def tamper(path, change):
    """Another manifest, with the digest that goes with it."""
    with open_arrays(path) as arrays:
        told = json.loads(arrays(f"{AT}/manifest").tobytes())
    told = change(told) or told
    text = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
    replace(path, "manifest", text)
    replace(path, "manifest_sha256", np.frombuffer(bytes.fromhex(digest(text)), dtype=np.uint8))


# Damaged ------------------------------------------------------------------------------------


def test_a_file_cut_anywhere_is_refused(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path, data=True)
    whole = path.read_bytes()
    for size in range(0, len(whole), 1024):
        path.write_bytes(whole[:size])
        refused(path)


def test_no_byte_can_be_changed_unseen(fit, tmp_path):
    path, rng = tmp_path / "fit.h5ad", np.random.default_rng(2)
    fit.save(path, data=True)
    whole, told = path.read_bytes(), pickle.dumps(fit.to_frame())
    for _ in range(50):
        changed = bytearray(whole)
        at = rng.integers(len(changed))
        changed[at] ^= int(rng.integers(1, 256))
        path.write_bytes(changed)
        with contextlib.suppress(nbglm.FileError):
            # If it loads, the byte belongs to nothing that is read.
            assert pickle.dumps(nbglm.load(path).to_frame()) == told


def test_chunks_of_a_zarr_can_be_absent_or_cut(fit, tmp_path):
    path = tmp_path / "fit.zarr"
    fit.save(path)
    names = (".zattrs", ".zgroup")
    files = [file for file in (path / AT).rglob("*") if file.is_file() and file.name not in names]
    chunks = [file for file in files if file.parent.name.partition(".")[0] in ("fit", "manifest")]
    for chunk in chunks[:: max(1, len(chunks) // 25)]:
        whole = chunk.read_bytes()
        chunk.write_bytes(whole[: len(whole) // 2])
        refused(path)
        chunk.write_bytes(whole)
    assert nbglm.load(path).llf.equals(fit.llf)


@pytest.mark.parametrize("size", [0, 1, 8, 5000])
def test_random_bytes_are_refused(size, tmp_path):
    path = tmp_path / "fit.h5ad"
    path.write_bytes(np.random.default_rng(size).bytes(size))
    refused(path, "it is empty" if size == 0 else "no HDF5 file")


def test_a_manifest_that_is_nested_without_end_is_refused(path):
    text = np.frombuffer(b"[" * 200_000, dtype=np.uint8)
    replace(path, "manifest", text)
    replace(path, "manifest_sha256", np.frombuffer(bytes.fromhex(digest(text)), dtype=np.uint8))
    refused(path, "damaged")


def test_a_file_that_another_program_writes_into_says_so(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path)
    with h5py.File(path, "r+", locking=True):
        code = "import sys, nbglm\nnbglm.load(sys.argv[1])"
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another program has it open" in done.stderr
    assert nbglm.load(path).llf.equals(fit.llf)


@pytest.mark.filterwarnings("ignore:zarr v3", "ignore:Consolidated metadata")
def test_the_third_format_of_zarr_is_read(fit, tmp_path):
    path = tmp_path / "fit.zarr"
    cells = anndata.AnnData(np.ones((2, 40)), var=pd.DataFrame(index=fit.gene_names))
    fit.to_anndata(cells)
    with anndata.settings.override(zarr_write_format=3):
        cells.write_zarr(path)
    assert (path / AT / "manifest" / "zarr.json").is_file()
    assert nbglm.load(path).to_frame().equals(fit.to_frame())
    with anndata.settings.override(zarr_write_format=3):
        fit.save(tmp_path / "own.zarr")
    assert (tmp_path / "own.zarr" / ".zgroup").is_file()


# Of another kind ----------------------------------------------------------------------------


def test_files_of_other_kinds_say_what_they_are(tmp_path):
    refused(tmp_path / "absent.h5ad", "there is no file")
    refused(tmp_path, "folder, and not of zarr")
    (tmp_path / "text.h5ad").write_text("gene,coef\na,1\n")
    refused(tmp_path / "text.h5ad", "no HDF5 file")
    cells = anndata.AnnData(np.ones((3, 2)), uns={"nbglm": {"other": np.ones(2)}})
    cells.write_h5ad(tmp_path / "cells.h5ad")
    refused(tmp_path / "cells.h5ad", "holds no fit", "fit_negbin")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    refused(tmp_path / "other.h5", "holds no fit")
    with pytest.raises(nbglm.InputTypeError, match="not int"):
        nbglm.load(3)
    with pytest.raises(nbglm.OptionError, match="scope='all'"):
        nbglm.load(tmp_path / "cells.h5ad", scope="all")
    with pytest.raises(nbglm.InputTypeError, match="1 is no name"):
        nbglm.load(tmp_path / "cells.h5ad", scope={1: np})


def test_a_newer_format_asks_for_an_upgrade(path):
    def newer(told):
        told["format"], told["versions"]["nbglm"] = 2, "9.1"
        told["unheard of"] = {"$new": 1}

    tamper(path, newer)
    refused(path, "nbglm 9.1", "format 2", "Upgrade")


def factor(told, code):
    """What a manifest says of a factor of the mean."""
    factors = told["fit"]["mean"]["design"]["factors"]
    return next(part for part in factors if part["code"] == code)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: [told],
        lambda told: told.pop("fit") and None,
        lambda told: told.update(format="1"),
        lambda told: told.update(format=-1),
        lambda told: told.update(kind="os.system"),
        lambda told: told["fit"].update(genes=told["fit"]["mean"]["matrix"]),
        lambda told: told["fit"]["genes"].update({"$words": "../../etc/passwd"}),
        lambda told: told["fit"]["numbers"].pop("root") and None,
        lambda told: told["fit"]["numbers"].update(coef=told["fit"]["numbers"]["llf"]),
        lambda told: told["fit"]["numbers"].update(coef=[1.0]),
        lambda told: told["fit"].update(gene_status=["fine"] * 6),
        lambda told: told["fit"].update(cov_type="HC9"),
        lambda told: told["fit"]["mean"].update(alias="(((((("),
        lambda told: told["fit"]["mean"].update(coefficients=["x"]),
        lambda told: told["fit"]["mean"]["design"]["factors"].pop(),
        lambda told: told["fit"]["mean"]["design"]["terms"][1].update(factors=[7]),
        lambda told: factor(told, "g")["levels"].update(kind="object"),
        lambda told: factor(told, "g")["levels"].update(values=["a"]),
        lambda told: factor(told, "bs(x, df=4)")["remembered"].clear(),
        lambda told: factor(told, "bs(x, df=4)")["remembered"][0].update({"class": "CR"}),
        lambda told: told["fit"].update(without_data=None),
        lambda told: told["fit"].update(obs_names={"index": 1}),
        lambda told: told["fit"]["annotations"]["index"].update(range=[0, 10**9, 1]),
    ],
)
def test_manifests_that_were_changed_are_refused_or_harmless(fit, change, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path)
    tamper(path, change)
    with pytest.raises(nbglm.NbglmError) as caught:
        nbglm.load(path).predict(pd.DataFrame({"x": [0.5], "g": ["a"]}))
    assert isinstance(caught.value, nbglm.FileError | nbglm.FormulaError)


# Made to do harm ----------------------------------------------------------------------------


def memory_of(call):
    """What a new process takes at most while it does something, in bytes, and what it prints."""
    code = (
        "import resource, sys, nbglm, nbglm.loading, h5py, zarr\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try:\n    {call}\nexcept nbglm.FileError as error:\n    print(error)\n"
        "print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))\n"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(said.split()[-1]), said


@pytest.mark.slow
@pytest.mark.parametrize("name", ["manifest", "fit.numbers.coef"])
def test_a_tiny_file_that_claims_a_trillion_numbers_takes_no_memory(path, name):
    if path.is_dir():
        shutil.rmtree(path / AT / name)
        group = zarr.open_group(str(path / AT), mode="r+")
        group.create_array(name, shape=(10**12,), chunks=(10**6,), dtype="u1")
    else:
        with h5py.File(path, "r+") as file:
            del file[f"{AT}/{name}"]
            file.create_dataset(f"{AT}/{name}", (10**12,), "u1", chunks=(10**6,))
    refused(path, "claims to be 1,000,000,000,000 numbers")
    taken, said = memory_of(f"nbglm.load({str(path)!r})")
    assert "1,000,000,000,000" in said
    assert taken < 100e6


@pytest.mark.slow
def test_chunks_that_unpack_to_more_than_they_may_are_refused(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path)
    with h5py.File(path, "r+") as file:
        del file[f"{AT}/manifest"]
        data = file.create_dataset(f"{AT}/manifest", (10**6,), "u1", chunks=(10**6,), compression=1)
        data.id.write_direct_chunk((0,), zlib.compress(bytes(300 * 10**6)))
    refused(path, "holds more than it may")
    taken, _ = memory_of(f"nbglm.load({str(path)!r})")
    assert taken < 100e6


@pytest.mark.parametrize("codec", ["zstd", "blosc", "lz4"])
def test_chunks_of_a_zarr_that_claim_more_than_they_may_are_refused(fit, codec, tmp_path):
    import numcodecs

    path = tmp_path / "fit.zarr"
    fit.save(path)
    make = {"zstd": numcodecs.Zstd, "blosc": numcodecs.Blosc, "lz4": numcodecs.LZ4}[codec]()
    (at,) = (path / AT / "manifest").glob("0")
    about = path / AT / "manifest" / ".zarray"
    told = json.loads(about.read_text())
    about.write_text(json.dumps({**told, "compressor": make.get_config()}))
    at.write_bytes(make.encode(np.zeros(300 * 10**6, np.uint8)))
    refused(path, "holds more than it may")
    at.write_bytes(b"\0")
    refused(path)


class Harm:
    """What does harm when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, (str(Path(os.environ["NBGLM_HARM"]) / "harm"),)


def test_arrays_of_python_objects_are_not_unpickled(fit, tmp_path, monkeypatch):
    import numcodecs

    monkeypatch.setenv("NBGLM_HARM", str(tmp_path))
    path = tmp_path / "fit.zarr"
    fit.save(path)
    folder = path / AT / "manifest"
    told = json.loads((folder / ".zarray").read_text())
    told |= {"dtype": "|O", "shape": [1], "chunks": [1], "fill_value": None, "compressor": None}
    told["filters"] = [{"id": "pickle", "protocol": 5}]
    (folder / ".zarray").write_text(json.dumps(told))
    (folder / "0").write_bytes(numcodecs.Pickle().encode(np.array([Harm()], dtype=object)))
    refused(path, "of a kind that is not read")
    assert not (tmp_path / "harm").exists()


def test_links_out_of_the_file_are_not_followed(fit, tmp_path):
    path, other = tmp_path / "fit.h5ad", tmp_path / "other.h5ad"
    fit.save(path)
    fit.save(other)
    with h5py.File(path, "r+") as file:
        del file[f"{AT}/manifest"]
        file[f"{AT}/manifest"] = h5py.ExternalLink(str(other), f"{AT}/manifest")
    refused(path, "holds no fit")
    with h5py.File(path, "r+") as file:
        del file[f"{AT}/manifest"]
        source = h5py.VirtualSource(str(other), f"{AT}/manifest", (10,))
        layout = h5py.VirtualLayout((10,), "u1")
        layout[:] = source
        file.create_virtual_dataset(f"{AT}/manifest", layout)
    refused(path, "of a kind that is not read")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(10))
    with h5py.File(path, "r+") as file:
        del file[f"{AT}/manifest"]
        file.create_dataset(f"{AT}/manifest", (10,), "u1", external=[(str(secret), 0, 10)])
    refused(path, "of a kind that is not read")
    store = tmp_path / "fit.zarr"
    fit.save(store)
    (store / "link").symlink_to(secret)
    refused(store, "neither a file nor a folder")


# A formula is the one thing in a file that could be executed: tests/files/test_kept_formulas.py.


# Writing ------------------------------------------------------------------------------------


def test_what_is_no_fit_is_not_replaced_unless_asked(fit, tmp_path):
    for name in ("cells.h5ad", "cells.zarr"):
        path = tmp_path / name
        cells = anndata.AnnData(np.ones((3, 2)))
        cells.write_h5ad(path) if name.endswith("h5ad") else cells.write_zarr(path)
        with pytest.raises(nbglm.FileError, match=r"no saved fit at .* overwrite=True"):
            fit.save(path)
        assert path.exists()
        fit.save(path, overwrite=True)
        fit.save(path)
        assert nbglm.load(path).llf.equals(fit.llf)
        with pytest.raises(nbglm.FileError, match="there is a file at"):
            fit.save(path, overwrite=False)
    fit.save(tmp_path / "other.zarr")
    shutil.rmtree(tmp_path / "other.zarr")
    fit.save(tmp_path / "other.zarr")


def test_an_anndata_with_a_fit_in_it_is_not_replaced(fit, tmp_path):
    cells = anndata.AnnData(np.ones((3, 40)), var=pd.DataFrame(index=fit.gene_names))
    fit.to_anndata(cells)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(nbglm.FileError, match="no saved fit"):
        fit.save(tmp_path / "cells.h5ad")


@pytest.mark.parametrize("place", ["obs", "var", "uns", "obsm", "layers"])
def test_a_saved_fit_that_was_added_to_is_not_replaced(fit, place, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path, data=True)
    more = anndata.read_h5ad(path)
    more.write_h5ad(path)
    fit.save(path, data=True)
    rows = more.shape[place == "var"]
    tables = {"layers": more.X, "obsm": np.ones((rows, 2))}
    getattr(more, place)["more"] = tables.get(place, np.ones(rows))
    more.write_h5ad(path)
    with pytest.raises(nbglm.FileError, match="no saved fit"):
        fit.save(path)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_earlier_file_stays_whole_if_writing_fails(path, fit, error, monkeypatch):
    def fail(_adata, place):
        place.mkdir() if path.is_dir() else place.write_bytes(b"half")
        raise error

    monkeypatch.setattr(nbglm.files.writing, f"_write_{path.suffix[1:]}", fail)
    with pytest.raises(nbglm.FileError if isinstance(error, OSError) else KeyboardInterrupt) as got:
        fit.save(path)
    if isinstance(error, OSError):
        assert "No space left on device" in str(got.value)
        assert repr(str(path)) in str(got.value)
    assert nbglm.load(path).llf.equals(fit.llf)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_places_that_cannot_be_written_are_named(fit, tmp_path):
    for name, words in {
        "fit.pkl": "must end in .h5ad",
        "absent/fit.h5ad": "there is no folder",
    }.items():
        with pytest.raises(nbglm.FileError) as caught:
            fit.save(tmp_path / name)
        assert words in str(caught.value)
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(nbglm.FileError, match="Permission denied"):
            fit.save(tmp_path / "fit.h5ad")
        tmp_path.chmod(0o700)


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_the_earlier_file(fit, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit.save(path)
    code = (
        "import nbglm, sys\n"
        "fit = nbglm.load(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True:\n    fit.save(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    for wait in (0.0, 0.05, 0.11, 0.17):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        assert nbglm.load(path).llf.equals(fit.llf)
