"""The plans of all rows at the paper's size: what is shared, in which order, and that it fits."""

import pytest
from paper_plans import VIDEOS, plan, request, shapes

from videolstm_jax.errors import ConfigError
from videolstm_jax.paper.costs import dataset_of_paper_place
from videolstm_jax.paper.plan import paper_task_waves, plan_paper_rows
from videolstm_jax.paper.request import paper_request_of
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.presets import configured
from videolstm_jax.train.cost import sizes_of_training_features


@pytest.fixture(scope="module", params=["paper", "authors"])
def everything(request):
    return plan(preset=request.param, on_test=request.param == "authors")


def test_each_stage_is_planned_once_after_what_it_needs(everything):
    done = set()
    for task in everything:
        assert task.name not in done and done.issuperset(task.needs), task.name
        done.add(task.name)
    stages = [task.step.stage for task in everything]
    # Four work folders: split 1 of UCF101 and three of HMDB51, each with two streams.
    assert stages.count("prepare") == 4
    assert stages.count("fit_convnet") == stages.count("extract") == 8


def test_every_row_can_be_planned_alone(everything):
    names = {task.name for task in everything}
    on_test = any("-on-test" in name for name in names)
    preset = "authors" if on_test else "paper"
    for row in find_paper_rows([]):
        tasks = plan_paper_rows([row], request(preset, on_test=on_test))
        assert names.issuperset(task.name for task in tasks)
        assert tasks


def test_waves_have_no_task_before_its_needs(everything):
    done = set()
    for wave in paper_task_waves(everything):
        for task in wave:
            assert done.issuperset(task.needs)
        done.update(task.name for task in wave)
    assert len(done) == len(everything)


def test_sizes_grafts_and_files_fit_at_the_size_of_the_paper(everything):
    parameters = {}
    for task in everything:
        cfg = task.step.cfg
        if task.step.stage != "train":
            continue
        dataset, counted = dataset_of_paper_place(cfg.workdir)
        sizes = sizes_of_training_features(cfg, dataset)
        assert not counted and sizes.classes == {"u": 101, "h": 51}[cfg.workdir[5]]
        spatial = (7, 512) if cfg.model.cell != "lstm" else (1, 4096)
        assert (sizes.map_size, sizes.depth) == spatial
        parameters[f"{cfg.workdir}/runs/{cfg.run_name}"] = shapes(sizes)
    for task in everything:
        if task.step.stage == "train":
            _check_grafts(task.step.cfg, parameters)
    # Two tasks never write one file.
    results = [str(task.result) for task in everything if task.result]
    assert len(set(results)) == len(results)


def _check_grafts(cfg, parameters):
    """Every part that a run takes over is there in its source, and has its own shape."""
    ours = parameters[f"{cfg.workdir}/runs/{cfg.run_name}"]
    taken = set()
    for entry in cfg.train.graft:
        name, _, part = entry.partition(":")
        source = f"{cfg.workdir}/runs/{name}"
        if name.startswith("/"):
            source = "work" + name.rpartition("/work")[2]
        theirs = parameters[source]
        # The motion LSTM of the authors comes from a run that has one LSTM.
        prefix = part
        if part == "cell.motion" and not any(leaf.startswith(part) for leaf in theirs):
            prefix = "cell.top"
        leaves = [leaf for leaf in theirs if leaf == prefix or leaf.startswith(f"{prefix}.")]
        assert leaves, entry
        for leaf in leaves:
            assert ours[part + leaf.removeprefix(prefix)] == theirs[leaf]
            taken.add(part + leaf.removeprefix(prefix))
    if "hmdb51" in cfg.workdir:
        assert set(ours) - taken == {"head.classes", "head.classes_bias"}


def test_hmdb51_starts_from_the_run_of_the_same_kind():
    tasks = {task.name: task for task in plan("table1/hmdb51/rgb/lstm/split2", seeds=(3,))}
    train = tasks["hmdb51-2/train lstm-rgb-seed3"]
    assert train.needs == ("hmdb51-2/extract rgb", "ucf101-1/train lstm-rgb-seed3")
    assert train.step.cfg.seed == 3
    assert all(
        "/work/ucf101-1/runs/lstm-rgb-seed3:" in entry for entry in train.step.cfg.train.graft
    )
    backbone = tasks["hmdb51-2/fit_convnet rgb"]
    assert backbone.step.cfg.convnet.weights == "work/ucf101-1/convnets/{stream}"
    assert "ucf101-1/fit_convnet rgb" in backbone.needs and backbone.step.cfg.seed == 0
    assert "ucf101-1/evaluate lstm-rgb-seed3" not in tasks


def test_the_flow_half_of_the_fused_model_is_that_of_the_preset():
    runs = {
        preset: plan("table3/ucf101", preset=preset)[-1].step.cfg.fuse.runs
        for preset in ("paper", "authors")
    }
    assert runs == {
        "paper": ("videolstm-rgb", "videolstm-flow"),
        "authors": ("authors-videolstm-rgb", "authors-convalstm-flow"),
    }


def test_scores_of_other_systems_are_those_of_the_split():
    fusion = plan("table4/hmdb51/idt+objects+videolstm/split2")[-1].step.cfg.fuse
    assert fusion.runs[:2] == ("scores/idt-hmdb51-2.npz", "scores/objects-hmdb51-2.npz")


def test_weights_are_searched_on_the_validation_list():
    settings = {"fuse__search": True, "data__validation": 0.1}
    tasks = plan("table3/ucf101", settings=settings)
    valid = [task.name for task in tasks if task.step.cfg.eval.part == "valid"]
    assert valid == [
        "ucf101-1/evaluate videolstm-rgb (valid)",
        "ucf101-1/evaluate videolstm-flow (valid)",
    ]
    assert set(valid) <= set(tasks[-1].needs)


def test_scores_that_are_not_given_are_made():
    tasks = plan("table4/ucf101/idt", "table4/ucf101/idt+objects+videolstm", external={})
    names = [task.name for task in tasks]
    assert names[:2] == ["ucf101-1/prepare", "ucf101-1/idt"]
    assert {"ucf101-1/idt", "ucf101-1/objects"} <= set(tasks[-1].needs)
    assert tasks[-1].step.cfg.fuse.runs[:2] == ("idt", "objects")
    assert str(tasks[1].result) == "work/ucf101-1/runs/idt/scores.npz"


def test_smoothed_and_raw_tubes_are_of_one_run():
    tasks = plan("figure4a/alstm")
    assert [task.name for task in tasks if task.step.stage == "localize"] == [
        "ucf101-1/localize alstm-rgb",
        "ucf101-1/localize alstm-rgb (raw)",
    ]
    assert [task.step.cfg.localize.span for task in tasks[-2:]] == [15, 0]


def test_checkpoints_that_the_test_list_chose_have_names_of_their_own():
    train = plan("table1/ucf101/rgb/lstm", preset="authors", on_test=True)[-2]
    assert train.name == "ucf101-1/train authors-lstm-rgb-on-test"
    assert train.step.cfg.train.keep == "best_on_test" and train.step.cfg.eval.allow_trained


def test_flow_that_is_not_stored_is_read_in_one_pass():
    tasks = plan("table3/ucf101", settings={"flow__online": True})
    assert [task.name for task in tasks if task.step.stage == "extract"] == ["ucf101-1/extract"]


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("table1/hmdb51/rgb/lstm", {"videos": {"ucf101": "x"}}, "needs --hmdb51=HMDB51"),
        ("table1/ucf101/rgb/lstm", {"videos": {}}, "needs --videos=UCF101"),
    ],
)
def test_a_plan_without_its_data_is_refused(name, options, message):
    with pytest.raises(ConfigError, match=message):
        plan(name, **options)


def test_figures_need_boxes():
    cfg = configured("paper", workdir="work", data__videos="UCF-101")
    with pytest.raises(ConfigError, match=r"figure4a/alstm/smooth needs --data\.boxes=BOXES"):
        plan_paper_rows(find_paper_rows(["figure4"]), paper_request_of(cfg, videos=VIDEOS))


@pytest.mark.parametrize("setting", ["seed", "model__cell", "data__split", "train__keep"])
def test_settings_of_a_row_are_not_for_the_user(setting):
    values = {"seed": 1, "model__cell": "lstm", "data__split": 2, "train__keep": "last"}
    with pytest.raises(ConfigError, match="is decided by each row of the paper"):
        paper_request_of(configured("paper", **{setting: values[setting]}))
