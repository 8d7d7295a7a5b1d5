"""The figures of tools/code_style.py on a file whose figures are counted by hand."""

import ast
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tools"))

import code_style

SOURCE = '''"""A docstring.

Of three lines."""

# One comment.
def scale(x, found):
    """No code."""
    one = [2 * value for value in x]  # Two.
    if not one:
        raise ValueError("empty")
    return one if found else x


class TooLarge(ValueError):
    pass


class FarTooLarge(TooLarge):
    pass
'''


@pytest.fixture
def tree():
    return ast.parse(SOURCE)


def test_counts(tree):
    style = code_style.measure(SOURCE, tree)
    assert style.lines == 19
    assert style.code_lines == 9
    assert style.comments == 2
    assert style.comprehensions == 1
    assert style.conditionals == 1
    assert style.raises == 1
    assert style.bindings == 4  # x, found, one, value
    assert style.vague == 2
    # def 8, assignment 11, if 4, raise 5, return 6, and two classes of 6 and a pass.
    assert style.tokens == 8 + 11 + 4 + 5 + 6 + 7 + 7


def test_errors_are_known_by_their_bases_too(tree):
    assert code_style.error_classes([tree]) == {"TooLarge", "FarTooLarge"}


def test_tests_are_not_measured(tmp_path):
    (tmp_path / "tests").mkdir()
    for name in ["a.py", "test_a.py", "a_test.py", "tests/b.py"]:
        (tmp_path / name).touch()
    assert code_style.python_files(tmp_path) == [tmp_path / "a.py"]


def test_a_script_that_only_calls_a_function_defines_no_names():
    script = """from a import main

if __name__ == "__main__":
    main()
"""
    assert not code_style.defines_names(ast.parse(script))
    assert code_style.defines_names(ast.parse("SIZE = 3"))
    assert code_style.defines_names(ast.parse("def main(): pass"))


def test_the_command_prints_every_figure(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.py").write_text(SOURCE)
    monkeypatch.setattr(sys, "argv", ["code_style", str(tmp_path), "--by_package"])
    code_style.main()
    printed = capsys.readouterr().out
    for figure in ["tokens a code line", "most files that define names", "scale", str(tmp_path)]:
        assert figure in printed
