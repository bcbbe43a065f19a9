"""Files that earlier versions wrote are read for ever, and mean what they meant then."""

import numpy as np
import pandas as pd
import pytest
from files_fixture import FIXTURES, numbers_of

import nbglm
from nbglm.files.document import FORMAT

FORMATS = sorted(FIXTURES.iterdir())
WORDS = ("gene", "component", "term", "status")


def test_there_are_files_of_every_format():
    assert [folder.name for folder in FORMATS] == [f"format_{k + 1}" for k in range(FORMAT)]


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_numbers_are_those_that_were_written_beside(folder):
    for name, table in numbers_of(folder).items():
        written = pd.read_csv(folder / f"{name}.csv", index_col=0, keep_default_na=False)
        assert list(map(str, table.columns)) == list(written.columns), name
        assert list(map(str, table.index)) == list(map(str, written.index)), name
        for column in written:
            if column in WORDS:
                assert list(table[column]) == list(written[column])
                continue
            numbers = np.array(list(written[column]), dtype=float)
            np.testing.assert_allclose(table[column].to_numpy(), numbers, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("folder", FORMATS, ids=lambda folder: folder.name)
def test_they_are_of_all_kinds_and_statuses(folder):
    kinds = {file.stem: type(nbglm.load(file)).__name__ for file in folder.glob("*.h5ad")}
    assert kinds["simulator"] == "NegBinRegressionSimulator"
    fit = nbglm.load(folder / "fit.h5ad")
    assert set(fit.status) == {"ok", "all_zero", "separated", "poisson_limit"}
    assert fit.cov_type == "cluster"
