"""Dotted names of parameters, and what refuses to be grafted."""

import jax
import jax.numpy as jnp
import pytest

from videolstm_jax.errors import FileError
from videolstm_jax.train.graft import graft, named_param_leaves, param_leaves_under
from videolstm_jax.types import CellParams, LSTMParams


def _params(value=0.0, above=False):
    def lstm(with_above):
        top = jnp.full((1, 1, 2, 8), value), jnp.full((1, 1, 2, 8), value), jnp.full((8,), value)
        return LSTMParams(*top, jnp.full((1, 1, 2, 8), value) if with_above else None)

    return {"cell": CellParams(lstm(False), None, lstm(True)), "head": [jnp.full((3,), value)]}


def test_names_are_dotted_fields_and_absent_groups_have_none():
    assert list(named_param_leaves(_params())) == [
        "cell.top.x",
        "cell.top.hidden",
        "cell.top.bias",
        "cell.motion.x",
        "cell.motion.hidden",
        "cell.motion.bias",
        "cell.motion.above",
        "head.0",
    ]


def test_graft_replaces_what_is_named_and_nothing_else():
    old, new = _params(0.0), named_param_leaves(_params(1.0))
    result = graft(old, param_leaves_under(new, "cell.top", "cell.motion"))
    assert jax.tree.structure(result) == jax.tree.structure(old)
    changed = {name for name, leaf in named_param_leaves(result).items() if leaf.any()}
    assert changed == {"cell.motion.x", "cell.motion.hidden", "cell.motion.bias"}
    assert not any(leaf.any() for leaf in jax.tree.leaves(old))


def test_grafting_everything_onto_itself_changes_nothing():
    old = _params(2.0)
    result = graft(old, named_param_leaves(old))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), old, result))


def test_a_leaf_takes_the_dtype_of_the_one_it_replaces():
    result = graft(_params(), {"head.0": jnp.ones(3, jnp.bfloat16)})
    assert result["head"][0].dtype == jnp.float32


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (
            {"cell.motion.abuve": jnp.ones((1, 1, 2, 8))},
            "'cell.motion.abuve'.*nearest is cell.motion.above",
        ),
        (
            {"cell.top.x": jnp.ones((3, 3, 2, 8))},
            r"cell.top.x has shape \(3, 3, 2, 8\); expected \(1, 1, 2, 8\)",
        ),
        ({"cell.top": jnp.ones(1)}, "no parameter 'cell.top'"),
    ],
)
def test_what_does_not_fit_raises(new, words):
    with pytest.raises(FileError, match=words):
        graft(_params(), new)


def test_an_absent_part_raises():
    with pytest.raises(FileError, match=r"under 'cell.attend'; found cell.top.x"):
        param_leaves_under(named_param_leaves(_params()), "cell.attend")
    assert list(param_leaves_under(named_param_leaves(_params()), "head")) == ["head.0"]
    with pytest.raises(FileError, match=r"under 'cell.to'"):
        param_leaves_under(named_param_leaves(_params()), "cell.to")
