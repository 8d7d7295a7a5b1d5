"""Every command has a short help, explains every flag, and turns a mistake into one line."""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from absl import flags

from videolstm_jax.artifacts import save_dataset
from videolstm_jax.cli import config_flags
from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.config import RunConfig, change, flatten
from videolstm_jax.errors import ConfigError
from videolstm_jax.pipeline import command, commands, plan
from videolstm_jax.presets import PRESETS, configured
from videolstm_jax.types import Dataset

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted(path.stem for path in (ROOT / "launch").glob("[a-z]*.py"))


def run(*words):
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True)


def parse(*words):
    values = flags.FlagValues()
    config_flags.define(values)
    values(["program", *words])
    return config_flags.config(values)


def test_every_command_has_a_script():
    assert sorted([*COMMANDS, "walk"]) == SCRIPTS
    for name in SCRIPTS:
        assert f'main("{name}")' in (ROOT / "launch" / f"{name}.py").read_text()


def helped(*arguments):
    """The help that a command prints, in a Python that cannot import what takes long."""
    barred = dict.fromkeys(("jax", "tensorflow", "flax", "optax", "orbax", "av", "matplotlib"))
    code = (
        f"import sys; sys.modules.update({barred}); sys.argv[1:] = {list(arguments)}\n"
        "from videolstm_jax.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_help_lists_all_commands():
    lines = helped("--help").splitlines()
    for name, row in COMMANDS.items():
        assert sum(line.split() == [name, *row.summary.split()] for line in lines) == 1
    assert helped() == helped("--help")


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name):
    row, text = COMMANDS[name], helped(name, "--help")
    lines = [line for line in text.splitlines() if line.startswith("  --")]
    assert text.startswith(row.summary) and len(lines) >= 3 and len(text.splitlines()) <= 36
    if row.settings:
        assert text.splitlines()[-1].startswith("--helpfull lists all settings")
    shown = {line.split("=")[0].strip(" -") for line in lines}
    for flag in config_flags.setting_flags():
        asked = flag.name in row.settings or flag.name.split(".")[0] in row.settings
        assert (flag.name in shown) == (asked and not flag.advanced) or (name, flag.name) in {
            ("fetch_weights", "name"),  # own flags of the same name
        }


def test_every_setting_in_the_table_exists():
    names = {flag.name for flag in config_flags.setting_flags()}
    names |= {name.split(".")[0] for name in names}
    for row in COMMANDS.values():
        assert set(row.settings) <= names


@pytest.mark.parametrize("name", [name for name, row in COMMANDS.items() if row.settings])
def test_the_table_has_what_the_source_of_a_stage_reads(name):
    if name in ("pipeline", "sweep"):
        return
    source = (ROOT / "videolstm_jax" / "stages" / f"{name}.py").read_text()
    declared = COMMANDS[name].settings
    for section, field in set(re.findall(r"cfg\.([a-z]+)\.([a-z_]+)", source)):
        if hasattr(RunConfig(), section) and hasattr(getattr(RunConfig(), section), field):
            assert section in declared or f"{section}.{field}" in declared, f"{section}.{field}"


def test_help_shows_the_values_of_the_chosen_preset():
    assert "--model.hidden=512 " in helped("train", "--help")
    for preset in (["--preset=small"], ["--preset", "small"], ["-preset", "small"]):
        assert "--model.hidden=48 " in helped("train", "--help", *preset)
    assert "--preset=small " in helped("pipeline", "--help")


def test_help_shows_the_values_of_the_chosen_cell():
    authors = ("train", "--help", "--preset=authors")
    assert "--train.graft=convlstm-flow:cell.motion" in helped(*authors)
    text = helped(*authors, "--model.cell=convlstm")
    assert "--model.cell=convlstm " in text and "--train.graft= " in text


def test_helpfull_shows_every_setting():
    text = run("launch.train", "--helpfull").stdout
    for flag in config_flags.setting_flags():
        assert flag.name in text


@pytest.mark.parametrize(
    "words, message",
    [
        (["trian"], "no command 'trian' (did you mean train?); `videolstm --help`"),
        (["xyz"], "no command 'xyz'; `videolstm --help` lists the commands"),
    ],
)
def test_an_unknown_command(words, message):
    done = run("videolstm_jax.cli", *words)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_old_name_of_the_pipeline_still_works():
    flag = "--preset=demo", "--dry_run"
    old, new = run("launch.walk", *flag), run("launch.pipeline", *flag)
    assert old.stderr == "walk is now called pipeline\n" and old.returncode == 0
    assert old.stdout == new.stdout and new.stderr == ""
    assert "python -m launch.train --preset=demo" in new.stdout
    assert "videolstm train --preset=demo" in run("videolstm_jax.cli", "pipeline", *flag).stdout


def test_the_short_flags_are_printed_and_reach_every_command():
    done = run("launch.pipeline", "--videos=~/x", "--cells=alstm,lstm", "--dry_run")
    home = os.path.expanduser("~/x")
    assert f" *videos={home} " in done.stdout and " *cells=alstm,lstm " in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("python -m")]
    assert len(lines) == 16 and all("'--data.videos=~/x'" in line for line in lines)


def test_a_cell_in_the_current_folder(tmp_path):
    (tmp_path / "my_cells.py").write_text("from videolstm_jax import CELLS\nGRU = CELLS['alstm']\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = ["--cells=my_cells:GRU", "--pipeline.flow_cell=my_cells:GRU", "--dry_run"]
    done = subprocess.run(
        [sys.executable, "-m", "videolstm_jax.cli", "pipeline", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "--model.cell=my_cells:GRU --data.stream=flow" in done.stdout
    assert (
        "localize --preset=small" in done.stdout and "--fuse.name=gru-rgb+gru-flow" in done.stdout
    )


@pytest.mark.parametrize(
    "words, message",
    [
        (["--preset=demmo"], "did you mean demo"),
        (["--modle.cell=lstm"], "Did you mean: model.cell"),
        (["--qqq=1"], "flag 'qqq'; `python -m launch.train --help` lists the flags"),
        (["--train.steps=many"], "'many'; `python -m launch.train --help` lists the flags"),
        (["--model.cell=lstmm"], "no cell 'lstmm'; expected one of"),
        (["--videos=x"], "there is no flag --videos here; did you mean --data.videos?"),
        (["stray"], "unexpected words"),
        (["--train.steps=many"], "train.steps"),
        (["--fuse.weights=1,x"], "fuse.weights"),
    ],
)
def test_a_slip_is_one_line(words, message):
    done = run("launch.train", *words)
    assert (
        done.returncode != 0
        and message in done.stderr + done.stdout
        and "Traceback" not in done.stderr
        and "--helpshort" not in done.stderr
    )


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "launch.pipeline", "--preset=demo", "--dry_run"],
        ["-m", "videolstm_jax.cli", "--help"],
        ["tools/code_style.py", "launch"],
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_ends_first_ends_the_command_quietly(words, unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    reading, writing = os.pipe()
    os.close(reading)  # as if `head` had ended before the first line
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_the_module_of_the_command_line_is_a_command_too():
    done = run("videolstm_jax.cli.main", "--help")
    assert done.stdout == run("videolstm_jax.cli", "--help").stdout and "Commands:" in done.stdout


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
    assert parse(*shlex.split(command("train", cfg))[2:]) == cfg


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
    for line in commands(cfg).splitlines():
        assert "--model.start=mean" in line and "--model.dropout=0.7" in line


@pytest.mark.parametrize("preset", PRESETS)
def test_the_commands_of_a_plan_give_its_configurations(preset):
    cfg = configured(preset, data__videos="a folder/it's", model__dropout=0.7, optim__eps=1e-9)
    for step in plan(cfg):
        arguments = shlex.split(command(step.stage, step.cfg))[2:]
        parsed = parse(*arguments)
        assert parsed == step.cfg and parsed.overrides == step.cfg.overrides


def test_every_setting_has_a_flag():
    assert [flag.path for flag in config_flags.setting_flags()] == list(flatten(RunConfig()))
    assert len(flatten(RunConfig())) > 80


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
    for name, leaf_shape in shape["convlstm-flow"].items():
        if name.startswith("cell.top"):
            assert ours[name.replace("cell.top", "cell.motion")] == leaf_shape
    for name, leaf_shape in shape["convalstm-rgb"].items():
        if name.startswith("cell."):
            assert ours[name] == leaf_shape


def test_cells_without_attention_are_not_localized():
    steps = plan(
        change(
            configured("small"), pipeline__cells=("lstm", "convlstm"), pipeline__flow_cell="alstm"
        )
    )
    assert [step.cfg.run_name for step in steps if step.stage == "localize"] == ["alstm-flow"]


@pytest.mark.parametrize(
    "settings",
    [{"name": "x"}, {"data__stream": "flow"}, {"fuse__runs": ("a",)}, {"eval__part": "valid"}],
)
def test_a_pipeline_names_its_runs_itself(settings):
    with pytest.raises(ConfigError, match="belongs to one run"):
        plan(change(RunConfig(), **settings))


def test_a_setting_that_only_prepare_reads_is_refused_later(tmp_path):
    settings = {"split": 1, "classes": []}
    save_dataset(tmp_path / "dataset.json", Dataset((), ()), settings=settings)
    done = run("launch.evaluate", f"--workdir={tmp_path}", "--data.split=2")
    assert done.returncode == 1
    assert f"data.split is 2, but {tmp_path}/dataset.json was made with 1" in done.stderr
    for words in (["--data.split=1"], ["--data.classes="], []):
        done = run("launch.evaluate", f"--workdir={tmp_path}", *words)
        assert "was made with" not in done.stderr
