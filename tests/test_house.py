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
            yield node.module.removeprefix("nbglm.")


def modules():
    """Modules by their names, those of subpackages as ``package.module``."""
    package = ROOT / "nbglm"
    paths = [*package.glob("*.py"), *package.glob("*/*.py")]
    named = {".".join(path.relative_to(package).with_suffix("").parts): path for path in paths}
    return {name: path for name, path in named.items() if not name.endswith("__init__")}


def test_every_module_has_its_room():
    there = {path.stem for path in (ROOT / "nbglm").glob("*.py")}
    there |= {path.name for path in (ROOT / "nbglm").iterdir() if (path / "__init__.py").exists()}
    assert set(rooms()) == there - {"__init__"}


def test_imports_come_from_above():
    line = rooms()
    for here, path in modules().items():
        top = here.split(".")[0]
        wrong = [name for name in imported(path) if line[name.split(".")[0]] > line[top]]
        assert not wrong, f"{here} imports {wrong}"


def test_imports_in_subpackages_come_from_above():
    for package in (ROOT / "nbglm").glob("*/__init__.py"):
        text = ast.get_docstring(ast.parse(package.read_text()))
        lines = [re.split(r"\s{2,}", line)[0].split() for line in text.splitlines()[2:]]
        line = {name: number for number, names in enumerate(lines) for name in names}
        inside = {path.stem for path in package.parent.glob("*.py")} - {"__init__"}
        assert set(line) == inside
        for name in inside:
            for other in imported(package.parent / f"{name}.py"):
                folder, _, module = other.partition(".")
                if folder == package.parent.name:
                    assert line[module] <= line[name], f"{name} imports {module}"


def test_readme_commands_are_there():
    text = (ROOT / "README.md").read_text()
    assert len(re.findall(r"^    pip install .*pytest$", text, flags=re.MULTILINE)) == 1
