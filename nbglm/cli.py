"""The command line: ``nbglm demo`` and ``nbglm warmup``, or ``python -m nbglm demo``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from nbglm import __version__
from nbglm.exceptions import NbglmError
from nbglm.parallel.blocks import wanted_jobs

__all__ = ["main"]

_WRONG_USE = 2
_INTERRUPTED = 130  # as shells report a process that Ctrl-C ended


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        msg = f"{text!r} is not a whole number"
        raise argparse.ArgumentTypeError(msg) from None


def _seed(text: str) -> int:
    seed = _whole_number(text)
    if seed < 0:
        msg = f"a seed must not be negative; got {seed}"
        raise argparse.ArgumentTypeError(msg)
    return seed


def _jobs(text: str) -> int:
    jobs = _whole_number(text)
    try:
        wanted_jobs(jobs)
    except NbglmError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return jobs


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nbglm",
        description="Negative binomial GLMs with formulas for the mean and the dispersion.",
        epilog="Exit codes: 0, or 1 after an error that was explained, 2 if the command line was "
        "not understood.",
    )
    parser.add_argument("--version", action="version", version=f"nbglm {__version__}")
    commands = parser.add_subparsers(dest="command")
    demo = commands.add_parser(
        "demo",
        help="fit simulated and real data and print what comes out",
        description="Without --data: a simulation with known truth, and real data beside "
        "statsmodels; neither needs a network. With --data: your own counts.",
    )
    demo.add_argument("--data", metavar="FILE.h5ad", help="fit this file instead")
    demo.add_argument(
        "--mean", default="~ .", help="mean formula for --data (default: %(default)s)"
    )
    demo.add_argument(
        "--dispersion", default="~ 1", help="dispersion formula for --data (default: %(default)s)"
    )
    demo.add_argument("--layer", help="layer of --data that holds the counts (default: X)")
    demo.add_argument(
        "--seed", type=_seed, default=0, help="of the simulation (default: %(default)s)"
    )
    demo.add_argument("--n-jobs", type=_jobs, help="parallel workers (default: 1)")
    commands.add_parser(
        "warmup",
        help="compile all kernels now, so that no fit waits for them",
        description="Compiles all kernels and keeps them for later processes, for instance while "
        "an image is built; says how long it took and where they are. NUMBA_CACHE_DIR names "
        "another folder.",
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    from nbglm import demo, warming  # after the parser, so that --help is quick

    if options.command == "warmup":
        warming.warmup()
    elif options.data is None:
        demo.demo_simulation(options.seed, options.n_jobs)
        demo.demo_health_visits()
    else:
        demo.demo_data(
            options.data, options.mean, options.dispersion, options.layer, options.n_jobs
        )


def _drop_output() -> None:
    """Send what is still to be written nowhere, where Python would complain at its end."""
    with suppress(OSError, AttributeError):  # there is no such file, or nothing at all
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _said(error: Exception) -> str:
    """What went wrong, as a sentence."""
    if isinstance(error, UnicodeEncodeError):
        return f"{error}; PYTHONUTF8=1 in the environment lets any character be written"
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {error}"
    if isinstance(error, OSError) and not isinstance(error, NbglmError):
        what = error.filename or "the output cannot be written"
        return f"{what}: {error.strerror or error}"
    return str(error)


def _exit_code(run: Callable[[], None]) -> int:
    """Do something, and say in one line what went wrong with it."""
    try:
        try:
            run()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # whoever reads it has seen enough, such as `head`
    except KeyboardInterrupt:
        print("nbglm: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except (NbglmError, OSError, MemoryError, UnicodeEncodeError) as error:
        if not isinstance(error, NbglmError) and isinstance(error, OSError) and not error.filename:
            _drop_output()
        print(f"nbglm: {_said(error)}", file=sys.stderr)
        return 1
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of ``sys.argv``.

    Returns
    -------
    int
        0; 1 after an error that was explained; 2 if no command was named; 130 after Ctrl-C. What
        cannot be understood ends the process with 2.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return _WRONG_USE
    return _exit_code(lambda: _run(options))


if __name__ == "__main__":
    sys.exit(main())
