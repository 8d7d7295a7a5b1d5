"""Stages that share a folder lock their own results, and remove what a killed one left of them."""

import contextlib
import pathlib

import localize_workdir
import pytest
from fuse_workdir import config, write_work
from locked_folders import owner_file
from walked_folders import noted_walks

from videolstm_jax.cluster import team
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.lock import team_writer
from videolstm_jax.results.evaluated import is_evaluated, is_result
from videolstm_jax.score_files.fusion_record import load_fusion
from videolstm_jax.stages import evaluate, fuse, localize, prepare, report
from videolstm_jax.workdir.layout import Workdir

TOKEN = ".part-0123456789abcdef"


def leave(path):
    """Leaves what a process that was killed had written of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    left = path.parent / f".{path.name}{TOKEN}"
    left.write_bytes(b"half")
    return left


def locks(work):
    return list(pathlib.Path(work.root).rglob("*.lock*"))


def test_a_fusion_leaves_the_files_of_other_fusions(tmp_path):
    work = write_work(tmp_path)
    own = [leave(work.fused("two")), leave(work.fusion_record("two"))]
    others = [leave(work.fused("three")), leave(work.scores("videolstm-rgb"))]
    fuse.run(config(work, "videolstm-rgb", "videolstm-flow", fuse__name="two"))
    assert not [path for path in own if path.exists()] and not locks(work)
    assert all(path.exists() for path in others)


def test_another_process_may_write_another_fusion(tmp_path):
    work = write_work(tmp_path)
    cfg = config(work, "videolstm-rgb", "videolstm-flow", fuse__name="two")
    owner_file(tmp_path / "fused", ".fuse-three.lock")
    left = leave(fuse.run(cfg))
    owner_file(tmp_path / "fused", ".fuse-two.lock")
    with pytest.raises(FileError, match="runs here already"):
        fuse.run(cfg)
    assert left.exists()
    # This process has the lock by its file: it stands for a process that no longer runs.
    fuse.run(change(cfg, break_lock=True))
    assert not left.exists()


def test_the_page(tmp_path):
    # An empty folder gives a page of sentences.
    work = Workdir(str(tmp_path))
    own = [leave(work.report / "index.html"), leave(work.report / "videos" / "a.mp4")]
    other = leave(work.scores("r"))
    report.run(RunConfig(workdir=work.root))
    assert not [path for path in own if path.exists()] and not locks(work)
    assert other.exists()


def test_tubes_of_other_settings_stay(tmp_path):
    work = localize_workdir.write_work(tmp_path)
    own = (
        leave(work.tubes("videolstm-rgb", "two")),
        leave(work.tube_measures("videolstm-rgb", "two")),
    )
    other = leave(work.tubes("videolstm-rgb"))
    localize.run(localize_workdir.config(work, localize__name="two"))
    assert not [path for path in own if path.exists()] and not locks(work)
    assert other.exists()


def test_an_evaluation_does_not_list_the_checkpoints(tmp_path, monkeypatch):
    cfg = RunConfig(workdir=str(tmp_path))
    folder = Workdir(cfg.workdir).run(cfg.run_name)
    left = leave(folder / "scores.npz")
    (folder / "ckpt" / "4").mkdir(parents=True)
    listed = noted_walks(monkeypatch)
    with evaluate._lock(cfg, folder):
        assert not left.exists()
    assert listed == [folder]


def test_tubes_are_not_made_while_their_scores_are(tmp_path):
    work = localize_workdir.write_work(tmp_path)
    owner_file(work.run("videolstm-rgb"), ".evaluate.lock")
    with pytest.raises(FileError, match="runs here already"):
        localize.run(localize_workdir.config(work))


def test_a_killed_localization_leaves_no_measures_of_other_tubes(tmp_path, monkeypatch):
    work = localize_workdir.write_work(tmp_path)
    measures = localize.run(localize_workdir.config(work))
    assert measures.exists()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(localize, "_measured", killed)
    with pytest.raises(KeyboardInterrupt):
        localize.run(localize_workdir.config(work, localize__theta=50.0))
    assert work.tubes("videolstm-rgb").exists() and not measures.exists()


def test_a_killed_fusion_leaves_no_record_of_other_scores(tmp_path, monkeypatch):
    work = write_work(tmp_path)
    cfg = config(work, "videolstm-rgb", "videolstm-flow", fuse__name="two")
    record = work.fusion_record("two")
    before = fuse.run(cfg).read_bytes()
    assert record.exists()

    def killed(*_):
        raise KeyboardInterrupt

    weighted = change(cfg, fuse__weights=(1.0, 3.0))
    with monkeypatch.context() as patched:
        patched.setattr(fuse, "save_fusion", killed)
        with pytest.raises(KeyboardInterrupt):
            fuse.run(weighted)
    assert work.fused("two").read_bytes() != before and not record.exists()
    fuse.run(weighted)
    assert load_fusion(record).weights == (1.0, 3.0)


def test_the_first_of_several_processes_waits_for_a_lock_of_another_machine(tmp_path, monkeypatch):
    patience = []

    @contextlib.contextmanager
    def lock(folder, stage, *, patient, **_):
        patience.append(patient)
        yield

    monkeypatch.setattr(team_writer, "sole_writer", lock)
    monkeypatch.setattr(prepare, "_prepare", lambda *_: None)
    for processes in (team.ALONE, team.FIRST_ALONE):
        monkeypatch.setattr(team, "_current", processes)
        with team_writer.team_writer(tmp_path, "report", break_lock=False):
            pass
        prepare.run(RunConfig(workdir=str(tmp_path)))
    assert patience == [False, False, True, True]


@pytest.mark.parametrize(
    ("name", "evaluate", "results"),
    [
        ("scores.npz", True, True),
        ("videos/scores_valid.npz", True, True),
        ("states/c/v.npz", True, True),
        ("scores_valid.npz", False, True),
        ("tubes-one.jsonl", False, True),
        ("map.json", False, True),
        ("config.json", False, False),
        ("metrics.jsonl", False, False),
        ("ckpt/4/scores.npz", False, False),
    ],
)
def test_files_of_a_run_belong_to_stages(tmp_path, name, evaluate, results):
    folder = Workdir(str(tmp_path)).run("r")
    assert is_evaluated(folder, folder / name) == evaluate
    assert is_result(folder, folder / name) == results
