"""Disks that cannot be written end a command in one line that names the path and the errno."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest
from command_line import run
from prepared_workdir import write_prepared

ROOT = pathlib.Path(__file__).parents[1]


def python(*words, limit=None):
    """Runs Python; with `limit`, no file may grow beyond so many bytes."""
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    start = textwrap.dedent(
        """
        import runpy, sys
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        """
    )
    if not limit:
        return run(*words)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # No compiled program may be left half-written in a cache that other tests read.
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    return subprocess.run(
        [sys.executable, "-c", limited + start, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )


def fit(work, *words, limit=None):
    return python(
        "launch.fit_convnet",
        "--preset=small",
        f"--workdir={work}",
        "--data.stream=rgb",
        "--convnet.steps=4",
        "--train.save_every=2",
        "--convnet.image_size=16",
        "--convnet.batch=4",
        "--data.fit=squash",
        *words,
        limit=limit,
    )


@pytest.fixture
def tmpfs(tmp_path):
    """Mounts a file system of so many kilobytes; skips where the test may not."""
    mounted = []

    def mount(kilobytes):
        folder = tmp_path / "disk"
        folder.mkdir()
        options = f"size={kilobytes}K"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
        )
        if done.returncode:
            pytest.skip("this user may not mount a tmpfs")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def assert_one_line(done, *parts):
    lines = done.stderr.splitlines()
    assert done.returncode == 1 and "Traceback" not in done.stdout, done.stdout + done.stderr
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize("kind", ["write_bytes", "append_bytes"])
def test_a_file_that_is_too_large_is_named(tmp_path, kind):
    path = tmp_path / "made" / "large"
    code = textwrap.dedent(
        f"""
        import resource
        from videolstm_jax import files
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        files.write_bytes({str(path)!r}, b"before")
        try:
            files.{kind}({str(path)!r}, bytes(2000))
        except OSError as error:
            print(files.system_error_text(error))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{path}: File too large (errno 27)\n"
    assert [file.name for file in path.parent.iterdir()] == ["large"]
    assert path.read_bytes()[:6] == b"before"


def test_a_work_folder_that_is_a_file(tmp_path):
    (tmp_path / "work").write_text("a file")
    done = python("launch.prepare", "--preset=demo", f"--workdir={tmp_path / 'work'}")
    assert_one_line(done, f"{tmp_path / 'work'}", "(errno ")


@pytest.mark.slow
def test_a_checkpoint_that_is_too_large(tmp_path):
    work = write_prepared(tmp_path)
    done = fit(work, limit=30_000)
    assert_one_line(
        done, f"{work}/convnets/rgb/ckpt: cannot save step", "File too large (errno 27)"
    )


def test_a_full_disk(tmpfs):
    folder = tmpfs(60)
    done = python("launch.prepare", "--preset=demo", f"--workdir={folder / 'work'}")
    assert_one_line(done, f"{folder / 'work'}", "No space left on device (errno 28)")


def test_a_read_only_disk(tmpfs):
    folder = tmpfs(400)
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    done = python("launch.prepare", "--preset=demo", f"--workdir={folder / 'work'}")
    assert_one_line(done, f"{folder / 'work'}", "Read-only file system (errno 30)")


def test_trace_shows_where(tmp_path):
    (tmp_path / "work").write_text("a file")
    done = python("launch.prepare", "--preset=demo", f"--workdir={tmp_path / 'work'}", "--trace")
    assert done.returncode and "Traceback" in done.stderr
