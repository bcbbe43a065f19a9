"""The examples in the help work as they stand, one after the other, beginning with no file."""

import pytest
from shell import shell

from nbglm.cli.app import group


@pytest.mark.slow
def test_the_examples_of_all_commands_work_in_the_order_of_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for command in group.commands.values():
        assert len(command.examples) > 1 or command.name == "warmup"
        for example in command.examples:
            code, shown = shell(example.line)
            assert code == 0, f"{example.line}: {shown}"
            assert "defect" not in shown
            assert shown or ">" in example.line, example.line


@pytest.mark.parametrize("name", list(group.commands))
def test_help_shows_the_examples_as_they_are_typed(name):
    code, shown = shell(f"nbglm {name} --help")
    assert code == 0
    for example in group.commands[name].examples:
        assert f"\n    {example.line}\n" in shown
        assert f"  {example.what}:\n" in shown
