"""Ctrl-C in real processes: they end soon, leave no worker behind, and the same command goes on."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from command_line import ROOT, SOON, STOPPED
from short_pipeline import contents, tiny, write_videos
from small_films import smooth

from videolstm_jax import pipeline
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import VideoError
from videolstm_jax.pipeline import plan
from videolstm_jax.train.signals import training_stop_signals
from videolstm_jax.video import encode, guard

# Python runs a module called sitecustomize at its start: workers that read films get one where
# reading takes ten minutes.
STALL = """
import os, sys, time
if "worker.serve_video_requests" in " ".join(sys.orig_argv) and "STALL" in os.environ:
    from videolstm_jax.video import decode
    def stalled(path, *args, **named):
        open(os.path.join(os.environ["STALL"], str(os.getpid())), "w").close()
        time.sleep(600)
    decode.read_video_formats = stalled
"""
READERS = {
    "in the main thread": "next(guard.read_all_videos([sys.argv[1]] * 9))",
    "behind a thread that runs ahead": "next(prefetched_batches(frame_batches("
    "[Video('c/v', sys.argv[1], 0, 'train', 'v', 6, 32, 24, 25)], FrameReader('rgb', 8), "
    "ConvNetConfig(batch=3), ClipDraws(0))))",
}
READ = """
import sys
from absl import app
from videolstm_jax.cli import ending
from videolstm_jax.clips.frame_reader import FrameReader
from videolstm_jax.clips.draws import ClipDraws
from videolstm_jax.clips.frames import frame_batches
from videolstm_jax.clips.prefetch import prefetched_batches
from videolstm_jax.config import ConvNetConfig
from videolstm_jax.types import Video
from videolstm_jax.video import guard
app.run(ending.guarded_command(lambda argv: {reader}))
"""

# A command handles signals itself, and lends them to a training. A signal that the training has
# taken must not be sent again, neither to the handler of the second Ctrl-C nor after the training.
NOTED = """
import os, signal, time
from videolstm_jax import interrupts
from videolstm_jax.train.signals import training_stop_signals
interrupts.handle_signals()
for number in (signal.SIGINT, signal.SIGTERM):
    with training_stop_signals() as received:
        os.kill(os.getpid(), number)
        if number == signal.SIGINT:
            time.sleep(0.3)
        print(int(received()), flush=True)
    time.sleep(0.3)
try:
    with training_stop_signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
except interrupts.Interrupted:
    print("at once")
"""


@pytest.fixture
def stalling(tmp_path):
    """The environment of a process whose workers never come back, and the folder of their numbers.

    Each worker that has begun writes a file named after its process number there.
    """
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(STALL)
    (tmp_path / "stalled").mkdir()
    paths = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    return {
        **os.environ,
        "PYTHONPATH": paths,
        "STALL": str(tmp_path / "stalled"),
    }, tmp_path / "stalled"


def running_workers(folder):
    """The numbers of the workers that have begun and not ended."""
    running = []
    for path in folder.iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(path.name), 0)
            running.append(path.name)
    return running


def wait_for_worker(folder, process=None):
    """Returns once a worker has begun; fails where none begins in time or the process has ended."""
    deadline = time.monotonic() + 6 * SOON  # importing JAX takes its time on a busy machine
    while not running_workers(folder):
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no worker has begun"
        time.sleep(0.02)


def interrupted(command, environment, folder, **options):
    """Sends Ctrl-C to the process group once a worker has stalled; returns status and errors."""
    process = subprocess.Popen(
        command,
        env=environment,
        start_new_session=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
    wait_for_worker(folder, process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=SOON)
    return process.returncode, errors


def test_a_training_takes_one_signal_once():
    done = subprocess.run([sys.executable, "-c", NOTED], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n15\nat once\n", "")


def test_a_signal_of_which_a_training_has_not_asked_comes_behind_it():
    # A session that was started in the background ignores Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), training_stop_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)
    with training_stop_signals() as first_signal:
        os.kill(os.getpid(), signal.SIGTERM)
        assert first_signal() == signal.SIGTERM


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_nobody_waits_for_a_video(stalling, tmp_path, reader):
    environment, folder = stalling
    encode.write_video(tmp_path / "a.mp4", smooth(6, 24, 32))
    command = [sys.executable, "-c", READ.format(reader=reader), str(tmp_path / "a.mp4")]
    assert interrupted(command, environment, folder) == (130, STOPPED)
    assert running_workers(folder) == []


@pytest.mark.slow
def test_a_stage_is_stopped_and_goes_on(stalling, tmp_path):
    environment, folder = stalling
    for k in range(4):
        label = "jump" if k < 2 else "run"
        encode.write_video(
            tmp_path / "videos" / label / f"v_x_g0{k % 2 + 1}_c01.mp4", smooth(4, 24, 32)
        )
    cfg = change(
        RunConfig(),
        workdir=str(tmp_path / "work"),
        data__videos=str(tmp_path / "videos"),
        flow__width=16,
        flow__height=12,
        data__test_fraction=0.5,
    )
    command = [
        sys.executable,
        *pipeline.pipeline_stage_command("prepare", cfg, "python -m launch.").split()[1:],
    ]
    status, errors = interrupted(command, environment, folder, cwd=ROOT)
    assert status == 130 and errors.endswith(STOPPED) and "Traceback" not in errors
    assert (
        running_workers(folder) == [] and not (tmp_path / "work" / "flow" / "index.json").exists()
    )
    del environment["STALL"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "work" / "flow" / "index.json").exists(), (
        done.stderr
    )


@pytest.mark.slow
def test_a_worker_whose_reader_was_killed_ends_by_itself(stalling, tmp_path):
    environment, folder = stalling
    encode.write_video(tmp_path / "a.mp4", smooth(6, 24, 32))
    code = READ.format(reader="next(guard.read_all_videos([sys.argv[1]], limit=3))")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a.mp4")], env=environment
    )
    wait_for_worker(folder, process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + SOON
    while running_workers(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running_workers(folder) == []


def test_a_worker_whose_reader_is_gone_prints_nothing():
    code = "from videolstm_jax.video import worker; worker.serve_video_requests()"
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe
    )
    process.stdout.close()
    process.stdin.write(b'{"work": "probe", "path": "no such file", "limit": 60}\n')
    process.stdin.close()
    assert process.stderr.read() == b"" and process.wait() == 1
    process.stderr.close()


def test_an_ended_crew_starts_nothing(tmp_path, own_workers):
    encode.write_video(tmp_path / "a.mp4", smooth(6, 24, 32))
    crew = guard.Crew(1)
    assert crew.probe(tmp_path / "a.mp4").frames == 6
    crew.end()
    with pytest.raises(RuntimeError, match="this crew has ended"):
        crew.probe(tmp_path / "a.mp4")


def test_a_video_whose_crew_was_ended_is_no_bad_one(stalling, tmp_path, monkeypatch, own_workers):
    monkeypatch.setattr(os, "environ", stalling[0])
    crew = guard.Crew(1)
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(crew.read, tmp_path / "a.mp4")
        wait_for_worker(stalling[1])
        guard.interrupt_video_decoding()
        with pytest.raises(RuntimeError, match="this crew has ended"):
            result.result()


def test_who_leaves_early_ends_the_crew(own_workers):
    crew = guard.Crew(1)
    items = guard.videos_decoded_ahead(crew, lambda item: item, range(9))
    assert next(items) == 0
    items.close()
    with pytest.raises(RuntimeError, match="this crew has ended"):
        crew.probe("a.mp4")
    crew = guard.Crew(1)
    assert list(guard.videos_decoded_ahead(crew, lambda item: item, range(9))) == list(range(9))
    with pytest.raises(VideoError, match="no such file"):
        crew.probe("a.mp4")
    crew.end()


@pytest.mark.slow
def test_a_pipeline_stopped_in_every_stage_leaves_the_same_files(tmp_path):
    """Ctrl-C some time into the first step of each stage, then the same command again.

    At the end all files are the same to the byte.
    """
    cfg = tiny(write_videos(tmp_path / "set"))
    command = [
        sys.executable,
        "-u",
        *pipeline.pipeline_stage_command("pipeline", cfg, "python -m launch.").split()[1:],
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    (tmp_path / "whole").mkdir()
    (tmp_path / "stopped").mkdir()
    subprocess.run(
        command, cwd=tmp_path / "whole", env=environment, check=True, stdout=subprocess.DEVNULL
    )
    random, stopped = np.random.default_rng(0), 0
    first = {step.stage: number for number, step in reversed(list(enumerate(plan(cfg), 1)))}
    for number in sorted(first.values()):
        process = subprocess.Popen(
            command,
            cwd=tmp_path / "stopped",
            env=environment,
            start_new_session=True,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for line in process.stdout:
            if line.startswith(f"[{number}/"):
                break
        time.sleep(random.choice([0.05, 0.3, 1.0]))
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        stopped += process.returncode == 130
        assert process.returncode in (0, 130) and "Traceback" not in errors, errors
        assert process.returncode == 0 or "same command goes on" in errors.splitlines()[-1]
    subprocess.run(
        command, cwd=tmp_path / "stopped", env=environment, check=True, stdout=subprocess.DEVNULL
    )
    assert stopped > len(first) // 2
    stopped_files = contents(tmp_path / "stopped" / "work")
    expected = contents(tmp_path / "whole" / "work")
    assert stopped_files.keys() == expected.keys() and stopped_files == expected
