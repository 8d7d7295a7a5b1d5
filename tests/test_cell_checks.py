"""A cell that is not what it says of itself is refused by `make_model` in one line."""

import jax.numpy as jnp
import pytest
from test_new_cell import load_example

from videolstm_jax.config import ModelConfig
from videolstm_jax.core import CELLS, Drive, Layers, make_model
from videolstm_jax.core.start import MeanStart, mean_carry, mean_params
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
        r"CellOut\.hidden float32 \[2, 1, 4, 3\]; expected floats \[2, 4, 4, 3\], \[B, N', N', K\]",
    ),
    "hidden of a vector cell": (
        GRU._replace(vector=True),
        {},
        r"CellOut\.hidden float32 \[2, 4, 4, 3\]; expected floats \[2, 1, 1, 3\]",
    ),
    "attention with an axis too many": (
        changed_out(lambda h, out: (h, out._replace(attention=out.attention[..., None]))),
        {},
        r"CellOut\.attention float32 \[2, 4, 4, 1\]; expected floats \[2, 4, 4\], \[B, N, N\]",
    ),
    "attention absent": (
        changed_out(lambda hidden, out: (hidden, out._replace(attention=None))),
        {},
        r"CellOut\.attention None; expected floats \[2, 4, 4\].*since the cell says attends=True",
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
    "start": (GRU, {"start": "mean"}, r"ModelConfig\.start is 'mean'; expected 'zeros'"),
    "mean start": (
        GRU._replace(mean_start=MeanStart(mean_params, mean_carry)),
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


def test_an_error_of_the_cell_itself_keeps_its_traceback():
    def step(conv, params, hidden, drive):
        return hidden @ params.gru.absent

    with pytest.raises(AttributeError, match="absent") as error:
        make_model(ModelConfig(**SIZES), cell=GRU._replace(step=step))
    assert "raised by step of the cell" in error.value.__notes__[-1]


@pytest.mark.parametrize("name", CELLS)
def test_states_for_pictures_are_maps(name):
    assert set(CELLS[name].states) == (set() if CELLS[name].vector else {"hidden", "cell"})
