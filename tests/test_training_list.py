"""A trained thing keeps its training list, and no result on a video of that list goes unmarked."""

import json
import re
import shutil

import numpy as np
import pytest
from etils import epath
from prepared_workdir import config as frames_config
from prepared_workdir import write_prepared
from training_workdir import config, write_work

from videolstm_jax import files
from videolstm_jax.backbone.convnet import load_convnet
from videolstm_jax.config import change
from videolstm_jax.dataset import training_list
from videolstm_jax.errors import FileError
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.stages import evaluate, extract, fit_convnet, fuse, localize, pool, report, train
from videolstm_jax.trained.bundle.card import bundle_card
from videolstm_jax.trained.model import TrainedModel
from videolstm_jax.workdir.config_json import load_config
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset
from videolstm_jax.workdir.layout import LAYOUT, Workdir
from videolstm_jax.workdir.scores_npz import load_scores

SEEN = r"was trained on 2 of the 2 test videos: bend/p0, jack/p0\. .*--eval\.allow_trained"


def other_split(work):
    """Lists other videos as the test list: p0, which were in the training list, and not p4."""
    path = Workdir(str(work)).dataset
    dataset = load_dataset(path)
    parts = {"p0": "test", "p4": "train"}
    videos = [v._replace(part=parts.get(v.name[-2:], v.part)) for v in dataset.videos]
    save_dataset(path, dataset._replace(videos=tuple(videos)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A work folder with a run that was trained and evaluated on the first split."""
    folder = tmp_path_factory.mktemp("lists") / "work"
    write_work(folder)
    cfg = change(config(folder, "convalstm"), train__steps=2, eval__segments=2)
    train.run(cfg)
    evaluate.run(cfg)
    return folder


@pytest.fixture
def work(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "work")
    return tmp_path / "work"


def settings(work, **more):
    return change(
        config(work, "convalstm"), eval__segments=2, fuse__runs=("convalstm-rgb",), **more
    )


def test_a_run_keeps_the_names_of_its_training_list(trained):
    record = json.loads((trained / "runs" / "convalstm-rgb" / "config.json").read_text())
    names = [f"{label}/p{k}" for label in ("bend", "jack") for k in range(3)]
    assert record["trained_on"] == {"videos": names, "sha256": json_sha256(names)}
    assert TrainedModel.load(trained / "runs" / "convalstm-rgb").trained_on == tuple(names)


def test_validation_videos_count_where_they_choose_the_checkpoint(work):
    folder = train.run(settings(work, train__keep="best", data__validation=0.2, name="best"))
    videos = load_config(folder)["trained_on"]["videos"]
    assert "bend/p3" in videos and "bend/p4" not in videos and len(videos) == 8


def test_grafts_and_convnets_hand_on_what_they_were_trained_on(work):
    files.write_json(
        work / "convnets" / "rgb" / "config.json",
        {"layout": LAYOUT, "trained_on": training_list.list_record(["from/convnet"])},
    )
    config_file = work / "runs" / "convalstm-rgb" / "config.json"
    record = json.loads(config_file.read_text())
    record["trained_on"] = training_list.list_record(["from/run"])
    files.write_json(config_file, record)
    folder = train.run(settings(work, name="grafted", train__graft=("convalstm-rgb:cell.top",)))
    videos = load_config(folder)["trained_on"]["videos"]
    assert {"from/convnet", "from/run", "bend/p0"} <= set(videos)


def test_evaluate_fuse_localize_and_report_refuse_training_videos_and_leave_results(work):
    before = (work / "runs" / "convalstm-rgb" / "scores.npz").read_bytes()
    other_split(work)
    with pytest.raises(FileError, match=SEEN):
        evaluate.run(settings(work))
    assert (work / "runs" / "convalstm-rgb" / "scores.npz").read_bytes() == before
    evaluate.run(settings(work, eval__allow_trained=True))
    for stage in (fuse, localize, report):
        with pytest.raises(FileError, match=SEEN):
            stage.run(settings(work))


def test_allowed_every_result_says_so(work, capsys):
    other_split(work)
    cfg = settings(work, eval__allow_trained=True, report__examples=0)
    scores = load_scores(evaluate.run(cfg))
    assert scores.trained.tolist() == [True, True]
    assert "(trained on 2 of these videos)" in capsys.readouterr().out
    assert load_scores(fuse.run(cfg)).trained.all()
    assert capsys.readouterr().out.count("(trained on 2 of these videos)") == 3
    measures = files.read_json(localize.run(cfg))
    assert measures["trained_on"] == 2
    assert "the model was trained on 2 of these 2 videos" in capsys.readouterr().out
    page = report.run(cfg).read_text()
    assert "Trained on" in page and "2 / 2" in page and "trained on 2 of these videos" in page
    assert re.search(r'"videos": "6 names"|&#34;videos&#34;: &#34;6 names&#34;', page)
    results = TrainedModel.load(work / "runs" / "convalstm-rgb").place.results()
    assert results["accuracy"]["trained_on"] == 2


def test_scores_of_a_run_that_was_trained_anew_are_refused(work):
    """The scores are of the first split's test list, and the run has since been trained on it."""
    config_file = work / "runs" / "convalstm-rgb" / "config.json"
    record = json.loads(config_file.read_text())
    record["trained_on"] = training_list.list_record(["bend/p4", "jack/p1"])
    files.write_json(config_file, record)
    for stage in (fuse, report):
        with pytest.raises(FileError, match="was trained on 1 of the 2 test videos: bend/p4"):
            stage.run(settings(work))


def test_a_list_that_was_edited_is_refused(work):
    config_file = work / "runs" / "convalstm-rgb" / "config.json"
    record = json.loads(config_file.read_text())
    record["trained_on"]["videos"].pop()
    files.write_json(config_file, record)
    with pytest.raises(FileError, match="sha256 does not agree"):
        evaluate.run(settings(work))


def test_the_parts_of_a_pool_are_judged_each_by_its_own_list(trained, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(trained, tmp_path / name)
    other_split(tmp_path / "b")
    cfg = change(settings(tmp_path / "b"), train__steps=3, name="convalstm-rgb")
    shutil.rmtree(tmp_path / "b" / "runs")
    train.run(cfg)
    evaluate.run(cfg)
    folder = pool.run(change(cfg, workdir=str(tmp_path)), ("a", "b"))
    pooled = change(cfg, workdir=str(folder), report__examples=0)
    assert "Trained on" not in report.run(pooled).read_text()
    scores = load_scores(folder / "runs" / "convalstm-rgb" / "scores.npz")
    assert len(scores.videos) == 4 and scores.trained is None


@pytest.mark.slow
def test_the_convnets_accuracy_is_refused_before_any_frame_is_read(tmp_path, capsys):
    work = write_prepared(tmp_path)
    cfg = frames_config(work, "rgb")
    fit_convnet.run(cfg)
    assert load_convnet(epath.Path(work / "convnets" / "rgb")).trained_on == (
        "left/p0",
        "left/p1",
        "right/p0",
        "right/p1",
    )
    path = Workdir(str(work)).dataset
    dataset = load_dataset(path)
    parts = {"p0": "test", "p2": "train"}
    videos = [v._replace(part=parts.get(v.name[-2:], v.part)) for v in dataset.videos]
    save_dataset(path, dataset._replace(videos=tuple(videos)))
    with pytest.raises(FileError, match="was trained on 2 of the 2 test videos: left/p0, right/p0"):
        extract.run(cfg)
    assert not (work / "features").exists()
    capsys.readouterr()
    extract.run(change(cfg, eval__allow_trained=True))
    assert "(trained on 2 of these videos)" in capsys.readouterr().out
    assert files.read_json(work / "convnets" / "rgb" / "accuracy.json")["trained_on"] == 2
    # A backbone that starts from this one has seen the same videos.
    other = change(
        cfg, workdir=str(tmp_path / "other"), convnet__weights=str(work / "convnets" / "rgb")
    )
    shutil.copytree(work, tmp_path / "other", ignore=lambda *_: ["convnets", "features"])
    fit_convnet.run(other)
    videos = load_convnet(epath.Path(tmp_path / "other" / "convnets" / "rgb")).trained_on
    assert len(videos) == 6


def test_marks_that_do_not_fit_the_scores_are_refused(work):
    path = work / "runs" / "convalstm-rgb" / "scores.npz"
    arrays = dict(np.load(path))
    files.write_arrays(path, **arrays, trained=np.ones(3, bool))
    with pytest.raises(FileError, match=r"trained is bool \(3,\); expected bool \(2,\)"):
        load_scores(path)


def test_the_card_of_a_bundle_says_it():
    record = {
        "model": {"cell": "lstm"},
        "classes": ["a", "b"],
        "backbones": {"rgb": {"convnet": {"backbone": "vgg"}}},
        "provenance": {},
        "results": {"accuracy": {"right": 2, "videos": 2, "trained_on": 1}},
        "versions": {},
        "trained_on": training_list.list_record(["a/1", "b/1", "b/2"]),
    }
    card = bundle_card(record)
    assert "trained on 1 of these videos" in card and "Trained on 3 videos" in card
