"""Is every damaged file of a work folder refused by name, or without effect?

    python -m benchmarks.faults.damaged_files --trials=1000

Runs a small pipeline. Each trial flips bits of one file, cuts it short or removes it, and reads the
folder as the stages do. A trial fails where other content is read without a word, where the error
is not one line that names the file or its folder, or where it is no error that a user can mend.

A kind of files is read by the function that the stages share. Of "checkpoints of a run, gone on
from", the whole stage `train` runs, and must leave what it left before, to the byte.

Each trial is one line of JSON in <out>/<name>.jsonl, and is repeated by its `seed` and `kind`. The
command goes on after the trials in that file; `--kind` makes trials of one kind alone.
Results: benchmarks/results/damaged_files.jsonl.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks import command_line, record
from benchmarks.faults.damage_kinds import KINDS, Finished, trained_again
from videolstm_jax import files
from videolstm_jax.cli import ending

DAMAGES = ("one bit", "two bits", "20 bits", "cut short", "missing")
"""What happens to a file."""
_BITS = {"one bit": 1, "two bits": 2, "20 bits": 20}


# ---- trials --------------------------------------------------------------------------------------


class Trial(NamedTuple):
    """What happens to which file of a kind."""

    kind: str
    path: pathlib.Path
    damage: str
    seed: int


def draw_trial(done: Finished, seed: int, kinds: Sequence[str] = tuple(KINDS)) -> Trial:
    """The trial of a seed, of one of some kinds."""
    random = np.random.default_rng(seed)
    shares = np.array([KINDS[name].share for name in kinds], float)
    name = str(random.choice(kinds, p=shares / shares.sum()))
    path = done.files(KINDS[name].patterns)
    damage = str(random.choice(DAMAGES, p=(0.3, 0.1, 0.2, 0.3, 0.1)))
    return Trial(name, path[int(random.integers(len(path)))], damage, seed)


def damage_file(trial: Trial) -> None:
    """Damages the file of a trial."""
    random = np.random.default_rng([trial.seed, 1])
    data = bytearray(trial.path.read_bytes())
    if trial.damage == "missing" or not data:
        trial.path.unlink()
        return
    if trial.damage == "cut short":
        del data[int(random.integers(len(data))) :]
    else:
        for bit in random.integers(0, 8 * len(data), _BITS[trial.damage]):
            data[bit // 8] ^= 1 << bit % 8
    trial.path.write_bytes(bytes(data))


def digest(content: Any) -> str:
    """The sha256 of what was read, of arrays bit by bit."""
    sha256 = hashlib.sha256()
    _add(sha256, content)
    return sha256.hexdigest()


def _add(sha256: Any, content: Any) -> None:
    """Adds a value, and all that it holds, to a digest."""
    if isinstance(content, (np.ndarray, jax.Array)):
        array = np.asarray(content)
        sha256.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    elif dataclasses.is_dataclass(content):
        _add(sha256, {f.name: getattr(content, f.name) for f in dataclasses.fields(content)})
    elif isinstance(content, Mapping):
        for name in sorted(content):
            sha256.update(repr(name).encode())
            _add(sha256, content[name])
    elif isinstance(content, (tuple, list)):
        sha256.update(f"{type(content).__name__} of {len(content)}".encode())
        for part in content:
            _add(sha256, part)
    else:
        sha256.update(repr(content).encode())


def is_mendable(error: BaseException) -> bool:
    """Whether a command prints the error in one line, as `cli.ending` does."""
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return error.errno is not None
    return type(error).__module__.startswith("videolstm_jax")


def names_file(message: str, path: pathlib.Path) -> bool:
    """Whether a message names a file, or a folder that holds it and not much else."""
    if path.name in message:
        return True
    # Files of a checkpoint have names without a meaning; their folder is what can be mended.
    return any(f"{folder}:" in message or f"{folder} " in message for folder in _near(path))


def _near(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders of a file up to that of the checkpoints, or of the store."""
    for folder in path.parents:
        yield folder
        if folder.name in ("ckpt", "best") or folder.parent.name in ("flow", "runs", "features"):
            return


class Bench:
    """A finished work folder, in which one file at a time is damaged."""

    def __init__(self, folder: pathlib.Path):
        """Runs the pipeline in the folder and reads what the files are before any damage."""
        self.done = Finished(folder)
        self._folder = folder
        self._sound = folder / "sound run"
        if not self._sound.exists():
            shutil.copytree(self.done.run, self._sound)
        self._expected: dict[str, str] = {}

    def expected(self, kind: str) -> str:
        """The digest of what is read of a kind of files before any damage."""
        if kind not in self._expected:
            self._expected[kind] = digest(KINDS[kind].read(self.done))
        return self._expected[kind]

    def trial(self, trial: Trial) -> dict[str, Any]:
        """Damages a file, reads it, and mends it.

        Returns:
          The row of the trial: `outcome` is `refused`, `equal`, `passed over` where a line names
          the file and what was read is another sound state, or a failure.
        """
        expected = self.expected(trial.kind)
        sound = trial.path.read_bytes()
        damage_file(trial)
        printed = io.StringIO()
        message = ""
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(printed):
                content = digest(KINDS[trial.kind].read(self.done))
        # All that a reader may raise; the next lines tell mendable errors from others.
        except Exception as error:
            message = str(error)
            outcome = self._refused(error, trial.path)
        else:
            outcome = "equal"
            named = names_file(printed.getvalue(), trial.path)
            if content != expected:
                outcome = "passed over" if named else "SILENT"
        self._mend(trial, sound)
        return {
            "seed": trial.seed,
            "kind": trial.kind,
            "file": os.path.relpath(trial.path, self._folder),
            "damage": trial.damage,
            "outcome": outcome,
            "message": message.replace(str(self._folder) + "/", "")[:240],
            "sound": outcome in ("refused", "equal", "passed over"),
        }

    def _refused(self, error: Exception, path: pathlib.Path) -> str:
        """What an error comes to."""
        message = files.system_error_text(error) if isinstance(error, OSError) else str(error)
        if not is_mendable(error):
            return f"CRASH of {type(error).__name__}"
        if len(message.splitlines()) > 1:
            return "SEVERAL LINES"
        if not names_file(message, path):
            return "UNNAMED"
        return "refused"

    def _mend(self, trial: Trial, sound: bytes) -> None:
        """Puts everything back that the trial has changed."""
        if KINDS[trial.kind].read is trained_again:
            shutil.rmtree(self.done.run)
            shutil.copytree(self._sound, self.done.run)
        else:
            trial.path.write_bytes(sound)


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """The counts of outcomes of each kind."""
    counts: dict[str, Counter] = {name: Counter() for name in KINDS}
    for row in rows:
        counts[row["kind"]][row["outcome"]] += 1
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def main() -> None:
    """Runs the trials and writes a line of JSON for each."""
    parser = command_line.parser(__doc__, name="damaged_files")
    parser.add_argument("--trials", type=int, default=1000, help="default: 1000")
    parser.add_argument("--kind", choices=tuple(KINDS), help="the only kind; default: all")
    parser.add_argument("--folder", default="", help="keep the pipeline there; default: nowhere")
    options = parser.parse_args()
    path = pathlib.Path(options.out) / f"{options.name}.jsonl"
    rows = record.read_rows(path)
    # As the commands do: orbax logs the error of each array with a traceback.
    ending.hide_orbax_tracebacks_of_command()
    with tempfile.TemporaryDirectory() as temporary, path.open("a") as file:
        folder = pathlib.Path(options.folder or temporary).absolute()
        folder.mkdir(exist_ok=True)
        # The record of compared files must be of this folder alone.
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        bench = Bench(folder)
        stamp = record.stamp()
        kinds = (options.kind,) if options.kind else tuple(KINDS)
        before = sum(row["kind"] in kinds for row in rows)
        for _ in range(before, options.trials):
            # Of all rows: a trial of one kind alone takes a number of its own.
            seed = len(rows)
            rows.append(bench.trial(draw_trial(bench.done, seed, kinds)) | stamp)
            record.add_row(file, rows[-1])
            if not rows[-1]["sound"]:
                print(json.dumps(rows[-1]), flush=True)
    print(json.dumps(summary(rows), indent=1))
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
