"""The lower bounds of requirements: the same in every file, and with a version to test."""

import pathlib
import re

ROOT = pathlib.Path(__file__).parents[1]
LOWER = re.compile(r'^\s*f?"?([A-Za-z][\w.-]*)(?:\[\w+\])?>=([\d.]+)', re.MULTILINE)
EXACT = re.compile(r"^([A-Za-z][\w.-]*)==([\d.]+)", re.MULTILINE)


def version(text):
    """Numbers of a version without zeros at the end: 0.12 and 0.12.0 are equal."""
    numbers = [int(number) for number in text.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


def bounds(name):
    lowest = {}
    for package, lower in LOWER.findall((ROOT / name).read_text(encoding="utf-8")):
        assert version(lower) == lowest.setdefault(package, version(lower)), package
    return lowest


def test_the_oldest_versions_are_those_of_setup():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    required = text[text.index("install_requires") : text.index("extras_require")]
    lower = {package: version(number) for package, number in LOWER.findall(required)}
    assert {"jax", "av", "tensorflow-cpu"} <= set(lower)
    exact = {
        package: version(number)
        for package, number in EXACT.findall((ROOT / "constraints" / "oldest.txt").read_text())
    }
    assert {package: exact.get(package) for package in lower} == lower


def test_both_lists_of_requirements_agree():
    setup, plain = bounds("setup.py"), bounds("requirements.txt")
    assert len(plain) > 15
    for package, lower in plain.items():
        assert setup.get(package, lower) == lower, package
