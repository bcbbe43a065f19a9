"""The map in CONTRIBUTING.md and the listings of the folders are true, and imports come from above.

Imports inside functions, and those for type checkers alone, count like all others.
"""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "nbglm"


def listed(lines):
    """Number of the line on which each name of a listing stands."""
    names = [re.split(r"\s{2,}", line.strip())[0].split() for line in lines]
    return {name.rstrip("/"): number for number, line in enumerate(names) for name in line}


def floors():
    """Folders and single modules of the package, by their lines in the map."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    chapter = text.split("## The map")[1].split("\n## ")[0]
    return listed([line for line in chapter.splitlines() if line.startswith("    ")])


def rooms(folder):
    """Modules of a folder, by their lines in its docstring."""
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    return listed(text.splitlines()[2:])


def modules():
    """Modules by their names within the package, such as ``fit.genes``."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in paths}


def folders():
    return [path.parent for path in PACKAGE.glob("*/__init__.py")]


def imported(path):
    """Modules of the package that a module imports, wherever it does so."""
    there = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nbglm":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}".removeprefix("nbglm.")
                name = whole if whole in there else node.module.removeprefix("nbglm.")
                if name in there:
                    yield name


def test_every_folder_and_module_is_listed_where_it_is():
    top = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    assert set(floors()) == top | {folder.name for folder in folders()}
    for folder in folders():
        assert set(rooms(folder)) == {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_imports_come_from_above():
    floor = floors()
    inside = {folder.name: rooms(folder) for folder in folders()}
    for here, path in modules().items():
        folder, _, room = here.partition(".")
        for name in imported(path):
            other, _, module = name.partition(".")
            assert floor[other] <= floor[folder], f"{here} imports {name}"
            if room and other == folder:
                assert inside[folder][module] <= inside[folder][room], f"{here} imports {name}"


def test_no_imports_go_in_circles():
    for level in (0, 1):  # of folders, and of modules
        graph = {}
        for here, path in modules().items():
            names = [name if level else name.split(".")[0] for name in (here, *imported(path))]
            graph.setdefault(names[0], set()).update(set(names[1:]) - {names[0]})
        assert list(TopologicalSorter(graph).static_order())


def test_tests_stand_in_the_folder_of_what_they_test():
    known = {folder.name for folder in folders()} | {"system", "__pycache__"}
    assert {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} <= known


def test_no_two_test_files_have_one_name():
    """pytest could not import the second."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert [name for name in dict.fromkeys(names) if names.count(name) > 1] == []


def test_files_that_documents_name_are_there():
    named = re.compile(r"(?<![\w/.])(?:tests|nbglm|validation|docs)/[\w/]+\.(?:py|md|R|csv|png)\b")
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "noxfile.py"]
    names = {name for path in documents for name in named.findall(path.read_text())}
    assert len(names) > 20
    assert not {name for name in names if not (ROOT / name).exists()}


def test_readme_commands_are_there():
    text = (ROOT / "README.md").read_text()
    assert len(re.findall(r"^    pip install .*pytest$", text, flags=re.MULTILINE)) == 1
