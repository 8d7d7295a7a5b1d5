"""The conformance test of a cell: the six pass, and each check refuses a cell that breaks it."""

import jax
import jax.numpy as jnp
import pytest
from example_cell import load_example

from videolstm_jax.core import CELLS
from videolstm_jax.core.params import draw_cell_kernel
from videolstm_jax.core.start import MeanStart
from videolstm_jax.testing import CHECKS, check_cell

EXAMPLE = load_example()
GRU = EXAMPLE.CELL


# The one that compiles soonest; the others pass in the slow tests.
QUICK_CELLS = ("lstm",)
OTHER_CELLS = [
    pytest.param(name, marks=pytest.mark.slow) for name in CELLS if name not in QUICK_CELLS
]


@pytest.mark.parametrize("name", [*QUICK_CELLS, *OTHER_CELLS])
def test_the_six_cells_pass(name):
    check_cell(CELLS[name])


@pytest.mark.slow
def test_the_example_passes_at_other_sizes():
    check_cell(GRU, kernel=1, hidden=4, attention_scale=16.0)


def changed_out(change):
    """The example with other outputs: `change(hidden, out) -> (carry, CellOut)`."""

    def step(conv, params, hidden, drive):
        return change(*EXAMPLE.step(conv, params, hidden, drive))

    return GRU._replace(step=step)


def larger_attention():
    return changed_out(lambda hidden, out: (hidden, out._replace(attention=1.1 * out.attention)))


def step_that_counts():
    calls = []

    def change(hidden, out):
        calls.append(1)
        return hidden + len(calls), out

    return changed_out(change)


def drive_that_knows_the_future():
    def drive(conv, params, inputs):
        x = inputs.x - inputs.x.mean(axis=0, keepdims=True)
        return EXAMPLE.drive(conv, params, inputs._replace(x=x))

    return GRU._replace(drive=drive)


def norm_without_epsilon():
    """The square root of zero has an infinite gradient, which a padding of zeros meets."""

    def drive(conv, params, inputs):
        norm = jnp.sqrt(jnp.square(inputs.x).sum(axis=(2, 3, 4), keepdims=True))
        return EXAMPLE.drive(conv, params, inputs._replace(x=inputs.x * norm))

    return GRU._replace(drive=drive)


def state_in_the_dtype_of_the_products():
    def step(conv, params, hidden, drive):
        hidden, out = EXAMPLE.step(conv, params, hidden, drive)
        dtype = conv(params.gru.x, drive.x).dtype
        return hidden.astype(dtype), out

    return GRU._replace(step=step)


def parameter_without_gradient():
    def step(conv, params, hidden, drive):
        attend = jax.lax.stop_gradient(params.attend)
        return EXAMPLE.step(conv, params._replace(attend=attend), hidden, drive)

    return GRU._replace(step=step)


def mean_over_the_batch():
    def step(conv, params, hidden, drive):
        mean = hidden - 0.5 * hidden.mean(axis=0, keepdims=True)
        return EXAMPLE.step(conv, params, mean, drive)

    return GRU._replace(step=step)


def even_kernel():
    """The two engines pad a kernel of side 2 at different sides."""

    def init(key, cfg):
        params = EXAMPLE.init(key, cfg)
        x = draw_cell_kernel(key, (2, 2, cfg.depth, 3 * cfg.hidden), cfg, gates=3)
        return params._replace(gru=params.gru._replace(x=x))

    return GRU._replace(init=init)


def hidden_that_is_no_number():
    return changed_out(lambda hidden, out: (hidden, out._replace(hidden=out.hidden * jnp.nan)))


def parameter_that_is_infinite():
    def init(key, cfg):
        params = EXAMPLE.init(key, cfg)
        return params._replace(gru=params.gru._replace(bias=params.gru.bias + jnp.inf))

    return GRU._replace(init=init)


def mean_start(carry):
    """The example with a start from the mean, without parameters that are used."""
    return GRU._replace(mean_start=MeanStart(lambda keys, cfg: jnp.zeros(1), carry))


BROKEN = {
    "shapes": (
        changed_out(lambda hidden, out: ((hidden, hidden), out)),
        r"ConfigError: the step returns the carry \(\*, \*\); expected \* as before",
    ),
    "finite": (hidden_that_is_no_number(), "CellOut of the step is not finite: hidden"),
    "attention sums to one": (larger_attention(), "the sum of a map: value differs by up to 0.1"),
    "scan is a loop of steps": (step_that_counts(), "single steps: .* differs"),
    "streaming": (drive_that_knows_the_future(), "a clip in two chunks: logits differs"),
    "masked frames": (norm_without_epsilon(), "a masked frame has the gradient nan; expected 0"),
    "float32 state, bfloat16 products": (
        state_in_the_dtype_of_the_products(),
        r"ConfigError: .* carry bfloat16 .*; expected float32",
    ),
    "gradients": (parameter_without_gradient(), r"params\.cell\.attend\.hidden has no gradient"),
    "clips of a batch are independent": (mean_over_the_batch(), "clips one by one: .* differs"),
    "engines agree": (even_kernel(), "the engine native beside im2col: .* differs"),
}


# A cell that breaks one of the last checks passes all others first.
SLOW_CHECKS = (
    "masked frames",
    "float32 state, bfloat16 products",
    "clips of a batch are independent",
    "engines agree",
)


def test_every_check_has_a_cell_that_breaks_it():
    assert set(SLOW_CHECKS) < set(BROKEN)
    assert list(BROKEN) == list(CHECKS)


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in BROKEN if name not in SLOW_CHECKS),
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW_CHECKS),
    ],
)
def test_a_broken_cell_is_refused(name):
    cell, message = BROKEN[name]
    with pytest.raises(AssertionError, match=rf"^check_cell: {name}: {message}") as error:
        check_cell(cell)
    assert "\n" not in str(error.value)


ALSO_BROKEN = (
    (parameter_that_is_infinite(), r"finite: the parameters of init are not finite: gru\.bias"),
    (
        changed_out(lambda h, out: (h, out._replace(attention=out.attention / 0))),
        "finite: CellOut of the step is not finite: attention",
    ),
    (
        mean_start(lambda conv, params, mean: mean.x),
        r"shapes: ConfigError: the mean start makes carry float32 \[2, 4, 4, 5\]",
    ),
    (
        mean_start(lambda conv, params, mean: mean.x[..., :3] / 0),
        "finite: the carry of mean_start is not finite",
    ),
    (GRU._replace(layers="pool5"), "shapes: ConfigError: the layers of the cell are 'pool5'"),
)


@pytest.mark.parametrize("cell, message", ALSO_BROKEN)
def test_further_broken_cells_are_refused(cell, message):
    with pytest.raises(AssertionError, match=f"^check_cell: {message}"):
        check_cell(cell)


def test_an_error_of_the_cell_itself_names_the_check():
    def step(conv, params, hidden, drive):
        raise KeyError("no such\nentry")

    message = r"^check_cell: shapes: ConfigError: the step of the cell raises KeyError: 'no such"
    with pytest.raises(AssertionError, match=message) as error:
        check_cell(GRU._replace(step=step))
    assert isinstance(error.value.__cause__.__cause__, KeyError)
