"""Command lines as a shell would run them, but in this process, which is quicker."""

import contextlib
import io
import re
import shlex
from pathlib import Path

from nbglm import cli


def _words(line):
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>")
    lexer.whitespace_split = True
    return list(lexer)


def shell(line):
    """Run ``nbglm ...``, perhaps with ``| head -5`` and ``> file``.

    Returns the code, and what a terminal would show.
    """
    words = _words(line)
    target = None
    if ">" in words:
        target = words[words.index(">") + 1]
        words = words[: words.index(">")]
    lines = None
    if "|" in words:
        command, *numbers = words[words.index("|") + 1 :]
        assert command == "head", line
        lines = int(numbers[0].removeprefix("-")) if numbers else 10
        words = words[: words.index("|")]
    assert words[0] == "nbglm", line
    out, shown = io.StringIO(), io.StringIO()
    piped = target is not None or lines is not None
    with contextlib.redirect_stdout(out if piped else shown), contextlib.redirect_stderr(shown):
        code = cli.main(words[1:])
    text = "".join(out.getvalue().splitlines(keepends=True)[:lines])
    if target is not None:
        Path(target).write_text(text)
        text = ""
    return code, shown.getvalue() + text


def steady(text):
    """What is said, without what differs from run to run: seconds."""
    return re.sub(r"\b[0-9.e+-]+ s\b", "... s", text)
