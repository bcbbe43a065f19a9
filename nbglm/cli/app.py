"""All commands under one name, as a shell starts them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from nbglm.cli.commands import WIDTH
from nbglm.cli.compare import compare
from nbglm.cli.copula import copula
from nbglm.cli.demo import demo
from nbglm.cli.failing import WRONG_USE, exit_code
from nbglm.cli.fit import fit
from nbglm.cli.info import info
from nbglm.cli.plot import plot
from nbglm.cli.predict import predict
from nbglm.cli.pseudobulk import pseudobulk
from nbglm.cli.sample import sample
from nbglm.cli.table import table
from nbglm.cli.test import test
from nbglm.cli.warmup import warmup

__all__ = ["group", "main", "start"]

_COMPLETE = "_NBGLM_COMPLETE"  # what click's scripts for shells set

_EPILOG = """Every command has --help with examples; 'nbglm demo -o cells.h5ad' writes the
cells that these begin with. Tables go to stdout, everything else to stderr.

\b
Exit codes:
  0    done; also if some genes could not be fitted, which is said
  1    the input is wrong, or the output cannot be written: a line on stderr says what to do
  2    the command line was not understood
  130  Ctrl-C

Shell completion: eval "$(_NBGLM_COMPLETE=bash_source nbglm)" in bash; zsh_source in zsh;
_NBGLM_COMPLETE=fish_source nbglm | source in fish.
"""


class _InOrder(click.Group):
    """A group that lists its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        del ctx
        return list(self.commands)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from nbglm import __version__

        click.echo(f"nbglm {__version__}")
        context.exit()


group = _InOrder(
    "nbglm",
    help="Negative binomial GLMs with formulas for the mean and the dispersion, for every gene.",
    epilog=_EPILOG,
    context_settings={"max_content_width": WIDTH, "help_option_names": ["-h", "--help"]},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            help="Show the traceback of an error as well.",
        ),
    ],
)
for _command in (
    *(demo, fit, table, test, predict, copula, sample, compare),
    *(plot, pseudobulk, info, warmup),
):
    group.add_command(_command)


def _run(words: list[str]) -> int:
    """Do what the words say; only now are packages imported that take long."""
    if not words:
        with click.Context(group, info_name="nbglm") as context:
            click.echo(group.get_help(context), err=True)
        return WRONG_USE
    with group.make_context("nbglm", words) as context:
        group.invoke(context)
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
        0; 1 after an error that was explained; 2 if the command line was not understood; 130
        after Ctrl-C.
    """
    words = sys.argv[1:] if arguments is None else [str(word) for word in arguments]
    instruction = os.environ.get(_COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(group, {}, "nbglm", _COMPLETE, instruction)
    return exit_code(lambda: _run(words), debug="--debug" in words)


def start() -> NoReturn:
    """Be the process of a command line, from its words to its exit code."""
    code = main()
    # The work is done, and files are in their places: Ctrl-C is too late to be told of.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)
