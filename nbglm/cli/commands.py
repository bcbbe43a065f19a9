"""Commands of click whose help teaches by example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

__all__ = ["WIDTH", "Example", "ExampleCommand", "command"]

WIDTH = 100


class Example(NamedTuple):
    """A command line that works as it stands.

    Attributes
    ----------
    what : str
        What it does.
    line : str
        The line, to be typed into a shell.
    """

    what: str
    line: str


class ExampleCommand(click.Command):
    """A command with examples, which stand before its options.

    Parameters
    ----------
    *args, **kwargs
        Of click.
    examples : sequence of pairs of str
        What each does, and the line.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(Example(*example) for example in examples)
        self.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                help="Show the traceback of an error as well.",
            )
        )

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and its examples."""
        super().format_help_text(ctx, formatter)
        if not self.examples:
            return
        with formatter.section("Examples"):
            for number, example in enumerate(self.examples):
                if number:
                    formatter.write("\n")
                formatter.write_text(f"{example.what}:")
                # As it stands, whatever the width: a line that is wrapped cannot be pasted.
                formatter.write(f"{'':{formatter.current_indent}}  {example.line}\n")


def command(
    name: str, examples: Sequence[tuple[str, str]]
) -> Callable[[Callable[..., object]], ExampleCommand]:
    """Make a function a command, whose help is the docstring of the function.

    Parameters
    ----------
    name : str
        Its name.
    examples : sequence of pairs of str
        What each does, and the line.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> @command("nothing", [("Do it", "nbglm nothing")])
    ... def nothing():
    ...     pass
    >>> nothing.examples[0].line
    'nbglm nothing'
    """
    return click.command(
        name,
        cls=ExampleCommand,
        examples=examples,
        context_settings={"max_content_width": WIDTH, "help_option_names": ["-h", "--help"]},
    )
