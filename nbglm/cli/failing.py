"""What went wrong as one line on stderr, and the code with which the process ends."""

from __future__ import annotations

import os
import re
import sys
import threading
import traceback
import warnings
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import click

from nbglm.exceptions import NbglmError, NbglmWarning

__all__ = ["INTERRUPTED", "WRONG_INPUT", "WRONG_USE", "exit_code", "naming", "note"]

WRONG_INPUT = 1
WRONG_USE = 2  # as click has it
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended

_MOMENT = 0.01  # seconds

_AS_OPTIONS = (
    *("layer", "obs", "offset", "size_factors", "weights", "cov_type", "rank_deficient"),
    *("n_jobs", "max_memory", "seed", "component", "method", "alpha", "interval", "sort", "data"),
)
_ARGUMENT = re.compile(rf"(?<![\w.\"'])({'|'.join(_AS_OPTIONS)})=(?=[\s,.;:)]|(\S))")
_AS_PHRASES = {
    "that scope='columns' allows": "that is known without --python",
    "with scope='columns'": "without --python",
}
_SYSTEM_SAYS = re.compile(r"error message = '([^']+)'")  # within the sentences of HDF5


def note(what: str) -> None:
    """Tell something on stderr, where it is in the way of no table.

    Parameters
    ----------
    what : str
        One line.
    """
    click.echo(f"nbglm: {what}", err=True)


@contextmanager
def naming(path: object, *kinds: type[NbglmError]) -> Iterator[None]:
    """Name the file in what is said of its contents.

    Parameters
    ----------
    path : path or str
        The file.
    *kinds : type
        Classes of errors that are about this file; all of them if there is none.

    Raises
    ------
    NbglmError
        As it was raised, with the name in its message.

    Examples
    --------
    >>> from nbglm.exceptions import CountsError
    >>> with naming("cells.h5ad"):
    ...     raise CountsError("there are no counts.")
    Traceback (most recent call last):
    nbglm.exceptions.CountsError: cells.h5ad: there are no counts.
    """
    try:
        yield
    except NbglmError as error:
        if kinds and not isinstance(error, kinds):
            raise
        if str(error).startswith(f"{path}: ") or repr(str(path)) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error


def _in_options(text: str) -> str:
    """Arguments of Python's functions as the options that they are here."""

    def option(found: re.Match[str]) -> str:
        return f"--{found[1].replace('_', '-')}{' ' if found[2] else ''}"

    for words, meant in _AS_PHRASES.items():
        text = text.replace(words, meant)
    return _ARGUMENT.sub(option, text)


def _said(error: BaseException) -> str:
    """What went wrong, as a sentence."""
    if isinstance(error, NbglmError):
        return _in_options(str(error))
    if isinstance(error, UnicodeEncodeError):
        return f"{error}; PYTHONUTF8=1 in the environment lets any character be written"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {error}"
    if isinstance(error, OSError):
        what = error.filename or "the output cannot be written"
        return f"{what}: {system_reason(error)}"
    return (
        f"a defect of nbglm, or a file such as it has never seen: {type(error).__name__}: "
        f"{first_line(error)}; the same command with --debug shows where"
    )


def system_reason(error: BaseException) -> str:
    """Why the system refused, without the sentences that libraries put around it.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str

    Examples
    --------
    >>> system_reason(OSError(28, "No space left on device"))
    'No space left on device'
    """
    found = _SYSTEM_SAYS.search(str(error))
    if found:
        return found[1]
    return getattr(error, "strerror", None) or first_line(error)


def first_line(error: BaseException) -> str:
    r"""The first line of a message, or the name of its class if there is none.

    Parameters
    ----------
    error : BaseException
        What was raised.

    Returns
    -------
    str

    Examples
    --------
    >>> first_line(ValueError("one\ntwo"))
    'one'
    """
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def _drop_output() -> None:
    """Send what is still to be written nowhere, where Python would complain at its end."""
    with suppress(OSError, AttributeError):  # there is no such file, or nothing at all
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _misuse(error: click.UsageError) -> str:
    """What could not be understood, and where to read how it is meant."""
    name = error.ctx.command_path if error.ctx else "nbglm"
    text = error.format_message()
    end = "" if text.endswith((".", "?", ")")) else "."
    return f"{name}: {text}{end} '{name} --help' shows how it is used."


@contextmanager
def _warnings_as_notes(*, debug: bool) -> Iterator[None]:
    """Say the package's warnings in a line; those of others only to who asks for them."""

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        name = "" if issubclass(category, NbglmWarning) else f"{category.__name__}: "
        note(f"warning: {name}{_in_options(str(message))}")

    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", NbglmWarning)
        warnings.showwarning = show
        yield


@contextmanager
def _quiet_ends(*, debug: bool) -> Iterator[None]:
    """Keep quiet what goes wrong while objects are given up, such as files on a full disk.

    h5py shows the traceback of each by itself, beside the error that was raised already. A Ctrl-C
    that falls into such a moment would be lost, and is therefore raised once more.
    """
    hooks = sys.excepthook, sys.unraisablehook

    def ignored(what: sys.UnraisableHookArgs) -> None:
        if what.exc_type is KeyboardInterrupt:
            # From here it would be lost as well, and a moment later it is not.
            again = threading.Timer(_MOMENT, interrupt_main)
            again.daemon = True
            again.start()
        elif debug:
            hooks[1](what)

    sys.unraisablehook = ignored
    if not debug:
        sys.excepthook = lambda *_: None
    try:
        yield
    finally:
        sys.excepthook, sys.unraisablehook = hooks


def exit_code(run: Callable[[], int | None], *, debug: bool = False) -> int:
    """Do something, and say in one line what went wrong with it.

    Parameters
    ----------
    run : callable
        Does it; may return a code of its own.
    debug : bool
        Whether to show where it went wrong as well.

    Returns
    -------
    int
        0, or a code as listed in the help.
    """
    with _quiet_ends(debug=debug):
        code, said = _outcome(run, debug=debug)
    if said:
        click.echo(said, err=True)
    return code


def _outcome(run: Callable[[], int | None], *, debug: bool) -> tuple[int, str]:
    """The code of the process, and what to say."""
    try:
        try:
            with _warnings_as_notes(debug=debug):
                return run() or 0, ""
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except click.exceptions.Exit as done:  # after --help or --version
        return done.exit_code, ""
    except click.UsageError as error:
        return WRONG_USE, _misuse(error)
    except BrokenPipeError:
        _drop_output()  # whoever reads it has seen enough, such as `head`
        return 0, ""
    except KeyboardInterrupt:
        return INTERRUPTED, "nbglm: interrupted"
    except Exception as error:  # noqa: BLE001 - the last place where it can be said in a sentence
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and not isinstance(error, NbglmError) and not error.filename:
            _drop_output()
        return WRONG_INPUT, f"nbglm: {_said(error)}"
