"""Packages that are not needed for anything else."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from nbglm.exceptions import UnavailableError

__all__ = ["import_extra"]


def import_extra(module: str, extra: str) -> ModuleType:
    """Import a module of a package that may not be there.

    Parameters
    ----------
    module : str
        Its name.
    extra : str
        The extra of this package that brings it.

    Returns
    -------
    module

    Raises
    ------
    UnavailableError
        If it is not installed, with the command that installs it.

    Examples
    --------
    >>> import_extra("no_such_package", "neighbours")
    Traceback (most recent call last):
    ...
    nbglm.exceptions.UnavailableError: this needs the package 'no_such_package', which is not
    installed: pip install 'nbglm[neighbours]'.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise
        msg = (
            f"this needs the package {package!r}, which is not installed: "
            f"pip install 'nbglm[{extra}]'."
        )
        raise UnavailableError(msg) from error
