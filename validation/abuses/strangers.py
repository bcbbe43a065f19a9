"""Formulas of strangers, who may use columns alone."""

from __future__ import annotations

import pickle

import nbglm
from abuses.registry import answered, refused
from abuses.small import counts, fit, model, obs
from nbglm.exceptions import (
    FormulaError,
    OptionError,
)


def stranger(formula: str) -> nbglm.NegBinResults:
    """A fit of a formula that nobody has looked at."""
    return fit(formula, scope="columns")


@answered
def the_formulas_that_strangers_may_write() -> None:
    for formula in (
        "~ np.log(x) + C(g, Treatment('b')) + bs(z, df=4)",
        "~ te(cr(x, df=3), cr(z, df=3)) + I(np.pi * x ** 2) + center(z)",
        "~ np.where(g == 'a', x, 0) + I((x > 0.5) & ~(z < 0))",
        "~ C(k, levels=[5, 4, 3, 2, 1]) + C(g, Sum) + standardize(z, ddof=1)",
        "~ bs(x, knots=[0.2, 0.5], degree=2, lower_bound=0, upper_bound=1) + Q('z')",
    ):
        assert stranger(formula).llf.equals(fit(formula).llf), formula


@refused(FormulaError, "scope='columns'", "system")
def a_command_of_the_shell() -> None:
    stranger("~ I(__import__('os').system('true'))")


@refused(FormulaError, "scope='columns'", "'__bases__'")
def the_way_to_all_classes() -> None:
    stranger("~ I(().__class__.__bases__)")


@refused(FormulaError, "scope='columns'", "'np.load'")
def a_file_read_by_numpy() -> None:
    stranger("~ np.load('counts.npy')")


@refused(FormulaError, "scope='columns'", "'np.fromfile'")
def bytes_read_by_numpy() -> None:
    stranger("~ np.fromfile('/dev/zero')")


@refused(FormulaError, "scope='columns'", "attribute")
def a_module_inside_numpy() -> None:
    stranger("~ np.core.multiarray")


@refused(FormulaError, "scope='columns'", "'open'")
def a_file_opened() -> None:
    stranger("~ open('/etc/passwd')")


@refused(FormulaError, "scope='columns'", "JoinedStr")
def a_formatted_text() -> None:
    stranger("~ I(f'{x.__class__}')")


@refused(FormulaError, "scope='columns'", "lambda")
def a_function_without_a_name() -> None:
    stranger("~ I((lambda: 1)())")


@refused(FormulaError, "scope='columns'", "NamedExpr")
def an_assignment() -> None:
    stranger("~ I((q := x))")


@refused(FormulaError, "scope='columns'", "ListComp")
def a_comprehension() -> None:
    stranger("~ I([v for v in x])")


@refused(FormulaError, "scope='columns'", "Subscript")
def an_element() -> None:
    stranger("~ I(x[x > 0])")


@refused(FormulaError, "'__import__'", "obs has")
def a_builtin_by_its_name_in_quotes() -> None:
    stranger("~ Q('__import__')")


@refused(FormulaError, "scope='columns'", "'__import__'")
def a_builtin_that_a_column_is_named_after() -> None:
    fit("~ __import__('os')", obs.assign(__import__=1.0), scope="columns")


@refused(FormulaError, "scope='columns'", "power")
def a_number_of_a_million_digits() -> None:
    stranger("~ I(x + 9**9**9**9)")


@refused(FormulaError, "scope='columns'", "constant 'a'")
def a_text_of_gigabytes() -> None:
    stranger("~ I('a' * 10**10)")


@refused(FormulaError, "scope='columns'", "more than 1000 columns")
def a_spline_of_gigabytes() -> None:
    stranger("~ bs(x, df=1000000000)")


@refused(FormulaError, "scope='columns'", "operands")
def a_column_to_write_into() -> None:
    stranger("~ np.log(x, x)")


@refused(FormulaError, "'secret'", "scope='columns'")
def a_variable_of_the_caller() -> None:
    stranger("~ x + secret")


@refused(FormulaError, "'secret'", "scope='columns'")
def a_variable_of_the_caller_in_a_later_test() -> None:
    stranger("~ x").score_test("~ secret")


@refused(FormulaError, "scope='columns'", "'np.load'", "response")
def a_response_of_a_stranger() -> None:
    model("np.load('y.npy') ~ x", scope="columns")


@refused(FormulaError, "scope='columns'", "'open'")
def a_stranger_at_the_simulator() -> None:
    simulator = nbglm.NegBinRegressionSimulator(progress=False)
    simulator.fit(counts, "~ open('x')", obs=obs, scope="columns")


@refused(OptionError, "'column'", "Did you mean 'columns'")
def a_scope_that_there_is_not() -> None:
    fit("~ x", scope="column")


@answered
def nothing_more_is_allowed_after_loading() -> None:
    written = pickle.dumps(stranger("~ np.log(x)"))
    results = pickle.loads(written)
    assert results.predict(obs)["mean"].equals(results.fittedvalues)
    assert results.design.mean.columns_only
