"""What a word in a hypothesis may be that is no coefficient, and how the coefficients are called.

People write the names of other packages, of the other component, or of a whole term.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nbglm.design.predictor import LinearPredictor
from nbglm.exceptions import did_you_mean, some_of

__all__ = ["Vocabulary", "shortened"]

_PREFIX = "dispersion-"  # of coefficients of the size in the results of one response

_LONGEST = 60  # characters of a hypothesis that a message repeats
_WORD = re.compile(r"[^\s,=]+?(?=$|\s|[,=]|[-+*/](?:[^\w.]|$))")
"""Up to a blank, a comma, or an operator with no name right behind it, as in ``a-b``."""


def shortened(hypothesis: object) -> str:
    """A hypothesis as a message repeats it.

    Parameters
    ----------
    hypothesis : object
        Whatever was given.

    Returns
    -------
    str

    Examples
    --------
    >>> shortened("x = 0")
    "'x = 0'"
    """
    shape = getattr(hypothesis, "shape", ())
    if shape:
        return f"({type(hypothesis).__name__} of shape {shape})"
    text = " ".join(repr(hypothesis).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


@dataclass(frozen=True)
class Vocabulary:
    """The coefficients of a component, beside those of the other one.

    Attributes
    ----------
    predictor, other : LinearPredictor
        Of the component, and of the other one.
    """

    predictor: LinearPredictor
    other: LinearPredictor

    @property
    def _names(self) -> list[str]:
        return list(dict.fromkeys((*self.predictor.terms, *self.predictor.term_slices)))

    def coefficients(self) -> str:
        """What there is to choose from."""
        key, terms = self.predictor.key, self.predictor.terms
        return f"the {key} has the coefficients {some_of(terms, 9)}"

    def why(self, text: str, reason: str) -> str:
        """What is wrong with a text, and what may have been meant."""
        begin = f"cannot read the hypothesis {shortened(text)}"
        if re.search(r"[<>]|!=", text):
            return f"{begin}: tests are of equations, such as 'x = 0', against both sides."
        if "==" in text:
            return f"{begin}: an equation has one '=', such as 'x = 0'."
        if text.strip().startswith("~"):
            named = text.strip().lstrip("~ ")
            return f"{begin}: it is a formula; name its terms, such as {named!r}."
        token = next(self._unknown(text), None)
        if token is None:
            hint = did_you_mean(text, self._names) if re.fullmatch(r"[\w.\[\]]+", text) else ""
            return f"{begin} ({reason}); {self.coefficients()}.{hint}"
        return f"{begin}: {self.stranger(text, token)}"

    def _unknown(self, text: str) -> Iterator[str]:
        """Words of a text that are neither coefficients nor numbers."""
        known = sorted(self.predictor.terms, key=len, reverse=True)
        number = r"[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?(?![\w.\[])"
        pattern = "|".join([*map(re.escape, known), number, r"[-+*/=(),\s]+"])
        at = 0
        while at < len(text):
            found = re.compile(pattern).match(text, at)
            if found is None:
                yield _WORD.findall(text, at)[0]
                return
            at = found.end()

    def stranger(self, text: str, token: str) -> str:
        """What a word that is no coefficient of this component may be."""
        key, other = self.predictor.key, self.other
        slices = self.predictor.term_slices
        if token in slices:
            of_term = self.predictor.terms[slices[token]]
            return f"{token!r} is a term with the coefficients {some_of(of_term, 9)}; name these."
        bare = token.removeprefix(_PREFIX)
        if token.startswith("dispersion") and key == "mean" and bare != token:
            place = f"pass {bare!r} with component='dispersion'"
            known = bare in other.terms or bare in other.term_slices
            lacks = "" if known else f" (which has the coefficients {some_of(other.terms, 9)})"
            return f"a coefficient of the dispersion is not named {token!r} here; {place}{lacks}."
        if token in other.terms or token in other.term_slices:
            return f"{token!r} is in the {other.key}; pass component={other.key!r}."
        hint = self._near(token[:_LONGEST]) or did_you_mean(text[:_LONGEST], self._names)
        return f"{shortened(token)} is no coefficient; {self.coefficients()}.{hint}"

    def _near(self, token: str) -> str:
        """A suggestion, also for the names that R and others give to levels of factors."""

        def bare(name: str) -> str:
            return re.sub(r"\[T\.|\W", "", name).lower()

        level = [name for name in self._names if re.search(rf"\[(T\.)?{re.escape(token)}\]", name)]
        same = [name for name in self._names if bare(name) == bare(token)]
        inside = [name for name in self._names if re.search(rf"\b{re.escape(token)}\b", name)]
        meant = same or level or inside
        return f" Did you mean {meant[0]!r}?" if meant else did_you_mean(token, self._names)
