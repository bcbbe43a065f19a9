"""The listing in the README is true: every module is in it, and imports only from above."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def rooms():
    """Number of the line of each module."""
    text = (ROOT / "README.md").read_text()
    listing = text.split("## The house")[1].split("To work on it")[0]
    lines = [line[4:34].split() for line in listing.splitlines() if line.startswith("    ")]
    return {name.rstrip("/"): number for number, names in enumerate(lines) for name in names}


def imported(path):
    """Modules of the package that a module imports when it is loaded."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("nbglm."):
            yield node.module.split(".")[1]


def test_every_module_has_its_room():
    there = {path.stem for path in (ROOT / "nbglm").glob("*.py")}
    there |= {path.name for path in (ROOT / "nbglm").iterdir() if (path / "__init__.py").exists()}
    assert set(rooms()) == there - {"__init__"}


def test_imports_come_from_above():
    line = rooms()
    for path in [*(ROOT / "nbglm").glob("*.py"), *(ROOT / "nbglm" / "single").glob("*.py")]:
        here = path.parent.name if path.parent.name == "single" else path.stem
        if here == "__init__":
            continue
        wrong = [name for name in imported(path) if line[name] > line[here]]
        assert not wrong, f"{here} imports {wrong}"


def test_readme_commands_are_there():
    text = (ROOT / "README.md").read_text()
    assert len(re.findall(r"^    pip install .*pytest$", text, flags=re.MULTILINE)) == 1
