"""The flow VideoLSTM against its ConvNet at the sizes of docs/results.md, with made-up scores."""

import numpy as np

from benchmarks.ladder import published
from benchmarks.real_data import stages
from benchmarks.real_data.rows import Row
from videolstm_jax.types import Dataset, Scores, Video
from videolstm_jax.workdir.dataset_json import save_dataset
from videolstm_jax.workdir.scores_npz import save_scores


def test_a_seed_has_the_settings_and_a_folder_of_its_own():
    cfg = published.settings_of("work", "work/demo", 2).config()
    assert cfg.workdir == "work/published/seed-2" and cfg.seed == 2
    assert cfg.data.difficulty == "hard" and cfg.data.stream == "flow" and not cfg.data.mirrored
    assert (cfg.convnet.steps, cfg.convnet.learning_rate, cfg.train.steps) == (2000, 1e-3, 400)
    assert cfg.convnet.weights == "work/demo/convnets/{stream}"
    assert cfg.model.attention_scale == 1


def test_rows_have_scores_of_all_seeds(tmp_path):
    # By seed: the answers of the backbone and of the run with the published settings.
    right_of_seed = {0: ([1, 1], [0, 1]), 1: ([0, 1], [1, 1])}
    for seed, (of_backbone, of_run) in right_of_seed.items():
        work = stages.Workdir(str(tmp_path / f"published/seed-{seed}"))
        videos = []
        for name in ("v0", "v1"):
            videos.append(Video(name, f"{name}.mp4", 0, "test", "g", 9, 8, 8, 25.0))
        save_dataset(work.dataset, Dataset(("a", "b"), tuple(videos)))
        _save(work.convnet("flow") / "scores.npz", of_backbone)
        _save(work.run(f"flow-videolstm-seed{seed}") / "scores.npz", of_run)
    # The second seed of this one is missing.
    first = stages.Workdir(str(tmp_path / "published/seed-0"))
    _save(first.run("flow-800_updates-seed0") / "scores.npz", [1, 1])
    figures = published.run(str(tmp_path), "", (0, 1), stop=0.0)
    right = {name: record["right"] for name, record in figures["rows"].items()}
    assert right == {"flow ConvNet": ["11", "01"], "VideoLSTM": ["01", "11"]}
    assert figures["videos"] == ["v0", "v1"] and figures["seeds"] == [0, 1]


def _save(path, right):
    """Writes the scores of two clips of the first class, which are right or not."""
    table = np.eye(2)[1 - np.array(right)]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_scores(path, Scores(("v0", "v1"), table, np.zeros(2, int), ("a", "b"), np.zeros(2, bool)))


def test_clips_of_different_seeds_are_different_clips():
    # Seeds cancel each other at each place of the list, but not clip by clip.
    rows = {
        "flow ConvNet": Row(np.array([[True] * 20, [False] * 20])),
        "VideoLSTM": Row(np.array([[False] * 20, [True] * 20])),
    }
    lines = published.published_table(rows).splitlines()
    assert lines[0].startswith("| setting | right of 40, % (95 % interval) | each seed |")
    assert lines[2].startswith("| flow ConvNet | 20: 50.0 (35.2 to 64.8) | 100.0 0.0 | - |")
    difference = lines[3].split("|")[4]
    assert difference.startswith(" +0.0 (-") and difference != " +0.0 (+0.0 to +0.0) "
    assert lines[3].endswith("| - |")
