"""The fit of one response is kept in a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn, cast

from nbglm.exceptions import UnavailableError
from nbglm.files.saving import save_fit

if TYPE_CHECKING:
    from nbglm.inference.methods import FitInference

__all__ = ["KIND", "Keeping"]

KIND = "NegBinModelResults"
"""What a file says that it holds."""


class Keeping:
    """``save``, which does not pickle as that of statsmodels does."""

    model: Any
    _tables: FitInference

    def save(
        self, path: str | os.PathLike[str], *, data: bool = False, overwrite: bool | None = None
    ) -> None:
        """Keep the fit in a file, which :func:`nbglm.load` reads.

        Unlike that of statsmodels the file holds numbers and words alone, and reading it executes
        nothing.

        Parameters
        ----------
        path : str or PathLike
            A name that ends in ``.h5ad`` (one file) or ``.zarr`` (a folder).
        data : bool
            Whether to keep the data, too. Without them the loaded fit answers what it would after
            ``remove_data()``.
        overwrite : bool, optional
            Whether to replace what is there. By default an earlier fit is replaced, and anything
            else refused. An earlier file stays whole until the new one is.

        Raises
        ------
        FileError
            If the file cannot be written, or there is another.
        UnavailableError
            If `data` are wanted that were removed.

        Examples
        --------
        >>> import nbglm, numpy as np, pathlib, tempfile
        >>> x = np.column_stack([np.ones(60), np.arange(60) % 2])
        >>> fit = nbglm.NegBinModel(np.arange(60) % 7, x).fit()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "fit.h5ad"
        ...     fit.save(path)
        ...     again = nbglm.load(path)
        >>> bool((again.params == fit.params).all())
        True
        """
        model, known = self.model, self._tables.remains is None
        response = {
            "name": None if model.endog_names is None else str(model.endog_names),
            "formula": getattr(model, "formula", None),
            "labelled": model.data.row_labels is not None,
            "frame": known and getattr(model.data, "frame", None) is not None,
            # The null model is shown by summary(), and needs the data.
            "llnull": float(cast("Any", self).llnull) if known else self.__dict__.get("llnull"),
        }
        save_fit(
            self._tables,
            path,
            KIND,
            {"response": response},
            data=data,
            limit_tests=True,
            overwrite=overwrite,
        )

    @classmethod
    def load(cls, fname: Any) -> NoReturn:
        """Refuse a pickle, which can do all that a Python program can."""
        msg = f"load() of statsmodels reads pickles; nbglm.load({str(fname)!r}) reads saved fits."
        raise UnavailableError(msg)
