"""The warning of terms that vary between donors alone."""

import warnings

import numpy as np
import pandas as pd
import pytest

import nbglm


@pytest.fixture
def data(rng):
    donor = np.repeat(np.arange(12), 20)
    obs = pd.DataFrame(
        {
            "treated": donor % 2,
            "x": rng.normal(size=240),
            "patient_id": donor,
            "fine type": [f"type {k}" for k in donor],
            "sampling": rng.normal(size=240),
        }
    )
    return pd.DataFrame({"y": rng.negative_binomial(3, 0.3, 240)}), obs


def test_one_warning_names_terms_and_donors(data):
    counts, obs = data
    formula = {"mean": "~ treated + x", "dispersion": "~ treated"}
    with pytest.warns(UserWarning, match=r"^'treated' varies only between the 12 levels of 'pati"):
        fit = nbglm.fit_negbin(counts, formula, obs=obs, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.with_cov("HC0")
        fit.with_cov("CR2", {"groups": "patient_id"})


@pytest.mark.parametrize(
    ("formula", "options"),
    [
        ("~ x", {}),
        ("~ treated", {"cov_type": "CR2", "cov_kwds": {"groups": "patient_id"}}),
        ("~ treated + patient_id", {}),
    ],
)
def test_nothing_is_said_where_cells_tell_or_donors_are_known(data, formula, options):
    counts, obs = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbglm.fit_negbin(counts, formula, obs=obs, progress=False, **options)


def test_labels_of_cells_are_no_donors(data):
    counts, obs = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nbglm.fit_negbin(counts, "~ treated", obs=obs.drop(columns="patient_id"), progress=False)
