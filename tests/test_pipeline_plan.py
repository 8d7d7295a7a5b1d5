"""The plan of a pipeline: its runs, their order and settings, fusions and grafts."""

import shlex

import pytest
from command_line import parse

from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.pipeline import pipeline_commands, pipeline_stage_command, plan
from videolstm_jax.presets import PRESETS, configured


def test_plan_of_the_demo():
    steps = [
        (step.stage, step.cfg.run_name if step.stage == "train" else "")
        for step in plan(configured("demo"))
    ]
    assert (
        steps[:6] == [("prepare", ""), ("nearest", "")] + [("fit_convnet", ""), ("extract", "")] * 2
    )
    assert [name for stage, name in steps if stage == "train"] == [
        "alstm-rgb",
        "videolstm-rgb",
        "videolstm-flow",
    ]
    assert [stage for stage, _ in steps[-2:]] == ["fuse", "report"]
    assert plan(configured("demo"))[-2].cfg.fuse.runs == ("videolstm-rgb", "videolstm-flow")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_commands_of_a_plan_give_its_configurations(preset):
    cfg = configured(preset, data__videos="a folder/it's", model__dropout=0.7, optim__eps=1e-9)
    for step in plan(cfg):
        arguments = shlex.split(pipeline_stage_command(step.stage, step.cfg))[2:]
        parsed = parse(*arguments)
        assert parsed == step.cfg and parsed.overrides == step.cfg.overrides


def test_explicit_flags_reach_every_run_of_a_pipeline():
    """Also where they equal a default, and where a preset has another value for the cell."""
    cfg = parse(
        "--preset=authors",
        "--model.start=mean",
        "--model.dropout=0.7",
        "--pipeline.cells=lstm,videolstm",
    )
    runs = [step.cfg for step in plan(cfg) if step.stage == "train"]
    assert [run.run_name for run in runs] == [
        "lstm-rgb",
        "convlstm-flow",
        "convalstm-rgb",
        "videolstm-rgb",
        "convalstm-flow",
    ]
    assert {(run.model.start, run.model.dropout) for run in runs} == {("mean", 0.7)}
    for line in pipeline_commands(cfg).splitlines():
        assert "--model.start=mean" in line and "--model.dropout=0.7" in line


@pytest.mark.parametrize(
    "settings",
    [{"name": "x"}, {"data__stream": "flow"}, {"fuse__runs": ("a",)}, {"eval__part": "valid"}],
)
def test_a_pipeline_names_its_runs_itself(settings):
    with pytest.raises(ConfigError, match="belongs to one run"):
        plan(change(RunConfig(), **settings))


def test_cells_without_attention_are_not_localized():
    steps = plan(
        change(
            configured("small"), pipeline__cells=("lstm", "convlstm"), pipeline__flow_cell="alstm"
        )
    )
    assert [step.cfg.run_name for step in steps if step.stage == "localize"] == ["alstm-flow"]


def test_the_fusion_of_a_pipeline_keeps_its_name():
    cfg = parse("--preset=small", "--fuse.name=mine")
    (fusion,) = [step.cfg.fuse for step in plan(cfg) if step.stage == "fuse"]
    assert (fusion.name, fusion.runs) == ("mine", ("videolstm-rgb", "videolstm-flow"))
    with pytest.raises(ConfigError, match=r"fuse.name is 'videolstm-flow', the name of a run"):
        plan(parse("--preset=small", "--fuse.name=videolstm-flow"))


def test_a_pipeline_that_searches_weights_scores_the_validation_list():
    steps = plan(parse("--preset=small", "--fuse.search", "--pipeline.cells=alstm,videolstm"))
    scored = [step.label for step in steps if step.stage == "evaluate"]
    assert scored == [
        "evaluate alstm-rgb",
        "evaluate videolstm-rgb",
        "evaluate videolstm-rgb (valid)",
        "evaluate videolstm-flow",
        "evaluate videolstm-flow (valid)",
    ]
    assert [step.cfg.fuse.search for step in steps if step.stage == "fuse"] == [True]


def test_grafted_runs_are_trained_first():
    names = [step.cfg.run_name for step in plan(configured("authors")) if step.stage == "train"]
    assert names == ["convlstm-flow", "convalstm-rgb", "videolstm-rgb", "convalstm-flow"]


def test_sources_of_a_graft_are_grafted_as_their_preset_says():
    cfg = change(
        configured("small"), train__graft=("convlstm-flow:cell.top", "videolstm-flow:head")
    )
    grafts = {
        step.cfg.run_name: step.cfg.train.graft for step in plan(cfg) if step.stage == "train"
    }
    assert list(grafts) == ["convlstm-flow", "videolstm-flow", "videolstm-rgb"]
    assert grafts == {"convlstm-flow": (), "videolstm-flow": (), "videolstm-rgb": cfg.train.graft}


def test_the_source_of_a_motion_lstm_has_its_kernel():
    def kernels(**settings):
        steps = plan(configured("authors", **settings))
        return {step.cfg.run_name: step.cfg.model.kernel for step in steps if step.stage == "train"}

    others = dict.fromkeys(["convalstm-rgb", "videolstm-rgb", "convalstm-flow"], 3)
    assert kernels() == {"convlstm-flow": 1, **others}
    others = dict.fromkeys(others, 5)
    both = {"model__kernel": 5, "model__motion_kernel": 5}
    assert kernels(**both) == {"convlstm-flow": 5, **others}
    with pytest.raises(
        ConfigError,
        match=r"model.kernel is 3, but convlstm-flow becomes the motion LSTM of videolstm-rgb, "
        r"whose model.motion_kernel is 1; expected the same value: leave out --model.kernel, "
        r"give --model.motion_kernel=3, or change --train.graft",
    ):
        kernels(model__kernel=3)
    # A source with a motion LSTM of its own has that kernel already.
    grafted = kernels(model__kernel=3, train__graft=("motion_alstm-flow:cell.motion",))
    assert grafted["motion_alstm-flow"] == 3


@pytest.mark.parametrize(
    "graft", ["foo:cell.top", "gru-flow:cell.top", "convlstm-depth:cell.top", "convlstm-flow"]
)
def test_a_graft_of_no_run_of_the_pipeline_is_named(graft):
    with pytest.raises(
        ConfigError, match=f"train.graft has '{graft}'; expected \"cell-stream:part\""
    ):
        plan(change(configured("small"), train__graft=(graft,)))


def test_what_the_authors_graft_fits():
    import jax

    from videolstm_jax.core.model import make_model
    from videolstm_jax.train.graft import named_param_leaves

    shape = {}
    for step in plan(configured("authors")):
        if step.stage == "train":
            model = change(
                step.cfg, model__depth=6, model__motion_depth=6, model__hidden=4, model__attention=3
            ).model
            tree = jax.eval_shape(make_model(model).init, jax.random.key(0))
            shape[step.cfg.run_name] = {
                name: leaf.shape for name, leaf in named_param_leaves(tree).items()
            }
    ours = shape["videolstm-rgb"]
    for name, leaf_shape in shape["convlstm-flow"].items():
        if name.startswith("cell.top"):
            assert ours[name.replace("cell.top", "cell.motion")] == leaf_shape
    for name, leaf_shape in shape["convalstm-rgb"].items():
        if name.startswith("cell."):
            assert ours[name] == leaf_shape
