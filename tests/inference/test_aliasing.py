"""Aliased columns and factors with one level are said, with what they depend on."""

import numpy as np
import pandas as pd
import pytest

import nbglm
from nbglm.design.design import build_design
from nbglm.inference.aliasing import lines_about_columns, reasons_of_aliases
from nbglm.status import COEF_STATUS

N = 90
RNG = np.random.default_rng(4)
OBS = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.normal(size=N),
        "g": np.resize(["a", "b", "c"], N),
        "one": "only",
    }
).assign(
    twin=lambda d: "t" + d["g"],
    three=3.0,
    zero=0.0,
    mixed=lambda d: 2 * d["x"] - 0.5 * d["z"] + 1,
)
COUNTS = pd.DataFrame({"gene": RNG.negative_binomial(2, 0.3, N), "other": RNG.poisson(2, N)})


def fit(formula, **options):
    return nbglm.fit_negbin(COUNTS, formula, obs=OBS, **{"progress": False, **options})


@pytest.mark.parametrize(
    ("formula", "lines"),
    [
        ({"mean": "~ x", "dispersion": "~ g"}, []),
        (
            {"mean": "~ g + twin", "dispersion": "~ x + three"},
            [
                (
                    "2 of 5 mean columns aliased (coefficients NaN): "
                    "twin[T.tb] = g[T.b]; twin[T.tc] = g[T.c]"
                ),
                "1 of 3 dispersion columns aliased (coefficients NaN): three = 3 on all cells",
            ],
        ),
        (
            "~ zero + x + z + mixed",
            [
                (
                    "2 of 5 mean columns aliased (coefficients NaN): zero = 0; "
                    "mixed = Intercept + 2 x - 0.5 z"
                ),
            ],
        ),
        (
            {"mean": "~ x + one", "dispersion": "~ one"},
            ["no column, since they are factors with one level: mean one, dispersion one"],
        ),
    ],
)
def test_lines_of_a_fit(formula, lines):
    results = fit(formula)
    assert results.column_lines == lines
    assert repr(results).splitlines()[4:] == [f"  {line}" for line in lines]


def test_a_combination_of_many_columns_is_counted_and_many_reasons_are_cut():
    wide = pd.DataFrame(RNG.normal(size=(N, 6))).add_prefix("v")
    for k in range(7):
        wide[f"w{k}"] = wide[[f"v{j}" for j in range(6)]] @ RNG.normal(size=6)
    results = nbglm.fit_negbin(COUNTS, "~ .", obs=wide, progress=False)
    some = "; ".join(f"w{k} (from 6 others)" for k in range(4))
    line = f"7 of 14 mean columns aliased (coefficients NaN): {some} and 3 more"
    assert results.column_lines == [line]


def test_the_closing_line_names_aliased_columns(capsys):
    results = fit("~ g + twin", progress=True)
    said = capsys.readouterr().err
    assert f"nbglm: {results.column_lines[0]}\n" in said
    fit("~ g + twin", progress=False)
    assert not capsys.readouterr().err


def test_explain_names_them_for_each_gene():
    said = fit({"mean": "~ g + twin + one", "dispersion": "~ x + three"}).explain("other")
    assert "mean twin[T.tb]: twin[T.tb] = g[T.b] on all cells." in said
    assert "dispersion three: three = 3 Intercept on all cells." in said
    assert "mean one: no column, since a factor with one level changes nothing." in said


def test_coefficients_of_the_smallest_norm_are_not_called_missing():
    results = fit("~ g + twin", rank_deficient="min_norm")
    assert results.column_lines[0].startswith("2 of 5 mean columns aliased (coefficients shared")
    assert results.params["beta"].notna().all(axis=None)


def test_reasons_hold_on_every_row():
    results = fit("~ x + z + g + mixed + twin + three")
    predictor = results.design.mean
    values = pd.DataFrame(predictor.matrix, columns=predictor.terms)
    (line,) = results.column_lines
    reasons = line.partition("): ")[2].split("; ")
    assert len(reasons) == 4
    for reason in reasons:
        term, _, combination = reason.removesuffix(" on all cells").partition(" = ")
        total = np.zeros(N)
        for part in combination.replace(" - ", " + -1 ").split(" + "):
            words = part.split()
            if words[-1] in values:
                total += np.prod([float(word) for word in words[:-1]]) * values[words[-1]]
            else:
                total += float(part)
        np.testing.assert_allclose(total, values[term], atol=1e-12)


def test_combinations_are_tried_on_all_rows():
    rows = 100_000
    wide = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    wide["sum"] = wide["x"] + wide["z"]
    wide["nearly"] = wide["x"] - wide["z"]
    wide.loc[77_777, "nearly"] = 5.0  # no row that is looked at
    wide["rare"] = np.arange(rows) == 11_113
    wide["also"] = wide["nearly"] + wide["rare"]
    design = build_design("~ x + z + nearly + sum + also + rare", wide)
    aliased = np.array(["sum" in term or "also" in term for term in design.mean.terms] + [False])
    assert aliased.sum() == 2
    said = reasons_of_aliases(design, aliased)
    assert said == {"mean": ["sum = x + z", "also"]}


def test_without_data_the_reasons_remain():
    results = fit("~ g + twin")
    assert "twin[T.tb] = g[T.b]" in results.column_lines[0]
    assert results.without_data().column_lines == results.column_lines


def test_nothing_is_said_of_genes_that_cannot_tell():
    results = fit("~ x")
    status = np.full((2, 3), COEF_STATUS.index("not_identified"), dtype=np.int8)
    assert lines_about_columns(results.design, status, "drop") == []
