"""A cell that differs from its own declarations is refused by `make_model` in one line."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from example_cell import load_example

from videolstm_jax.config import EvalConfig, ModelConfig
from videolstm_jax.core import CELLS, Cell, Drive, Layers, cell_fields, make_model
from videolstm_jax.core.start import MeanStart, mean_carry, mean_carry_params
from videolstm_jax.errors import ConfigError
from videolstm_jax.types import Carry

EXAMPLE = load_example()
GRU = EXAMPLE.CELL
SIZES = {"map_size": 4, "depth": 5, "hidden": 3, "attention": 2, "head": 8, "classes": 7}


def changed_out(change):
    def step(conv, params, hidden, drive):
        return change(*EXAMPLE.step(conv, params, hidden, drive))

    return GRU._replace(step=step)


def without_batch(cfg, batch):
    return EXAMPLE.zeros(cfg, batch)[0]


def one_frame_drive(conv, params, inputs):
    return Drive(x=inputs.x[0], query=conv(params.attend.x, inputs.x[0]))


def nameless_drive(conv, params, inputs):
    return {"x": inputs.x, "query": conv(params.attend.x, inputs.x)}


def drive_of_motion(conv, params, inputs):
    return Drive(x=inputs.x, motion=inputs.motion.mean())


CASES = {
    "carry structure": (
        changed_out(lambda hidden, out: (Carry(hidden), out)),
        {},
        r"the step returns the carry .*Carry.*; expected \* as before",
    ),
    "carry shape": (
        changed_out(lambda hidden, out: (hidden[..., :2], out)),
        {},
        r"the step returns carry float32 \[2, 4, 4, 2\]; expected float32 \[2, 4, 4, 3\]",
    ),
    "carry dtype": (
        changed_out(lambda hidden, out: (hidden.astype(jnp.float16), out)),
        {},
        r"the step returns carry float16 \[2, 4, 4, 3\]; expected float32",
    ),
    "carry without batch": (
        GRU._replace(zeros=without_batch),
        {},
        r"its zeros make .* float32 \[4, 4, 3\]; expected \[B, \.\.\]",
    ),
    "no output": (
        changed_out(lambda hidden, out: hidden),
        {},
        r"the step returns .*; expected \(carry, CellOut\)",
    ),
    "drive without time": (
        GRU._replace(drive=one_frame_drive),
        {},
        r"its drive makes \.x float32 \[2, 4, 4, 5\]; expected \[T, B, \.\.\]",
    ),
    "hidden": (
        changed_out(lambda hidden, out: (hidden, out._replace(hidden=out.hidden[:, :1]))),
        {},
        r"CellOut\.hidden float32 \[2, 1, 4, 3\]; expected float32 \[2, 4, 4, 3\], \[B, N', N'",
    ),
    "hidden of a vector cell": (
        GRU._replace(vector=True),
        {},
        r"CellOut\.hidden float32 \[2, 4, 4, 3\]; expected float32 \[2, 1, 1, 3\]",
    ),
    "attention with an axis too many": (
        changed_out(lambda h, out: (h, out._replace(attention=out.attention[..., None]))),
        {},
        r"CellOut\.attention float32 \[2, 4, 4, 1\]; expected float32 \[2, 4, 4\], \[B, N, N\]",
    ),
    "attention absent": (
        changed_out(lambda hidden, out: (hidden, out._replace(attention=None))),
        {},
        r"CellOut\.attention None; expected float32 \[2, 4, 4\].*since the cell has attends=True",
    ),
    "attention unannounced": (
        GRU._replace(attends=False),
        {},
        r"CellOut\.attention float32 \[2, 4, 4\]; expected None.*attends=False",
    ),
    "layer": (
        GRU._replace(layers=Layers("conv5")),
        {},
        "the cell reads the layer 'conv5'; expected one of pool5, fc7, logits",
    ),
    "motion layer": (
        GRU._replace(layers=Layers("pool5", "pool4")),
        {},
        "the cell reads the layer 'pool4'; expected one of pool5, fc7, logits",
    ),
    "state": (
        GRU._replace(states={"hidden": lambda hidden: hidden.mean((1, 2))}),
        {},
        r"states\['hidden'\] of the cell is float32 \[2, 3\]; expected a map \[B, n, n, k\]",
    ),
    "state of another kind": (
        GRU._replace(states={"hidden": lambda hidden: {"map": hidden}}),
        {},
        r"states\['hidden'\] of the cell is dict; expected a map",
    ),
    "state of another name": (
        GRU._replace(states={"foo": lambda hidden: hidden}),
        {},
        "the cell has the state 'foo'; expected no others than hidden and cell",
    ),
    "state that does not fit": (
        GRU._replace(states={"hidden": lambda hidden: hidden.top}),
        {},
        r"the states\['hidden'\] of the cell raises AttributeError: .* top ",
    ),
    "states absent": (GRU._replace(states=None), {}, "the states of the cell are NoneType"),
    "layers as a tuple": (
        GRU._replace(layers=("pool5", "pool5")),
        {},
        r"the layers of the cell are \('pool5', 'pool5'\); expected a Layers, such as",
    ),
    "layers as text": (
        GRU._replace(layers="pool5"),
        {},
        "layers of the cell are 'pool5'; expected",
    ),
    "no layer of its own stream": (
        GRU._replace(layers=Layers(None)),
        {},
        "the cell reads the layer None; expected one of pool5, fc7, logits",
    ),
    "motion without a layer": (
        GRU._replace(drive=drive_of_motion),
        {},
        r"the drive of the cell raises AttributeError: .* \(test_cell_checks\.py, line \d+\); "
        r"inputs\.motion is None, since the layers of the cell",
    ),
    "drive without a return": (
        GRU._replace(drive=lambda conv, params, inputs: None),
        {},
        r"its drive makes None, no arrays; expected one or more \[T, B, \.\.\]",
    ),
    "zeros without arrays": (
        GRU._replace(zeros=lambda cfg, batch: ()),
        {},
        r"its zeros make \(\), no arrays; expected one or more \[B, \.\.\]",
    ),
    "zeros of 16 bits": (
        GRU._replace(zeros=lambda cfg, batch: EXAMPLE.zeros(cfg, batch).astype(jnp.float16)),
        {},
        r"its zeros make carry float16 \[2, 4, 4, 3\]; expected float32 or integers",
    ),
    "zeros absent": (
        GRU._replace(zeros=None),
        {},
        "the zeros of the cell is NoneType; expected a",
    ),
    "step absent": (GRU._replace(step=None), {}, "the step of the cell is NoneType; expected a"),
    "flag as text": (GRU._replace(attends="no"), {}, "the field attends of the cell is 'no'"),
    "mean start as a function": (
        GRU._replace(mean_start=mean_carry),
        {},
        "the mean_start of the cell is function; expected a MeanStart",
    ),
    "attention as text": (
        changed_out(lambda hidden, out: (hidden, out._replace(attention="map"))),
        {},
        r"the step of the cell returns str at \[1\]\.attention; expected arrays",
    ),
    "attention of integers": (
        changed_out(lambda h, out: (h, out._replace(attention=out.attention.astype(int)))),
        {},
        r"CellOut\.attention int32 \[2, 4, 4\]; expected float32 \[2, 4, 4\]",
    ),
    "attention of 16 bits": (
        changed_out(lambda h, out: (h, out._replace(attention=out.attention.astype(jnp.float16)))),
        {},
        r"CellOut\.attention float16 \[2, 4, 4\]; expected float32 \[2, 4, 4\]",
    ),
    "parameter as text": (
        GRU._replace(init=lambda key, cfg: {"name": "gru", "bias": jnp.zeros(3)}),
        {},
        r"the init of the cell returns str at \['name'\]; expected arrays",
    ),
    "start": (GRU, {"start": "mean"}, r"model\.start is 'mean'; expected 'zeros'"),
    "mean start": (
        GRU._replace(mean_start=MeanStart(mean_carry_params, mean_carry)),
        {"start": "mean"},
        r"the mean start makes the carry .*Carry.*; expected \* as before",
    ),
    "scale": (
        GRU._replace(drive=nameless_drive),
        {"attention_scale": 16.0},
        r"attention_scale is 16\.0; expected 1, since the drive of the cell has no field x",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_cell_that_does_not_fit_is_refused(name):
    cell, settings, message = CASES[name]
    with pytest.raises(ConfigError, match=message) as error:
        make_model(ModelConfig(**SIZES, **settings), cell=cell)
    assert "\n" not in str(error.value)


def test_an_error_of_the_cell_itself_becomes_one_line_with_its_cause():
    def step(conv, params, hidden, drive):
        return hidden @ params.gru.absent

    message = r"the step of the cell raises AttributeError: .*'absent' \(test_cell_checks\.py, line"
    with pytest.raises(ConfigError, match=message) as error:
        make_model(ModelConfig(**SIZES), cell=GRU._replace(step=step))
    assert isinstance(error.value.__cause__, AttributeError)


def test_a_step_without_zeros_of_its_own_is_told_what_it_reads():
    cell = GRU._replace(zeros=Cell._field_defaults["zeros"])
    message = r"the step of the cell raises .*; the carry is a Carry with the maps of one LSTM"
    with pytest.raises(ConfigError, match=message):
        make_model(ModelConfig(**SIZES), cell=cell)


def test_the_arguments_of_a_cell_may_have_any_name():
    def init(rng, sizes):
        return EXAMPLE.init(rng, sizes)

    key = jax.random.key(0)
    renamed = make_model(ModelConfig(**SIZES), cell=GRU._replace(init=init)).init(key)
    usual = make_model(ModelConfig(**SIZES), cell=GRU).init(key)
    jax.tree.map(np.testing.assert_array_equal, renamed, usual)
    start = MeanStart(lambda rng, sizes: (), lambda conv, params, mean: mean.x[..., :3])
    model = make_model(ModelConfig(**SIZES, start="mean"), cell=GRU._replace(mean_start=start))
    assert model.init(key).start == ()


def test_a_cell_that_is_no_cell_is_refused():
    with pytest.raises(ConfigError, match="the cell is str; expected a Cell"):
        make_model(ModelConfig(**SIZES), cell="videolstm")


def test_the_names_of_states_are_those_of_the_setting():
    (field,) = (field for field in dataclasses.fields(EvalConfig) if field.name == "states")
    assert field.metadata["choices"] == ("none", *cell_fields.STATES)


@pytest.mark.parametrize("name", CELLS)
def test_states_for_pictures_are_maps(name):
    assert set(CELLS[name].states) == (set() if CELLS[name].vector else {"hidden", "cell"})
