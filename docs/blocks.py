"""Blocks of code in README.md and docs/*.md are run, and what they print is compared.

A page is one session in one new folder: its blocks run from top to bottom and share their names.
A ```` ```python ```` block runs as a script would, and the ```` ```text ```` block that follows it
is what it prints; ``...`` in it stands for anything, such as seconds. In a ```` ```console ````
block the lines that begin with ``$ nbglm`` or ``$ cat`` are run: the lines below are what a command
prints, and one without such lines must succeed. Blocks of other languages are only shown. sybil
makes a test of each block, by ``conftest.py``. ``python docs/blocks.py PAGE ...`` runs pages and
writes into them what they print.

Comments of sybil's are heeded: ``<!--- skip: next "reason" --->`` before a block that cannot run
here, and ``<!--- skip: next if(find_spec("scanpy") is None, reason="...") --->``.
"""

from __future__ import annotations

import doctest
import io
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pandas import option_context
from sybil import Document, Example, Region, Sybil
from sybil.example import SybilFailure
from sybil.parsers.markdown import SkipParser

from nbglm import NbglmWarning

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(
    r"^```(?P<language>python|console)\n(?P<code>.*?)^```\n"
    r"(?:\n*```text\n(?P<output>.*?)^```\n)?",
    flags=re.MULTILINE | re.DOTALL,
)
_COMMAND = re.compile(r"^\$ (.*(?:\\\n.*)*)\n", flags=re.MULTILINE)
_RUNNABLE = ("nbglm ", "cat ")
_WIDTH = 100
_SKIP = re.compile(r"^<!--- skip: next (.*) --->\n+\Z", re.MULTILINE)
_CHECKER = doctest.OutputChecker()


def _printed(code: str, place: str, names: dict[str, Any]) -> str:
    """What a block prints; errors go on to the caller."""
    out = io.StringIO()
    with redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", NbglmWarning)  # a page has nothing to warn of
        exec(compile(code, place, "exec"), names)
    return out.getvalue()


def _answer(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command; stdout has both streams, as a terminal would show them."""
    return subprocess.run(  # noqa: S603, the pages are ours
        ["/bin/bash", "-o", "pipefail", "-c", command],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": str(_WIDTH)},
    )


def _trimmed(text: str) -> str:
    """Without spaces at the ends of lines, which no reader sees."""
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def _compare(example: Example, wanted: str, got: str) -> None:
    wanted, got = _trimmed(wanted), _trimmed(got)
    if not _CHECKER.check_output(wanted, got, doctest.ELLIPSIS):
        difference = _CHECKER.output_difference(doctest.Example("", wanted), got, doctest.ELLIPSIS)
        raise SybilFailure(example, difference)


def _run_python(example: Example) -> None:
    code, output = example.parsed
    lines = "\n" * example.line  # so that tracebacks name lines of the page
    got = _printed(lines + code, example.path, example.namespace)
    _compare(example, output or "", got)


def _parts(code: str) -> list[tuple[str, str]]:
    """Commands of a console block, each with what it is said to print."""
    pieces = _COMMAND.split(code)
    return list(zip(pieces[1::2], pieces[2::2], strict=True))


def _run_console(example: Example) -> None:
    for command, output in _parts(example.parsed[0]):
        if command.startswith(_RUNNABLE):
            done = _answer(command)
            if output:
                _compare(example, output, done.stdout)
            elif done.returncode:
                raise SybilFailure(example, f"$ {command}\n{done.stdout}")


def is_slow(example: Example) -> bool:
    """Whether a block is one of commands, each of which starts a process."""
    return example.region.evaluator is _run_console


def parse(document: Document) -> Iterator[Region]:
    """Find the blocks of a page that can be run."""
    for match in _BLOCK.finditer(document.text):
        run = _run_python if match["language"] == "python" else _run_console
        yield Region(match.start(), match.end(), (match["code"], match["output"]), run)


def _enter(names: dict[str, Any]) -> None:
    """Give the page a folder of its own for its files, and tables of one width."""
    names.update(__name__="__main__", find_spec=find_spec)
    names["_open"] = stack = ExitStack()
    stack.enter_context(chdir(stack.enter_context(TemporaryDirectory())))
    stack.enter_context(option_context("display.width", _WIDTH, "display.max_columns", 20))


def _leave(names: dict[str, Any]) -> None:
    names["_open"].close()


PAGES = Sybil(
    parsers=[parse, SkipParser()], pattern="*.md", path=str(ROOT), setup=_enter, teardown=_leave
)


def write(path: Path) -> bool:
    """Run a page and write what its blocks print below them; whether that changed the page.

    A block that prints nothing loses its output, and one that is to be skipped keeps it. An output
    with ``...`` that is still right stays as it is.
    """
    text = path.read_text()
    names: dict[str, Any] = {}

    def renewed(match: re.Match[str]) -> str:
        if _is_skipped(text[: match.start()]):
            return match[0]
        code, output = match["code"], match["output"] or ""
        if match["language"] == "console":
            answers = [_renewed_answer(command, said) for command, said in _parts(code)]
            asked = [command for command, _ in _parts(code)]
            lines = "".join(f"$ {one}\n{two}" for one, two in zip(asked, answers, strict=True))
            return f"```console\n{lines}```\n"
        above = "\n" * (text.count("\n", 0, match.start()) + 1)  # for the lines of tracebacks
        got = _kept(output, _printed(above + code, str(path), names))
        block = f"```python\n{code}```\n"
        return f"{block}\n```text\n{got}```\n" if got else block

    _enter(names)
    try:
        new = _BLOCK.sub(renewed, text)
    finally:
        _leave(names)
    path.write_text(new)
    return new != text


def _is_skipped(above: str) -> bool:
    """Whether the text above a block ends with a comment by which it does not run here."""
    comment = _SKIP.search(above)
    if comment is None or not comment[1].startswith("if("):
        return comment is not None
    scope = {"find_spec": find_spec, "unless": lambda condition, reason: condition and reason}
    return bool(eval(comment[1].replace("if(", "unless(", 1), scope))


def _renewed_answer(command: str, said: str) -> str:
    """What stands below a command, or what it prints now; it runs for its files in any case."""
    if not command.startswith(_RUNNABLE):
        return said
    done = _answer(command)
    return _kept(said, done.stdout) if said else said


def _kept(said: str, got: str) -> str:
    """What stands there if it is right, else what is printed now."""
    said, got = _trimmed(said), _trimmed(got)
    return said if _CHECKER.check_output(said, got, doctest.ELLIPSIS) else got


if __name__ == "__main__":
    for page in map(Path, sys.argv[1:]):
        print(page, "changed" if write(page.resolve()) else "as it was")
