"""The name of a public function tells its package, by the table of docs/architecture.md."""

import ast
import collections
import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"
# Protocols: several packages have a function of this name.
PROTOCOLS = {"run", "section", "main", "define_flags"}
LEAST_SHARE = 0.9


def table():
    """The rows of the table: the words, and the package."""
    section = PAGE.read_text().split("## Names tell the package")[1].split("\n## ")[0]
    rows = []
    for line in section.splitlines():
        if line.startswith("| `"):
            words, package = line.strip("| ").split(" | ")
            rows.append((re.findall(r"`(\w+)`", words), package.strip("`")))
    return rows


def packages_of_functions():
    """The packages by the name of the public function."""
    functions = collections.defaultdict(set)
    for path in (ROOT / "videolstm_jax").rglob("*.py"):
        package = path.relative_to(ROOT / "videolstm_jax").parts[0].removesuffix(".py")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                functions[node.name].add(package)
    return {name: packages for name, packages in functions.items() if name not in PROTOCOLS}


def has_word(name, word):
    """Whether a word, such as `lock` or `read_boxes`, is in the name, singular or plural."""
    stem = word.removesuffix("y") + "ies" if word.endswith("y") else word
    return re.search(rf"(?:^|_)(?:{word}(?:e?s)?|{stem})(?:_|$)", name) is not None


def test_nine_in_ten_names_tell_their_package():
    rows, elsewhere = table(), []
    functions = packages_of_functions()
    for name, packages in functions.items():
        expected = ""
        for words, package in rows:
            if any(has_word(name, word) for word in words):
                expected = package
                break
        if packages != {expected}:
            elsewhere.append(name)
    share = 1 - len(elsewhere) / len(functions)
    assert share >= LEAST_SHARE, f"{share:.3f}; not by the table: {', '.join(sorted(elsewhere))}"


def test_each_word_is_in_the_name_of_a_function_of_its_package():
    functions = packages_of_functions()
    for words, package in table():
        for word in words:
            named = [name for name, packages in functions.items() if package in packages]
            assert any(has_word(name, word) for name in named), (word, package)


def test_no_public_function_is_in_two_packages():
    shared = {}
    for name, packages in packages_of_functions().items():
        if len(packages) > 1:
            shared[name] = packages
    assert not shared
