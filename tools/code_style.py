"""Prints figures of how Python code reads: its density, comments, names, raises and sizes.

python tools/code_style.py                                   # videolstm_jax and launch
python tools/code_style.py --by_package --worst=10
python tools/code_style.py .venv/lib/python3.11/site-packages/optax   # another project, to compare
"""

import argparse
import ast
import collections
import io
import itertools
import os
import pathlib
import sys
import tokenize
from collections.abc import Iterator
from typing import NamedTuple

# Names that say how a value was obtained, or nothing, but not what it contains. Literal on purpose:
# a figure that is compared over time must not depend on a word list that somebody else edits.
_VAGUE = """
found one ones said told made what how why which who whose kept given asked seen taken wanted got
known each here there whole odd strange looks thing things stuff something anything everything
others word words data2 foo bar ret
"""
VAGUE_NAMES = frozenset(_VAGUE.split())

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LAYOUT_TOKENS = {
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}


class Function(NamedTuple):
    """One function or method: where it is, its length in lines, and its number of parameters."""

    place: str
    lines: int
    parameters: int


class FileStyle(NamedTuple):
    """The counts of one file, or of several files together."""

    files: int
    lines: int
    code_lines: int
    tokens: int
    comments: int
    comprehensions: int
    conditionals: int
    bindings: int
    vague: int
    raises: int


def _docstring_lines(tree: ast.Module) -> set[int]:
    """Returns the numbers of the lines that docstrings cover."""
    lines = set()
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, *_FUNCTIONS)):
            continue
        if ast.get_docstring(node, clean=False) is None:
            continue
        docstring = node.body[0]
        lines.update(range(docstring.lineno, docstring.end_lineno + 1))
    return lines


def _bindings(tree: ast.Module) -> Iterator[str]:
    """Yields every name that an assignment, a loop, a `with`, a comprehension or a parameter binds.

    A name counts as often as it is bound. Attributes (`self.x = ...`), imports, functions and
    classes do not count.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg


def error_classes(trees: list[ast.Module]) -> set[str]:
    """Returns the names of the classes that are errors, also by a base from another file."""
    bases = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = _last_names(node.bases)

    # A class is an error if a base is: repeat until a pass adds no class.
    errors = {"Exception", "BaseException", "SystemExit", "KeyboardInterrupt"}
    size = 0
    while size != len(errors):
        size = len(errors)
        for name, parents in bases.items():
            # Errors of libraries, such as `av.FFmpegError`, are known by their names only.
            if parents & errors or any(parent.endswith("Error") for parent in parents):
                errors.add(name)
    return errors & set(bases)


def _last_names(nodes: list[ast.expr]) -> set[str]:
    """Returns the last names of expressions such as `errors.FileError`."""
    return {ast.unparse(node).rpartition(".")[2] for node in nodes}


def _functions(tree: ast.Module, path: pathlib.Path) -> Iterator[Function]:
    """Yields the functions and methods of a file; `self` and `cls` are no parameters."""
    for node in ast.walk(tree):
        if not isinstance(node, _FUNCTIONS):
            continue
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        parameters = len(arguments)
        # A method has one more, which no caller passes.
        if arguments and arguments[0].arg in ("self", "cls"):
            parameters -= 1
        lines = node.end_lineno - node.lineno + 1
        yield Function(f"{path}:{node.lineno} {node.name}", lines, parameters)


def measure(source: str, tree: ast.Module) -> FileStyle:
    """Returns the counts of one file.

    Docstrings, comments and blank lines are not code: neither their lines nor their tokens count.
    """
    docstrings = _docstring_lines(tree)

    tokens = 0
    comments = 0
    code_lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments += 1
        elif token.type not in _LAYOUT_TOKENS and token.start[0] not in docstrings:
            tokens += 1
            code_lines.update(range(token.start[0], token.end[0] + 1))

    nodes = collections.Counter(map(type, ast.walk(tree)))
    comprehensions = 0
    for kind in _COMPREHENSIONS:
        comprehensions += nodes[kind]
    names = list(_bindings(tree))
    # A leading underscore says that a name is private, not what it contains.
    vague = [name for name in names if name.strip("_") in VAGUE_NAMES]
    return FileStyle(
        files=1,
        lines=len(source.splitlines()),
        code_lines=len(code_lines),
        tokens=tokens,
        comments=comments,
        comprehensions=comprehensions,
        conditionals=nodes[ast.IfExp],
        bindings=len(names),
        vague=len(vague),
        raises=nodes[ast.Raise],
    )


def python_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the Python files of a folder in order, without tests."""
    files = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).parts
        is_test = path.name.startswith("test_") or path.stem.endswith("_test")
        if not is_test and "tests" not in parts:
            files.append(path)
    return files


def defines_names(tree: ast.Module) -> bool:
    """Whether a file defines a function, a class or a value at its top level."""
    definitions = (ast.ClassDef, ast.Assign, ast.AnnAssign, *_FUNCTIONS)
    return any(isinstance(node, definitions) for node in tree.body)


def total(styles: list[FileStyle]) -> FileStyle:
    """Returns the sum of the counts of several files."""
    return FileStyle(*map(sum, zip(*styles, strict=True)))


def _rate(count: int, size: int, scale: int) -> str:
    return f"{scale * count / max(size, 1):.1f}"


def figures(style: FileStyle) -> dict[str, str]:
    """Returns the figures that do not depend on a project's size, by their headings."""
    return {
        "files": str(style.files),
        "tokens a code line": _rate(style.tokens, style.code_lines, 1),
        "comprehensions per 1k tokens": _rate(style.comprehensions, style.tokens, 1000),
        "conditional expressions per 1k tokens": _rate(style.conditionals, style.tokens, 1000),
        "comments per 100 lines": _rate(style.comments, style.lines, 100),
        "vague names, % of bindings": _rate(style.vague, style.bindings, 100),
        "raises per 1k lines": _rate(style.raises, style.lines, 1000),
    }


def _print_figures(values: dict[str, str]) -> None:
    for heading, value in values.items():
        print(f"{heading:40}{value:>6}")


def _print_largest(heading: str, sizes: dict[str, int], count: int) -> None:
    print(f"\n{heading}")
    for place in sorted(sizes, key=lambda place: -sizes[place])[:count]:
        print(f"{sizes[place]:>6}  {place}")


def main() -> None:
    """Prints the figures of the folders that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", default=["videolstm_jax", "launch"])
    parser.add_argument("--by_package", action="store_true", help="one row for each folder below")
    parser.add_argument("--worst", type=int, default=1, help="largest files and functions to list")
    options = parser.parse_args()

    styles = collections.defaultdict(list)
    # The figure shows how many files a reader must search for a name. Scripts that only call one
    # function, such as the one of each command in launch/, define none and are left out.
    searched = collections.Counter({"": 0})
    trees = []
    file_lines, function_lines, parameters = {}, {}, {}
    for folder in options.folders:
        for path in python_files(pathlib.Path(folder)):
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
            trees.append(tree)
            style = measure(source, tree)
            styles[path.parent].append(style)
            searched[path.parent] += defines_names(tree)
            file_lines[str(path)] = style.lines
            for function in _functions(tree, path):
                function_lines[function.place] = function.lines
                parameters[function.place] = function.parameters
    if not styles:
        parser.error(f"no Python files in {', '.join(options.folders)}")

    _print_figures(figures(total(list(itertools.chain(*styles.values())))))
    print(f"{'error classes':40}{len(error_classes(trees)):>6}")
    folder, most_files = searched.most_common(1)[0]
    heading = "most files that define names, a folder"
    print(f"{heading:40}{most_files:>6}  {folder}")

    _print_largest("longest files, lines", file_lines, options.worst)
    _print_largest("longest functions, lines", function_lines, options.worst)
    _print_largest("most parameters of a function", parameters, options.worst)

    if options.by_package:
        for folder in sorted(styles):
            print(f"\n{folder}")
            _print_figures(figures(total(styles[folder])))


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has ended. Python would print the error of its last flush too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a shell counts SIGPIPE, 128 + 13
