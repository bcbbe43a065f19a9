"""Data that come with packages that are there anyway."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["randhie"]


def randhie() -> pd.DataFrame:
    """Visits to doctors in the RAND health insurance experiment, from statsmodels.

    Returns
    -------
    DataFrame
        20,190 rows, each a person in a year. The response is ``mdvis``, the number of outpatient
        visits to a physician. Beside it:

        ``lncoins``
            ``log(coinsurance + 1)``, of the coinsurance rate in percent.
        ``idp``
            1 for plans with a deductible for each person.
        ``lpi``
            Logarithm of the yearly incentive for taking part, 0 if that was below 1.
        ``fmde``
            Logarithm of the largest deductible expenditure divided by the coinsurance rate; 0 if
            `idp` is 1.
        ``physlm``
            1 for a physical limitation.
        ``disea``
            Number of chronic diseases.
        ``hlthg``, ``hlthf``, ``hlthp``
            1 for good, fair or poor health as people rate their own; all 0 is excellent.

        Columns of whole numbers are integers.

    Examples
    --------
    >>> import nbglm
    >>> from nbglm.datasets import randhie
    >>> model = nbglm.NegBinModel.from_formula("mdvis ~ lncoins + hlthp", randhie())
    >>> model.fit().params.round(2).to_dict()
    {'Intercept': 1.13, 'lncoins': -0.06, 'hlthp': 0.71, 'dispersion-Intercept': -0.37}
    """
    from statsmodels.datasets import randhie as theirs

    data = theirs.load_pandas().data
    whole = [name for name in data if np.array_equal(data[name], np.round(data[name]))]
    return data.astype(dict.fromkeys(whole, np.int64))
