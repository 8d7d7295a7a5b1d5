"""The stage `evaluate` against the model run by hand, and what it refuses."""

import contextlib

import jax
import numpy as np
import pytest
from locked_folders import owner_file
from training_workdir import CLASSES, config, write_work

from videolstm_jax import files
from videolstm_jax.clips.snippets import clip_indices, segment_starts
from videolstm_jax.config import change
from videolstm_jax.core.model import make_model
from videolstm_jax.errors import FileError
from videolstm_jax.features.store import FeatureStore
from videolstm_jax.features.writer import FeatureWriter
from videolstm_jax.measure.scores import softmax, video_scores
from videolstm_jax.report import choose
from videolstm_jax.stages import evaluate, train
from videolstm_jax.trained.functions import as_model_inputs
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.types import Clip, Dataset, Inputs, Video
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import load_scores

# Of `localize`, and of `evaluate` itself.
UNFINISHED = (
    ".tubes.jsonl.part-0123456789abcdef",
    ".scores.npz.part-0123456789abcdef",
    "videos/.v.npz.part-0123456789abcdef",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate") / "work"
    write_work(folder)
    cfg = change(
        config(folder, "convalstm"),
        train__steps=3,
        eval__segments=4,
        eval__batch=3,
        eval__chunk=4,
        data__frames=5,
        data__feature_scale="std",
    )
    train.run(cfg)
    run = Workdir(cfg.workdir).run(cfg.run_name)
    for name in UNFINISHED:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"half")
    evaluate.run(cfg)
    return cfg


def test_only_its_own_unfinished_files_are_removed(trained):
    run = Workdir(trained.workdir).run(trained.run_name)
    left = [name for name in UNFINISHED if (run / name).exists()]
    assert left == list(UNFINISHED[:1]) and not list(run.glob("*.lock"))


def test_scores_stay_while_their_tubes_are_made(trained):
    run = Workdir(trained.workdir).run(trained.run_name)
    lock = owner_file(run, ".localize-two.lock")
    scores = (run / "scores.npz").read_bytes()
    with pytest.raises(FileError, match="runs here already"):
        evaluate.run(trained)
    assert (run / "scores.npz").read_bytes() == scores
    lock.unlink()


def by_hand(cfg):
    """Scores, frame scores and attention of each test video, one segment at a time."""
    work = Workdir(cfg.workdir)
    run = TrainedModel.of_run(work, cfg.run_name)
    model, store = make_model(run.config), FeatureStore.open(work.features("rgb", "pool5"))

    @jax.jit
    def forward(x):
        return model.apply(
            run.params,
            Clip(as_model_inputs(Inputs(x[None]), run.scales), np.ones((1, len(x)), bool)),
        )

    def apply(x):
        out = forward(x)
        return np.asarray(out.logits[0]), np.asarray(out.attention[0])

    for video in load_dataset(work.dataset).videos:
        if video.part == "test":
            features = store.read(video.name)
            starts = segment_starts(len(features), cfg.eval.segments, cfg.data.frames)
            index = [clip_indices(len(features), start, cfg.data.frames) for start in starts]
            logits = np.stack([apply(features[at])[0] for at, _ in index])
            logits_of_video, attention = apply(features)
            yield (
                video.name,
                video_scores(logits, np.stack([mask for _, mask in index])),
                softmax(logits_of_video),
                attention,
            )


def test_scores_frame_scores_and_attention(trained):
    work = Workdir(trained.workdir)
    results = load_scores(work.scores(trained.run_name))
    expected = list(by_hand(trained))
    assert results.videos == tuple(name for name, *_ in expected) and results.classes == CLASSES
    for row, (name, scores, frames, attention) in zip(results.scores, expected, strict=True):
        np.testing.assert_allclose(row, scores, atol=2e-6)
        kept = files.read_arrays(
            work.evaluated_video(trained.run_name, name), "scores", "attention"
        )
        np.testing.assert_allclose(kept[0], frames, atol=2e-6)
        np.testing.assert_allclose(kept[1], attention, atol=2e-6)


def test_the_validation_list_is_scored_beside_the_test_list(trained, capsys):
    work = Workdir(trained.workdir)
    before = work.scores(trained.run_name).read_bytes()
    path = evaluate.run(change(trained, eval__part="valid"))
    assert path == work.validation_scores(trained.run_name)
    results, dataset = load_scores(path), load_dataset(work.dataset)
    videos = dataset.part("valid")
    assert results.part == "valid" and results.videos == tuple(video.name for video in videos)
    np.testing.assert_array_equal(results.label, [video.label for video in videos])
    np.testing.assert_allclose(results.scores.sum(1), 1, atol=1e-6)
    assert f"of {len(videos)} validation videos right" in capsys.readouterr().out
    # Neither list's results remove the other's.
    assert work.scores(trained.run_name).read_bytes() == before
    evaluate.run(trained)
    assert path.exists() and load_scores(work.scores(trained.run_name)).part == "test"


@pytest.mark.parametrize("chunk, batch", [(1, 1), (64, 5)])
def test_chunks_and_batches_change_nothing(trained, chunk, batch):
    before = load_scores(Workdir(trained.workdir).scores(trained.run_name)).scores
    evaluate.run(change(trained, eval__chunk=chunk, eval__batch=batch))
    after = load_scores(Workdir(trained.workdir).scores(trained.run_name)).scores
    np.testing.assert_allclose(after, before, atol=2e-6)


def test_nothing_is_left_of_what_was_said_before(trained):
    folder = Workdir(trained.workdir).run(trained.run_name)
    old = [
        folder / name
        for name in ("tubes.jsonl", "map.json", "videos/gone/one.npz", "states/gone/one.npz")
    ]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    evaluate.run(trained)
    assert (folder / "scores.npz").exists() and not any(path.exists() for path in old)


@pytest.mark.parametrize(
    "kind, first", [("hidden", "zeros"), pytest.param("cell", "mean", marks=pytest.mark.slow)]
)
def test_state_maps_are_those_of_the_carry(trained, kind, first):
    """By hand frame by frame, from the same start; for the videos of the report only.

    None are left of an earlier evaluation.
    """
    name = trained.run_name if first == trained.model.start else f"{kind}-{first}"
    cfg = change(trained, eval__states=kind, report__examples=2, model__start=first, name=name)
    if name != trained.run_name:
        train.run(cfg)
    work = Workdir(cfg.workdir)
    run = TrainedModel.of_run(work, cfg.run_name)
    files.write_arrays(work.states(cfg.run_name, "old/one"), mean=np.zeros(3))
    evaluate.run(cfg)
    kept = sorted(
        str(path.relative_to(work.run(cfg.run_name) / "states"))[:-4]
        for path in (work.run(cfg.run_name) / "states").glob("*/*.npz")
    )
    results = load_scores(work.scores(cfg.run_name))
    shown = choose.choose_page_videos(
        results.label, results.scores.argmax(1), results.scores.max(1), 2
    )
    assert kept == sorted(results.videos[row] for row in shown) and len(kept) == 2
    model, store = make_model(run.config), FeatureStore.open(work.features("rgb", "pool5"))
    x = as_model_inputs(Inputs(store.read(kept[0])[None]), run.scales).x
    early = x[:, : cfg.eval.chunk]
    carry = model.start(run.params, Clip(Inputs(early), np.ones(early.shape[:2], bool)))
    states = []
    for t in range(x.shape[1]):
        carry = model.apply(
            run.params, Clip(Inputs(x[:, t : t + 1]), np.ones((1, 1), bool)), carry
        ).carry
        states.append(np.asarray(getattr(carry.top, kind)[0]))
    mean, channel, maps = files.read_arrays(
        work.states(cfg.run_name, kept[0]), "mean", "channel", "maps"
    )
    np.testing.assert_allclose(mean, np.abs(states).mean(axis=-1), atol=2e-3)
    np.testing.assert_allclose(maps, np.moveaxis(np.stack(states)[..., channel], -1, 0), atol=2e-3)
    evaluate.run(change(cfg, eval__states="none"))
    assert not (work.run(cfg.run_name) / "states").exists()


@pytest.mark.slow
def test_a_vector_has_no_state_maps(trained):
    cfg = change(trained, model__cell="alstm", eval__states="hidden", name="alstm-states")
    train.run(cfg)
    evaluate.run(cfg)
    assert not (Workdir(cfg.workdir).run(cfg.run_name) / "states").exists()


def test_a_checkpoint_of_another_cell(trained):
    with pytest.raises(FileError, match="is of the cell convalstm; expected alstm"):
        evaluate.run(change(trained, model__cell="alstm", name=trained.run_name))


@contextlib.contextmanager
def listing(cfg, change_list):
    """Inside the block, dataset.json is what `change_list` makes of it."""
    path = Workdir(cfg.workdir).dataset
    dataset = load_dataset(path)
    save_dataset(path, change_list(dataset))
    try:
        yield
    finally:
        save_dataset(path, dataset)


def test_a_checkpoint_of_other_classes(trained):
    with (
        listing(trained, lambda dataset: dataset._replace(classes=("bend", "wave"))),
        pytest.raises(FileError, match="they differ in jack, wave"),
    ):
        evaluate.run(trained)


def test_features_of_another_shape(trained):
    with pytest.raises(FileError, match="was trained on"):
        evaluate.run(change(trained, data__stream="flow", name=trained.run_name))


def test_features_of_another_preprocessing(trained):
    index = Workdir(trained.workdir).features("rgb", "pool5") / "index.json"
    index_before = files.read_json(index)
    about = index_before["about"] | {"preprocessing": {"name": "torch", "fps": 0.0}}
    files.write_json(index, index_before | {"about": about})
    try:
        with pytest.raises(
            FileError, match=r"preprocessing of these features is {'name': 'torch'}"
        ):
            evaluate.run(trained)
    finally:
        files.write_json(index, index_before)


def test_a_list_without_test_videos(trained):
    def without(dataset):
        return dataset._replace(
            videos=tuple(video._replace(part="train") for video in dataset.videos)
        )

    with listing(trained, without), pytest.raises(FileError, match="no videos of the part 'test'"):
        evaluate.run(trained)


def test_a_run_that_is_not_there(trained):
    with pytest.raises(FileError, match="missing"):
        evaluate.run(change(trained, name="nobody"))


@pytest.mark.slow
def test_clips_of_one_twenty_nine_thirty_thirty_one_and_fifty_four_frames(tmp_path):
    lengths = (2, 29, 30, 31, 54)  # a clip of one frame has no flow and is refused by `prepare`
    work = Workdir(str(tmp_path))
    videos = tuple(
        Video(f"{name}/p{at}", "", label, part, f"{part}{at}", frames, 64, 64, 25.0)
        for label, name in enumerate(CLASSES)
        for part in ("train", "test")
        for at, frames in enumerate(lengths, 10 * (part == "test"))
    )
    save_dataset(work.dataset, Dataset(CLASSES, videos))
    writer = FeatureWriter(work.features("rgb", "pool5"), (3, 3, 4), {"from": "nowhere"})
    for at, video in enumerate(videos):
        writer.write(video.name, np.random.default_rng(at).normal(size=(video.frames - 1, 3, 3, 4)))
    writer.finish([video.name for video in videos])
    cfg = change(
        config(tmp_path, "convalstm"),
        train__steps=2,
        data__frames=30,
        data__batch=5,
        eval__batch=4,
        eval__chunk=16,
    )
    train.run(cfg)
    evaluate.run(cfg)
    results = load_scores(work.scores(cfg.run_name))
    for row, (name, scores, frames, _) in zip(results.scores, by_hand(cfg), strict=True):
        np.testing.assert_allclose(row, scores, atol=2e-6)
        assert len(files.read_arrays(work.evaluated_video(cfg.run_name, name), "scores")[0]) == len(
            frames
        )
