"""Simulators and fits of one response in files."""

import numpy as np
import pandas as pd
import pytest

import nbglm

N = 150


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({"x": rng.normal(size=N), "g": rng.choice(list("abc"), N)})
    frame["hours"] = rng.uniform(1.0, 3.0, N)
    frame["y"] = rng.negative_binomial(2, 0.4, N)
    return frame


ROWS = pd.DataFrame({"x": [0.1, -0.3], "g": ["b", "a"], "hours": [1.0, 2.0]})

MODELS = {
    "formulas": (
        lambda d: nbglm.NegBinModel.from_formula(
            "y ~ bs(x, df=4) + g", d, dispersion="~ center(x)", exposure="hours"
        ).fit(),
        ROWS,
    ),
    "frames": (
        lambda d: nbglm.NegBinModel(d["y"], d[["x"]].assign(const=1.0)).fit("HC0"),
        [[0.1, 1.0], [-0.3, 1.0]],
    ),
    "arrays": (
        lambda d: nbglm.NegBinModel(
            d["y"].to_numpy(),
            np.column_stack([np.ones(N), d["x"]]),
            offset=np.log(d["hours"].to_numpy()),
            weights=1.0 + np.arange(N) % 2,
        ).fit(),
        [[1.0, 0.1]],
    ),
    "one gene": (
        lambda d: nbglm.fit_negbin(
            pd.DataFrame({"a/b": d["y"], "other": d["y"][::-1].to_numpy()}),
            "~ x + g",
            obs=d,
            progress=False,
        ).gene("a/b"),
        ROWS,
    ),
}

ASKED = {
    "params": lambda fit, _: fit.params,
    "bse": lambda fit, _: fit.bse,
    "pvalues": lambda fit, _: fit.pvalues,
    "conf_int": lambda fit, _: fit.conf_int(),
    "t_test": lambda fit, _: fit.t_test(np.eye(len(fit.params))[1]).summary_frame(),
    "predict": lambda fit, rows: fit.predict(rows),
    "prediction": lambda fit, rows: fit.get_prediction(rows).summary_frame(),
    "criteria": lambda fit, _: pd.Series([fit.aic, fit.bic, fit.llf, fit.llnull, fit.df_resid]),
    "coef_status": lambda fit, _: fit.coef_status,
}

NEED_DATA = {
    "resid": lambda fit, _: fit.resid,
    "fitted": lambda fit, _: fit.fittedvalues,
    "profile": lambda fit, _: fit.conf_int(method="profile"),
    "margins": lambda fit, _: fit.get_margeff().summary_frame(),
    "again": lambda fit, _: fit.model.fit().params,
    "cov": lambda fit, _: fit.with_cov("HC1").bse,
}


def answer(ask, fit, rows):
    """What comes of it; what a fit cannot answer is said alike."""
    try:
        return ask(fit, rows)
    except nbglm.NbglmError as error:
        return repr(error)


def text(fit):
    """Its summary, without the time of day."""
    lines = str(fit.summary()).splitlines()
    return [line.split("  ")[-1] if line.startswith(("Date:", "Time:")) else line for line in lines]


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_exact=True)
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_one_response_comes_back(data, kind, suffix, tmp_path):
    make, rows = MODELS[kind]
    fit, path = make(data), tmp_path / f"fit.{suffix}"
    fit.save(path)
    loaded = nbglm.load(path)
    assert type(loaded) is type(fit)
    for ask in ASKED.values():
        assert_same(ask(loaded, rows), ask(fit, rows))
    assert text(loaded)[2:4] == text(fit)[2:4]
    assert text(loaded)[10:] == text(fit)[10:]
    with pytest.raises(nbglm.UnavailableError, match="removed"):
        _ = loaded.resid


@pytest.mark.parametrize("kind", MODELS)
def test_one_response_comes_back_with_its_data(data, kind, tmp_path):
    make, rows = MODELS[kind]
    fit = make(data)
    fit.save(tmp_path / "fit.h5ad", data=True)
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    for ask in (*ASKED.values(), *NEED_DATA.values()):
        assert_same(answer(ask, loaded, rows), answer(ask, fit, rows))


def test_results_without_data_can_be_saved(data, tmp_path):
    fit = MODELS["formulas"][0](data)
    shown = text(fit)
    fit.remove_data()
    fit.save(tmp_path / "fit.h5ad")
    loaded = nbglm.load(tmp_path / "fit.h5ad")
    assert text(loaded)[10:] == shown[10:]
    with pytest.raises(nbglm.UnavailableError, match="dropped"):
        fit.save(tmp_path / "fit.h5ad", data=True)


def test_nothing_is_pickled_or_unpickled(data, tmp_path):
    fit = MODELS["formulas"][0](data)
    with pytest.raises(nbglm.FileError, match=r"must end in \.h5ad"):
        fit.save(tmp_path / "fit.pkl")
    with pytest.raises(nbglm.UnavailableError, match=r"nbglm\.load\("):
        type(fit).load(tmp_path / "fit.pkl")


def test_a_simulator_comes_back_with_its_options(data, tmp_path):
    counts = pd.DataFrame({"a": data["y"], "b/c": data["y"][::-1].to_numpy()})
    simulator = nbglm.NegBinRegressionSimulator(progress=False, rank_deficient="min_norm")
    simulator.fit(counts, "~ x + g", obs=data)
    simulator.save(tmp_path / "simulator.zarr")
    loaded = nbglm.load(tmp_path / "simulator.zarr")
    assert type(loaded) is nbglm.NegBinRegressionSimulator
    assert loaded.options == simulator.options
    assert repr(loaded) == repr(simulator)
    one, other = (each.sample(ROWS, seed=7) for each in (simulator, loaded))
    np.testing.assert_array_equal(one.X.toarray(), other.X.toarray())
    pd.testing.assert_frame_equal(loaded.params["beta"], simulator.params["beta"])
    again = loaded.fit(counts, "~ x + g", obs=data)
    pd.testing.assert_frame_equal(again.params["beta"], simulator.params["beta"])


def test_options_that_are_no_words_are_said_to_be_left_out(data, tmp_path):
    simulator = nbglm.NegBinRegressionSimulator(progress=False, offset=np.zeros(N))
    with pytest.raises(nbglm.UnavailableError, match="not been fitted"):
        simulator.save(tmp_path / "simulator.h5ad")
    simulator.fit(data[["y"]], "~ 1")
    with pytest.warns(nbglm.NbglmWarning, match="'offset'"):
        simulator.save(tmp_path / "simulator.h5ad")
    assert nbglm.load(tmp_path / "simulator.h5ad").options == {"progress": False}
