"""Every launcher answers --help quickly, explains every flag, and turns a slip into one line."""

import pathlib
import shlex
import subprocess
import sys

import pytest
from absl import flags

from launch import config_flags
from videolstm_jax.config import RunConfig, change
from videolstm_jax.errors import ConfigError
from videolstm_jax.pipeline import command, commands, plan
from videolstm_jax.presets import PRESETS, configured

ROOT = pathlib.Path(__file__).parents[1]
LAUNCHERS = sorted(
    path.stem for path in (ROOT / "launch").glob("*.py") if "__main__" in path.read_text()
)


def run(*words):
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


def parse(*words):
    values = flags.FlagValues()
    config_flags.define(values)
    values(["program", *words])
    return config_flags.config(values)


@pytest.mark.parametrize("name", LAUNCHERS)
def test_help(name):
    done = run(f"launch.{name}", "--help")
    assert "--data.videos" in done.stdout or "usage" in done.stdout.lower()
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words, says",
    [
        (["--preset=demmo"], "did you mean demo"),
        (["--modle.cell=lstm"], "Did you mean: model.cell"),
        (["--model.cell=lstmm"], "no cell 'lstmm'; expected one of"),
        (["stray"], "unexpected words"),
        (["--train.steps=many"], "train.steps"),
        (["--fuse.weights=1,x"], "fuse.weights"),
    ],
)
def test_a_slip_is_one_line(words, says):
    done = run("launch.train", *words)
    assert (
        done.returncode != 0
        and says in done.stderr + done.stdout
        and "Traceback" not in done.stderr
    )


def test_flags_become_the_configuration():
    cfg = parse(
        "--preset=small",
        "--data.videos=x",
        "--convnet.widths=8,8,8",
        "--noconvnet.flip",
        "--optim.clip=2",
        "--fuse.runs=a,b",
        "--model.cell=alstm",
    )
    assert cfg == configured(
        "small",
        "alstm",
        data__videos="x",
        convnet__widths=(8, 8, 8),
        convnet__flip=False,
        optim__clip=2.0,
        fuse__runs=("a", "b"),
    )


@pytest.mark.parametrize(
    "cfg",
    [
        configured("authors", "alstm", data__stream="flow", seed=4),
        configured("demo", data__videos="a folder/it's"),
        configured(
            "small",
            "lstm",
            fuse__runs=("a", "b"),
            fuse__weights=(1.0, 0.5),
            model__remat=True,
            name="n",
        ),
    ],
)
def test_a_command_says_the_configuration(cfg):
    assert parse(*shlex.split(command("train", cfg))[3:]) == cfg


def test_explicit_flags_reach_every_run_of_a_pipeline():
    """Also where they equal a default, and where a preset says otherwise for the cell."""
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
    for line in commands(cfg).splitlines():
        assert "--model.start=mean" in line and "--model.dropout=0.7" in line


@pytest.mark.parametrize("preset", PRESETS)
def test_the_commands_of_a_plan_give_its_configurations(preset):
    cfg = configured(preset, data__videos="a folder/it's", model__dropout=0.7, optim__eps=1e-9)
    for step in plan(cfg):
        arguments = shlex.split(command(step.stage, step.cfg))[3:]
        parsed = parse(*arguments)
        assert parsed == step.cfg and parsed.overrides == step.cfg.overrides


def test_every_setting_has_a_flag():
    assert "data.frames" in dict(config_flags.flag_kinds()) and "workdir" in dict(
        config_flags.flag_kinds()
    )
    assert len(dict(config_flags.flag_kinds())) > 80


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


@pytest.mark.parametrize(
    "graft", ["foo:cell.top", "gru-flow:cell.top", "convlstm-depth:cell.top", "convlstm-flow"]
)
def test_a_graft_of_no_run_of_the_walk_is_named(graft):
    with pytest.raises(
        ConfigError, match=f"train.graft has '{graft}'; expected \"cell-stream:part\""
    ):
        plan(change(configured("small"), train__graft=(graft,)))


def test_what_the_authors_graft_fits():
    import jax

    from videolstm_jax.core.model import make_model
    from videolstm_jax.train.graft import named_leaves

    shape = {}
    for step in plan(configured("authors")):
        if step.stage == "train":
            model = change(
                step.cfg, model__depth=6, model__motion_depth=6, model__hidden=4, model__attention=3
            ).model
            tree = jax.eval_shape(make_model(model).init, jax.random.key(0))
            shape[step.cfg.run_name] = {
                name: leaf.shape for name, leaf in named_leaves(tree).items()
            }
    ours = shape["videolstm-rgb"]
    for name, found in shape["convlstm-flow"].items():
        if name.startswith("cell.top"):
            assert ours[name.replace("cell.top", "cell.motion")] == found
    for name, found in shape["convalstm-rgb"].items():
        if name.startswith("cell."):
            assert ours[name] == found


def test_cells_without_attention_are_not_localized():
    steps = plan(
        change(
            configured("small"), pipeline__cells=("lstm", "convlstm"), pipeline__flow_cell="alstm"
        )
    )
    assert [step.cfg.run_name for step in steps if step.stage == "localize"] == ["alstm-flow"]


@pytest.mark.parametrize(
    "settings", [{"name": "x"}, {"data__stream": "flow"}, {"fuse__runs": ("a",)}]
)
def test_a_walk_names_its_runs_itself(settings):
    with pytest.raises(ConfigError, match="belongs to one run"):
        plan(change(RunConfig(), **settings))
