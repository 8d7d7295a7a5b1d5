"""The wheel holds everything that an installed command needs, and runs from an empty folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import pytest
from short_pipeline import SHORT

from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.presets import Settings

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout, built from a copy: a build leaves folders in its sources."""
    pytest.importorskip("setuptools", reason="the wheel is built with setuptools")
    pytest.importorskip("wheel", reason="the wheel is built with the package wheel")
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "videolstm_jax", source / "videolstm_jax", ignore=skipped)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", str(source)]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--wheel-dir", str(target)]
    subprocess.run(command, check=True)
    (path,) = target.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_and_every_file_that_is_read(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "videolstm_jax").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert "videolstm_jax/py.typed" in names and "videolstm_jax/cli/main.py" in names
    assert any(name.startswith("videolstm_jax/report/templates/") for name in names)
    folders = {name.split("/")[0] for name in names}
    assert folders == {"videolstm_jax", "videolstm_jax-0.1.0.dist-info"}


def test_the_wheel_has_the_command(wheel):
    with zipfile.ZipFile(wheel) as file:
        (name,) = [name for name in file.namelist() if name.endswith("entry_points.txt")]
        entry = file.read(name).decode().replace(" ", "")
    assert "videolstm=videolstm_jax.cli.main:main" in entry


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """A function that runs `videolstm` of the installed wheel in an empty folder."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "env", with_pip=True)
    scripts = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(pip, check=True)
    # The packages that the wheel needs are those of this Python. So one that setup.py forgets is
    # not missed here; tests/test_dependencies.py compares setup.py with the imports. They come last
    # on the path, and files that Python runs at its start, such as those of an editable install,
    # are not read there.
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run(
        [str(scripts / "python"), "-c", where], check=True, capture_output=True, text=True
    )
    packages = sysconfig.get_path("purelib")
    (pathlib.Path(site.stdout.strip()) / "packages_of_the_tests.pth").write_text(f"{packages}\n")
    empty = folder / "empty"
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*arguments, program="videolstm"):
        return subprocess.run(
            [str(scripts / program), *arguments],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run, folder


@pytest.mark.slow
def test_the_installed_command_runs_a_pipeline_from_an_empty_folder(command):
    run, folder = command
    code = "import videolstm_jax; print(videolstm_jax.__file__)"
    assert str(folder / "env") in run("-c", code, program="python").stdout
    text = run("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    settings = {
        **SHORT,
        "data__classes": ("SitDown", "StandUp"),
        "data__clips_per_class": 2,
        "data__test_clips_per_class": 1,
        "pipeline__cells": ("alstm",),
        "pipeline__flow_cell": "alstm",
    }
    done = run("pipeline", *Settings("demo", settings).arguments())
    assert done.returncode == 0, done.stderr
    page = folder / "empty" / "work" / "report" / "index.html"
    assert "alstm-rgb" in page.read_text() and "the page of pictures: " in done.stdout
    again = run("predict", "--checkpoint=work/runs/alstm-rgb", "--video=nowhere.mp4")
    assert again.returncode == 1 and "nowhere.mp4" in again.stderr
