"""Links, commands, settings and functions in the documents exist; the words are the glossary's."""

import dataclasses
import importlib
import json
import pathlib
import re

import pytest

import videolstm_jax
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.config import ClusterConfig, RunConfig, flat_settings

ROOT = pathlib.Path(__file__).parents[1]
# Experiment logs describe what was run at a time, with the names of that time.
DOCUMENTS = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        *(ROOT / "docs").glob("*.md"),
    ],
)
ALL_PAGES = [*DOCUMENTS, ROOT / "CHANGELOG.md", *(ROOT / "docs" / "experiments").glob("*.md")]

LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:python3? -m launch\.|\bvideolstm )([a-z_]+)")
SETTING = re.compile(r"(?:--|`)([a-z]+\.[a-z_]+)(?=[=`,\s)])")
FUNCTION = re.compile(r"`(?:videolstm_jax\.)?((?:[a-z_]+\.)+[A-Za-z_]+)(?:\(\))?`")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
IMPORT = re.compile(r"^from (videolstm_jax[\w.]*) import ([\w, ]+)", re.MULTILINE)
# Looks like a setting, but is the name of a file.
_ENDINGS = """
py md json jsonl npz h5 csv txt zip avi mp4 html css svg png webp toml pkl mat pth xgtf ckpt
safetensors
"""
FILE_ENDINGS = _ENDINGS.split()
# Words of an earlier state of the project; the field's words are in docs/glossary.md.
OLD_WORDS = re.compile(
    r"\b(?:the|a|one|each|every|whole|another|same|of|per) walks?\b"
    r"|\bwalks? (?:once|of|that|says|is)\b"
    r"|\blaunch\.walk\b"
    r"|\bfloors?\b|\bceilings?\b"
    r"|\brooms? (?:below|above)\b|\bhouse\b",
    re.IGNORECASE,
)


def name(path):
    return str(path.relative_to(ROOT))


def all_settings():
    settings = {path.replace("__", ".") for path in flat_settings(RunConfig())}
    return settings | {f"cluster.{field.name}" for field in dataclasses.fields(ClusterConfig)}


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 900


@pytest.mark.parametrize("page", ALL_PAGES, ids=name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name(page)} links to {link}"


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_commands_exist(page):
    for command in COMMAND.findall(page.read_text(encoding="utf-8")):
        assert command in COMMANDS, f"{name(page)} names the command {command}"


def test_the_readme_counts_the_faults_of_the_table():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    faults = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    counts = re.search(
        r"\[(\d+)\s+kills,\s+(\d+)\s+signals,\s+(\d+)\s+full\s+disks\s+and\s+([\d,]+)\s+damaged",
        readme,
    )
    kinds = ("SIGKILL of", "SIGINT or SIGTERM to", "full disk under", "damaged or missing:")
    for count, kind in zip(counts.groups(), kinds, strict=True):
        rows = re.findall(rf"^\| {kind} [^|]*\| (\d+) \| 0 \|", faults, re.MULTILINE)
        assert int(count.replace(",", "")) == sum(map(int, rows)), kind


def test_the_readme_has_the_figures_of_the_result_files():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    columns = {}
    for column, name in ((2, "research"), (3, "weizmann")):
        result = json.loads((ROOT / "docs" / "results" / f"{name}.json").read_text())
        right = {model: row["right"] for model, row in result["accuracy"].items()}
        overlap = result["localization"]["videolstm-rgb"]
        limits = [overlap["baselines"][box]["value"] for box in ("centred", "ideal_attention")]
        columns[column] = [
            f"{right['nearest-motion']}",
            f"{right['convnet-rgb']} / {right['convnet-flow']}",
            f"{right['alstm-rgb']}",
            f"{right['videolstm-rgb']} / {right['videolstm-flow']}",
            f"{right['videolstm-rgb+videolstm-flow']}",
            f"{overlap['model']['value']:.3f}".removeprefix("0"),
            " / ".join(f"{value:.3f}".removeprefix("0") for value in limits),
        ]
    table = readme[readme.index("| nearest neighbour on") :].split("\n\n")[0].splitlines()
    cells = [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in table]
    for column, expected in columns.items():
        assert [row[column] for row in cells] == expected


def test_the_readme_names_every_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [command for command in COMMANDS if f"`{command}`" not in text] == []


def test_the_architecture_names_every_package():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = (ROOT / "docs" / "images" / "architecture.svg").read_text(encoding="utf-8")
    for path in (ROOT / "videolstm_jax").iterdir():
        if path.stem.startswith("_") or path.suffix not in ("", ".py"):
            continue
        assert f"**`{path.stem}`**" in text, path.stem
        assert f">{path.stem}<" in picture, path.stem


def test_every_requirement_has_a_reason():
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    requirements = set(re.findall(r'"([a-zA-Z_][\w.-]*)(?:\[\w+\])?>=\d', setup))
    assert {"jax", "safetensors", "ruff"} <= requirements
    decisions = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    table = decisions[decisions.index("## Dependencies") :]
    assert [package for package in sorted(requirements) if package not in table] == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_settings_exist(page):
    settings = all_settings()
    sections = {setting.split(".")[0] for setting in settings if "." in setting}
    for setting in SETTING.findall(page.read_text(encoding="utf-8")):
        section, _, field = setting.partition(".")
        if section in sections and field not in FILE_ENDINGS:
            assert setting in settings, f"{name(page)} names the setting {setting}"


def resolves(dotted):
    """Whether `core.ops.lstm` or `core.ops` is a name of the package."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(["videolstm_jax", *parts[:count]]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_functions_exist(page):
    packages = {path.stem for path in (ROOT / "videolstm_jax").iterdir()} - {"config"}
    settings = all_settings()
    for dotted in FUNCTION.findall(page.read_text(encoding="utf-8")):
        ending = dotted.rsplit(".", 1)[-1]
        if dotted.split(".")[0] in packages and dotted not in settings:
            assert ending in FILE_ENDINGS or resolves(dotted), f"{name(page)} names {dotted}"


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_examples_import_names_that_exist(page):
    for block in PYTHON.findall(page.read_text(encoding="utf-8")):
        # Examples have placeholders such as `..`, so that only their import lines can be run.
        for module, names in IMPORT.findall(block):
            for imported in names.split(", "):
                dotted = f"{module}.{imported}".removeprefix("videolstm_jax.")
                assert hasattr(videolstm_jax, dotted) or resolves(dotted), dotted


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_the_words_are_those_of_the_glossary(page):
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        assert not OLD_WORDS.search(line), f"{name(page)}:{number}: {line}"


def test_every_rule_of_security_names_its_tests():
    lines = (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) >= 10
    for row in rows:
        names = re.findall(r"`(test_\w+)`", row.split("|")[3])
        assert names, row
        for name in names:
            assert (ROOT / "tests" / f"{name}.py").exists(), name
