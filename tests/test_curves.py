"""Training curves from the rows of metrics.jsonl."""

import numpy as np

from videolstm_jax.report import curves

ROWS = [
    {"step": step, "loss": 2.0 / step, "accuracy": step / 200, "gradient_norm": 1.0}
    for step in range(1, 101)
]


def test_one_plot_of_losses_and_one_of_accuracies():
    plots = curves.training_curves_chart(
        {"a": ROWS, "b": [*ROWS, {"step": 50, "valid_accuracy": 0.3}]}, "Models"
    )
    assert [plot.title for plot in plots] == [
        "Models: loss of the training batches",
        "Models: accuracy of the training batches",
    ]
    assert plots[1].legend == (("a", 0, False), ("b", 1, False), ("b, validation", 1, True))


def test_rows_without_numbers_draw_nothing():
    assert curves.training_curves_chart({}, "Models") == []
    assert (
        curves.training_curves_chart({"a": [{"step": 1, "note": "loss"}, {"loss": 1.0}]}, "Models")
        == []
    )


def test_long_trainings_stay_small():
    rows = [{"step": step, "loss": float(np.sin(step))} for step in range(50_000)]
    assert (
        sum(len(plot.svg) for plot in curves.training_curves_chart({"a": rows}, "Models")) < 20_000
    )


def test_the_section_names_the_stages_that_are_missing():
    empty = curves.section({}, {})
    assert not empty.plots and "train" in empty.notices[0] and "fit_convnet" in empty.notices[1]
    assert len(curves.section({"a": ROWS}, {"rgb": ROWS}).plots) == 4
