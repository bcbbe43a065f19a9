"""How linear hypotheses are written: names, patsy's language, named rows, matrices.

Whatever can be read in two ways is refused, with both of them spelt out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nbglm.design.predictor import LinearPredictor
from nbglm.exceptions import HypothesisError, check_choice, some_of
from nbglm.inference.vocabulary import Vocabulary, shortened

if TYPE_CHECKING:
    from nbglm.inference.tables import FitTables

__all__ = ["COMPONENTS", "Hypothesis", "check_component", "read_hypothesis", "read_rows"]

FloatArray = NDArray[np.float64]

COMPONENTS = ("mean", "dispersion")

_OTHER_WORDS = {
    **dict.fromkeys(("beta", "mu", "location", "count", "conditional"), "mean"),
    **dict.fromkeys(("gamma", "disp", "size", "alpha", "theta", "shape", "scale"), "dispersion"),
}
"""What other packages call the components."""


@dataclass(frozen=True)
class Hypothesis:
    """Linear combinations of the coefficients of one component, and their hypothetical values.

    Attributes
    ----------
    matrix : ndarray, shape (rows, p + q)
        Combinations of ``[beta, gamma]``.
    constants : ndarray, shape (rows,)
        What they are under the hypothesis.
    labels : tuple of str
        Their names.
    """

    matrix: FloatArray
    constants: FloatArray
    labels: tuple[str, ...]

    def rows(self, chosen: Sequence[int] | NDArray[np.intp]) -> Hypothesis:
        """Some of the combinations."""
        labels = tuple(self.labels[k] for k in chosen)
        return Hypothesis(self.matrix[chosen], self.constants[chosen], labels)


class _Rows(NamedTuple):
    """Combinations of the coefficients of one component; labels where the user gave them."""

    matrix: FloatArray
    constants: FloatArray
    labels: list[str | None]


def check_component(component: object) -> None:
    """Refuse what is neither ``mean`` nor ``dispersion``.

    Parameters
    ----------
    component : str
        What was given.

    Raises
    ------
    OptionError
        With the choice that was probably meant.

    Examples
    --------
    >>> check_component("dispersion")
    """
    check_choice("component", component, COMPONENTS, _OTHER_WORDS)


def _stacked(parts: Sequence[_Rows]) -> _Rows:
    return _Rows(
        np.vstack([part.matrix for part in parts]),
        np.concatenate([part.constants for part in parts]),
        [label for part in parts for label in part.labels],
    )


class _Reader:
    """Reads hypotheses about the coefficients of one component."""

    def __init__(self, predictor: LinearPredictor, other: LinearPredictor) -> None:
        self.predictor, self.other = predictor, other
        self.words = Vocabulary(predictor, other)

    def read(self, written: Any) -> _Rows:
        """Read whatever a user may have written."""
        if isinstance(written, str):
            return self.of_text(written)
        if isinstance(written, Mapping):
            return self.of_mapping(written)
        if isinstance(written, pd.DataFrame):
            return self.of_frame(written)
        if isinstance(written, pd.Series) and pd.api.types.is_numeric_dtype(written):
            return self.of_frame(written.to_frame().T, labelled=written.name is not None)
        return self.of_array(written)

    def of_array(self, written: Any) -> _Rows:
        """Several hypotheses in a row, a matrix, or a matrix and values."""
        if hasattr(written, "coefs") and hasattr(written, "constants"):  # patsy's own constraint
            return self.of_matrix(*self.predictor.linear_constraint(written))
        if written is None or isinstance(written, bytes | set | frozenset | Real):
            msg = (
                f"{shortened(written)} is no hypothesis; name a coefficient or a term, or pass a "
                f"list of such names, or a matrix; {self.words.coefficients()}."
            )
            raise HypothesisError(msg)
        if isinstance(written, tuple) and len(written) == 2 and np.ndim(_array(written[0])) == 2:
            return self.of_matrix(*written)
        items = list(written) if isinstance(written, Sequence | pd.Index | pd.Series) else []
        if isinstance(written, np.ndarray) and written.dtype.kind in "UOS" and written.ndim == 1:
            items = written.tolist()
        if any(isinstance(item, str | Mapping) for item in items):
            return _stacked([self.read(item) for item in items])
        return self.of_matrix(written)

    # Words ---------------------------------------------------------------------------------------

    def of_text(self, text: str) -> _Rows:
        """A coefficient, a term, or equations in patsy's language."""
        terms, slices = self.predictor.terms, self.predictor.term_slices
        identity = np.eye(len(terms))
        if text in terms:
            rows = identity[[terms.index(text)]]
            return _Rows(rows, np.zeros(1), [None])
        if text in slices:
            rows = identity[slices[text]]
            if not len(rows):
                msg = f"the term {text!r} has no coefficient (a factor with one level has none)."
                raise HypothesisError(msg)
            return _Rows(rows, np.zeros(len(rows)), [None] * len(rows))
        if not text.strip():
            msg = f"the hypothesis {text!r} is empty; {self.words.coefficients()}."
            raise HypothesisError(msg)
        try:
            with np.errstate(all="ignore"):  # numbers that are not finite are refused below
                matrix, constants = self.predictor.linear_constraint(text)
        except RecursionError as error:
            msg = f"the hypothesis {shortened(text)} is too long; pass a matrix of weights."
            raise HypothesisError(msg) from error
        except ValueError as error:
            raise HypothesisError(self.words.why(text, str(error))) from error
        return _Rows(matrix, constants, [None] * len(matrix))

    # Tables --------------------------------------------------------------------------------------

    def of_mapping(self, written: Mapping[Any, Any]) -> _Rows:
        """Hypotheses with names of their own."""
        numbers = [name for name, part in written.items() if isinstance(part, Real)]
        if numbers:
            self._refuse_numbers(written)
        if not written:
            msg = f"the hypothesis {{}} is empty; {self.words.coefficients()}."
            raise HypothesisError(msg)
        parts = []
        for name, part in written.items():
            rows = self.read(part)
            count = len(rows.matrix)
            labels = [str(name) if count == 1 else f"{name} {k + 1}" for k in range(count)]
            parts.append(rows._replace(labels=list(labels)))
        return _stacked(parts)

    def _refuse_numbers(self, written: Mapping[Any, Any]) -> None:
        """Numbers by name may be weights of one contrast, or values in several equations."""
        numbers = {name: part for name, part in written.items() if isinstance(part, Real)}
        shown = dict(list(numbers.items())[:3])
        weights = " ".join(
            f"{'-' if value < 0 else '+'} {'' if abs(value) == 1 else f'{abs(value):g} * '}{name}"
            for name, value in shown.items()
        ).removeprefix("+ ")
        equations = [f"{name} = {value:g}" for name, value in shown.items()]
        msg = (
            f"{shortened(dict(written))} can be read in two ways: write {weights!r} for one "
            f"contrast with these weights, or {equations!r} for an equation each."
        )
        raise HypothesisError(msg)

    def of_frame(self, written: pd.DataFrame, *, labelled: bool = True) -> _Rows:
        """Weights in columns that bear the names of coefficients; the others have weight 0."""
        terms = self.predictor.terms
        names = [str(name) for name in written.columns]
        for name in names:
            if name not in terms:
                msg = f"the hypothesis has a column {name!r}: {self.words.stranger(name, name)}"
                raise HypothesisError(msg)
        if len(set(names)) < len(names):
            msg = f"the hypothesis has several columns of one name, of {some_of(names, 9)}."
            raise HypothesisError(msg)
        matrix = np.zeros((len(written), len(terms)))
        matrix[:, [terms.index(name) for name in names]] = _numbers(written.to_numpy(), written)
        named = labelled and not isinstance(written.index, pd.RangeIndex)
        labels = [str(label) if named else None for label in written.index]
        return _Rows(matrix, np.zeros(len(matrix)), labels)

    def of_matrix(self, written: Any, values: Any = 0.0) -> _Rows:
        """Weights in the order of the coefficients, and what the combinations are to be."""
        matrix = np.atleast_2d(_numbers(written, written))
        width = len(self.predictor.terms)
        if matrix.ndim != 2 or matrix.shape[1] != width or not len(matrix):
            both = width + len(self.other.terms)
            hint = (
                " Pass the weights of one component at a time, with component=."
                if matrix.ndim == 2 and matrix.shape[1] == both
                else ""
            )
            msg = (
                f"the hypothesis {shortened(written)} is a matrix of shape {np.shape(matrix)}; it "
                f"needs a row for each combination and {width} columns, since "
                f"{self.words.coefficients()}.{hint}"
            )
            raise HypothesisError(msg)
        constants = _numbers(values, values)
        if constants.shape not in ((), (1,), (len(matrix),)):
            msg = (
                f"the hypothesis has {len(matrix)} combinations and values of shape "
                f"{constants.shape}; it needs one value for each."
            )
            raise HypothesisError(msg)
        return _Rows(matrix, np.resize(constants, len(matrix)), [None] * len(matrix))


def _array(written: object) -> NDArray[Any]:
    """An array of whatever dtype; of objects if rows differ in length."""
    try:
        return np.asarray(written)
    except ValueError:
        return np.asarray(written, dtype=object)


def _numbers(written: object, whole: object) -> FloatArray:
    """Real numbers, or a refusal."""
    given = _array(written)
    try:
        return given.astype(
            np.float64, casting="unsafe" if given.dtype.kind == "O" else "same_kind"
        )
    except (TypeError, ValueError) as error:
        msg = (
            f"the hypothesis {shortened(whole)} is neither names of coefficients nor a matrix of "
            f"real numbers with rows of one length."
        )
        raise HypothesisError(msg) from error


def _label(row: FloatArray, value: float, terms: tuple[str, ...]) -> str:
    parts = [
        f"{'-' if w < 0 else '+'} {'' if abs(w) == 1 else f'{abs(w):.4g} * '}{term}"
        for w, term in zip(row, terms, strict=True)
        if w != 0.0
    ]
    text = " ".join(parts).removeprefix("+ ").replace("- ", "-", 1 if parts[0][0] == "-" else 0)
    return text if value == 0.0 else f"{text} = {value:g}"


def read_rows(predictor: LinearPredictor, other: LinearPredictor, hypothesis: object) -> Hypothesis:
    """Turn what a user wrote into rows over the coefficients of one predictor.

    Parameters
    ----------
    predictor, other : LinearPredictor
        Whose coefficients are meant, and the one that could have been.
    hypothesis : str, sequence of str, mapping, DataFrame or array_like
        As in :func:`read_hypothesis`.

    Returns
    -------
    Hypothesis

    Raises
    ------
    HypothesisError
        If it cannot be read, or can be read in two ways.
    """
    rows = _Reader(predictor, other).read(hypothesis)
    finite = np.isfinite(rows.matrix).all() and np.isfinite(rows.constants).all()
    if not finite:
        msg = f"the hypothesis {shortened(hypothesis)} has weights or values that are not finite."
        raise HypothesisError(msg)
    if not len(rows.matrix) or not rows.matrix.any(axis=1).all():
        msg = f"the hypothesis {shortened(hypothesis)} has rows without a coefficient."
        raise HypothesisError(msg)
    labels = tuple(
        label or _label(row, value, predictor.terms)
        for row, value, label in zip(*rows, strict=True)
    )
    return Hypothesis(rows.matrix, rows.constants, labels)


def read_hypothesis(tables: FitTables, hypothesis: object, component: str) -> Hypothesis:
    """Turn what a user wrote into rows over all coefficients.

    Parameters
    ----------
    tables : FitTables
        The fit.
    hypothesis : str, sequence of str, mapping, DataFrame or array_like
        A term of the formula (all its coefficients are 0), a constraint in patsy's language such
        as ``"g[T.b] - g[T.c] = 0"``, several of them (a mapping names each), a DataFrame of
        weights whose columns are coefficients, a matrix with a column for each coefficient of the
        component, or a pair of a matrix and what its combinations are to be.
    component : str
        ``mean`` or ``dispersion``.

    Returns
    -------
    Hypothesis

    Raises
    ------
    HypothesisError
        If it cannot be read, or can be read in two ways.
    """
    check_component(component)
    mean, dispersion = tables.design.mean, tables.design.dispersion
    p, q = len(mean.terms), len(dispersion.terms)
    of_mean = component == "mean"
    predictor, other = (mean, dispersion) if of_mean else (dispersion, mean)
    read = read_rows(predictor, other, hypothesis)
    matrix = np.zeros((len(read.matrix), p + q))
    matrix[:, slice(0, p) if of_mean else slice(p, p + q)] = read.matrix
    return Hypothesis(matrix, read.constants, read.labels)
