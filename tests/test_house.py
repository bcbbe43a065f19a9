"""The map in CONTRIBUTING.md is true: every module is in it, and imports only from above."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def rooms():
    """Number of the line of each module."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    listing = text.split("## The map")[1].split("\n## ")[0]
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


def sessions():
    """Commands of each session of nox, which need not be installed."""
    functions = ast.parse((ROOT / "noxfile.py").read_text()).body
    return {
        function.name: [
            " ".join(word.value for word in call.args if isinstance(word, ast.Constant))
            for call in ast.walk(function)
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "session.run"
        ]
        for function in functions
        if isinstance(function, ast.FunctionDef)
    }


def test_the_readme_runs_what_the_sessions_run():
    text = (ROOT / "README.md").read_text()
    command = re.search(r"^    pip install .*pytest$", text, flags=re.MULTILINE)[0]
    parts = [part.strip() for part in command.split("&&")[1:]]
    found = sessions()
    assert parts[:-1] == found["lint"] + found["types"]
    assert parts[-1] == "pytest"  # which leaves nothing out
    assert found["tests"] + found["slow"] == ["pytest -m not slow", "pytest -m slow"]


def test_sessions_and_hooks_are_the_documented_ones():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert set(re.findall(r"nox -s (\w+)", text)) == set(sessions())
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert re.findall(r"entry: nox -s (\w+)", hooks) == ["lint", "types"]


def test_files_that_the_map_of_new_code_names_are_there():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(re.findall(r"`((?:nbglm|tests|validation|docs)/[\w/]+\.\w+)`", text))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()
