"""A training whose loss grew out of bounds: the warning on the terminal, in files, on the page."""

import math

import pytest
from training_workdir import config, write_work

from videolstm_jax.config import change
from videolstm_jax.stages import report, train
from videolstm_jax.train.numerics.divergence import divergence_warning
from videolstm_jax.workdir.config_json import load_config

UNIFORM = math.log(10)


def rows(*losses):
    return [{"step": 20 * k, "loss": loss} for k, loss in enumerate(losses, 1)]


@pytest.mark.parametrize(
    "losses, diverged",
    [
        ((2.3, 1.0, 0.4), False),
        ((2.3, 1e32), True),
        ((2.3, 500.0, 2.2), False),  # it came back
        ((2.3, 3.5), False),
        ((2.3, 7.5), True),  # more than three times the first
        ((0.01, 0.2), False),  # grown, and still far below a uniform guess
        ((20.0, 22.0), False),
        ((30.0, 24.0), True),  # never near probabilities
        ((1e9,), True),
        ((), False),
    ],
)
def test_of_its_first_and_last_loss(losses, diverged):
    text = divergence_warning([*rows(*losses), {"step": 99, "valid_loss": 1e9}], 10)
    assert bool(text) == diverged
    # The loss of a recurrent model is a sum over frames.
    summed = divergence_warning(rows(*(30 * loss for loss in losses)), 10, frames=30)
    assert bool(summed) == diverged


@pytest.mark.slow
def test_it_is_said_wherever_the_run_is_shown(tmp_path, capsys):
    write_work(tmp_path)
    cfg = config(tmp_path, train__steps=12)
    sound = train.run(change(cfg, name="sound"))
    assert load_config(sound)["warnings"] == []
    assert "diverged" not in capsys.readouterr().out
    wild = train.run(change(cfg, optim__learning_rate=50.0, name="wild"))
    (warning,) = load_config(wild)["warnings"]
    assert warning.startswith("the training has diverged: the last loss is ")
    assert f"warning: {wild}: {warning}" in capsys.readouterr().out
    page = report.run(change(cfg, report__examples=0)).read_text()
    assert page.count("wild: the training has diverged") == 1
    assert "sound: the training" not in page
