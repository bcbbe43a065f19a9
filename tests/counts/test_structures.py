"""Sparse structures of any kind, sound or damaged: the dense answer, a refusal, never a crash."""

import pytest
from structures_fuzz import OUTCOMES, outcomes


@pytest.mark.slow
def test_structures_are_answered_right_or_refused():
    found = list(outcomes(first=50_000, stop=50_300, batch=100))
    wrong = [each for each in found if each[2] not in OUTCOMES[:2]]
    assert len(found) == 300
    assert not wrong
    kinds = {kind.split(",")[0] for _, kind, _ in found}
    assert {"csr", "csc", "coo", "bsr", "dia", "lil", "dok", "dask", "h5", "zarr"} <= kinds
    for outcome in OUTCOMES[:2]:  # neither is the only one that ever comes
        assert sum(each[2] == outcome for each in found) > 50
