"""A formula in a file is the one thing that could be executed: none of it is without leave."""

import json
import os

import numpy as np
import pandas as pd
import pytest
from patsy import stateful_transform

import nbglm
from nbglm.files.plain import digest

CELLS = 60
NEW = pd.DataFrame({"x": [0.2, 0.9], "g": ["a", "b"], "odd name": [1.0, 2.0]})


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(9)
    obs = pd.DataFrame({"x": rng.random(CELLS), "g": rng.choice(list("ab"), CELLS)})
    obs["odd name"] = rng.random(CELLS)
    return pd.DataFrame(rng.poisson(2.0, (CELLS, 2)), columns=["a", "b"]), obs


def double(values):
    return 2.0 * values


class Halve:
    """A function that remembers something in a way of its own."""

    def memorize_chunk(self, values):
        self.half = np.mean(values) / 2

    def memorize_finish(self):
        pass

    def transform(self, values):
        return values - self.half


halve = stateful_transform(Halve)


def saved(data, formula, path):
    counts, obs = data
    fit = nbglm.fit_negbin(counts, formula, obs=obs, progress=False)
    fit.save(path)
    return fit


def test_a_function_of_the_users_is_asked_for(data, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit = saved(data, "~ double(x) + g", path)
    loaded = nbglm.load(path)
    pd.testing.assert_frame_equal(loaded.to_frame(), fit.to_frame(), check_exact=True)
    pd.testing.assert_frame_equal(loaded.t_test("double(x)"), fit.t_test("double(x)"))
    with pytest.raises(nbglm.FormulaError, match=r"uses the function 'double'.*scope=\{name"):
        loaded.predict(NEW)
    for scope in ({"double": double}, "caller"):
        given = nbglm.load(path, scope=scope)
        expected = fit.predict(NEW)["mean"]
        pd.testing.assert_frame_equal(given.predict(NEW)["mean"], expected, check_exact=True)
    with pytest.raises(nbglm.FormulaError, match="'double'"):
        nbglm.load(path, scope={"triple": double}).predict(NEW)


def test_a_fit_that_lacks_a_function_can_be_saved_again(data, tmp_path):
    fit = saved(data, "~ double(x)", tmp_path / "one.h5ad")
    nbglm.load(tmp_path / "one.h5ad").save(tmp_path / "two.h5ad")
    given = nbglm.load(tmp_path / "two.h5ad", scope={"double": double})
    pd.testing.assert_frame_equal(given.predict(NEW)["mean"], fit.predict(NEW)["mean"])


def test_modules_are_given_with_their_functions(data, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit = saved(data, "~ np.cumsum(x) + np.emath.sqrt(x) + np.sinc(`odd name`)", path)
    with pytest.raises(nbglm.FormulaError, match=r"np\.cumsum"):
        nbglm.load(path).predict(NEW)
    given = nbglm.load(path, scope={"np": np})
    pd.testing.assert_frame_equal(given.predict(NEW)["mean"], fit.predict(NEW)["mean"])


def test_numbers_of_the_scope_are_kept(data, tmp_path):
    cutoff, my_knots, low = 0.5, [0.3, 0.6], np.float64(0.25)
    path = tmp_path / "fit.h5ad"
    formula = "~ I(x > cutoff) + bs(`odd name`, knots=my_knots) + I(x - low)"
    fit = nbglm.fit_negbin(data[0], formula, obs=data[1], progress=False)
    fit.save(path)
    assert (cutoff, len(my_knots), low) == (0.5, 2, 0.25)
    rows = NEW.assign(**{"odd name": [0.4, 0.5]})
    expected = fit.predict(rows)["mean"]
    pd.testing.assert_frame_equal(nbglm.load(path).predict(rows)["mean"], expected)


def test_a_function_that_remembers_cannot_be_kept_and_says_so(data, tmp_path):
    path = tmp_path / "fit.h5ad"
    fit = saved(data, "~ halve(x)", path)
    assert fit.predict(NEW)["mean"].shape == (2, 2)
    for scope in ("columns", "caller", {"halve": halve}):
        loaded = nbglm.load(path, scope=scope)
        pd.testing.assert_frame_equal(loaded.to_frame(), fit.to_frame(), check_exact=True)
        with pytest.raises(nbglm.FormulaError, match="'Halve', which remembers"):
            loaded.predict(NEW)


HARMFUL = (
    '__import__("os").mkdir(HARM)',
    'open(HARM, "w")',
    "np.savetxt(HARM, x)",
    "x.tofile(HARM)",
    "number.tofile(HARM)",
    "[c for c in ().__class__.__base__.__subclasses__()]",
    '(lambda: __import__("os").mkdir(HARM))()',
    'bs(x, df=4, knots=__import__("os").mkdir(HARM))',
    'C(g, __import__("os").mkdir(HARM))',
    'double.__globals__["os"].mkdir(HARM)',
    "double(x).tofile(HARM)",
    'double(__import__("os").mkdir(HARM))',
    "f\"{__import__('os').mkdir(HARM)}\"",
    'x if __import__("os").mkdir(HARM) else x',
    '(x, y := __import__("os").mkdir(HARM))',
    "np.lib.os.mkdir(HARM)",
    'eval("1")',
    'x[__import__("os").mkdir(HARM)]',
)


@pytest.mark.parametrize("scope", ["columns", {"double": double}])
@pytest.mark.parametrize("harmful", HARMFUL)
def test_a_formula_that_was_tampered_with_does_nothing(data, harmful, scope, tmp_path):
    import h5py

    path, harm = tmp_path / "fit.h5ad", tmp_path / "harm"
    fit = saved(data, "~ x", path)
    code = harmful.replace("HARM", repr(str(harm)))
    with h5py.File(path, "r+") as file:
        group = file["uns/nbglm"]
        told = json.loads(bytes(group["manifest"][:]))
        mean = told["fit"]["mean"]
        mean |= {"formula": f"~ {code}", "expanded": f"~ {code}", "patsy": code}
        # Also as if it were the name of a column.
        mean["obs_columns"] += ["__import__", "open", "os", "eval"]
        mean["design"]["factors"][0]["code"] = code
        values = np.arange(3.0)
        group["evil"] = values
        constant = {"$array": "evil", "sha256": digest(values)}
        mean["design"]["constants"] = [
            {"name": name, "value": constant} for name in ("number", "open", "np")
        ]
        text = np.frombuffer(json.dumps(told).encode(), dtype=np.uint8)
        del group["manifest"], group["manifest_sha256"]
        group["manifest"] = text
        group["manifest_sha256"] = np.frombuffer(bytes.fromhex(digest(text)), dtype=np.uint8)
    loaded = nbglm.load(path, scope=scope)
    pd.testing.assert_frame_equal(loaded.params["beta"], fit.params["beta"])
    with pytest.raises(nbglm.FormulaError):
        loaded.predict(NEW)
    with pytest.raises(nbglm.FormulaError):
        loaded.sample(NEW, seed=1)
    loaded.save(tmp_path / "again.h5ad")
    with pytest.raises(nbglm.FormulaError):
        nbglm.load(tmp_path / "again.h5ad").predict(NEW)
    assert not harm.exists()
    assert os.path.lexists(path)
