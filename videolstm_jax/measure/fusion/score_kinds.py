"""Logits, probabilities and log-probabilities: recognized where that is possible, and converted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from videolstm_jax.types import NDArray

ScoreKind = Literal["probabilities", "log_probabilities", "logits"]
KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)

# Published probabilities are rounded, or come from float16: their rows sum to 1 only nearly.
SUM_TOLERANCE = 1e-3


class RowProblem(NamedTuple):
    """The first row of a table of scores that is not of its kind, and why."""

    row: int
    text: str


def proven_score_kind(scores: NDArray) -> ScoreKind | None:
    """The kind of scores that their rows prove; None where only their author knows it.

    Rows that sum to 1 are probabilities. Rows whose exponentials sum to 1 are log-probabilities; to
    read these as logits would give the same, since the softmax of log p is p.

    Args:
      scores: [V, C].
    """
    # No row proves nothing, although "all rows" would hold.
    if not len(scores):
        return None
    for kind in ("probabilities", "log_probabilities"):
        if score_kind_problem(scores, kind) is None:
            return kind
    return None


def score_kind_problem(scores: NDArray, kind: ScoreKind) -> RowProblem | None:
    """The first row of scores [V, C] that is not of the kind; None where every row is."""
    unusable = np.isnan(scores) | np.isposinf(scores)
    # Of log-probabilities, minus infinity is the certainty that it is not this class.
    if kind != "log_probabilities":
        unusable |= np.isneginf(scores)
    problem = _first_row(unusable.any(axis=1), scores, "has {}; expected finite numbers", unusable)
    if problem is not None or kind == "logits":
        return problem
    probability = scores
    name = "sum"
    if kind == "log_probabilities":
        positive = scores > SUM_TOLERANCE
        text = "has {}; expected log-probabilities, 0 or less"
        problem = _first_row(positive.any(axis=1), scores, text, positive)
        # Above, an exponential could overflow.
        probability = np.exp(np.minimum(scores, SUM_TOLERANCE))
        name = "sum of exponentials"
    else:
        negative = scores < 0
        text = "has {}; expected probabilities, 0 to 1"
        problem = _first_row(negative.any(axis=1), scores, text, negative)
    if problem is not None:
        return problem
    # Last, since a row with a NaN or a negative number has a sum that means nothing.
    total = probability.sum(axis=1)
    wrong = np.abs(total - 1) > SUM_TOLERANCE
    if wrong.any():
        row = int(wrong.argmax())
        return RowProblem(row, f"has the {name} {total[row]:.6g}; expected 1 for {kind}")
    return None


def _first_row(rows: NDArray, scores: NDArray, text: str, elements: NDArray) -> RowProblem | None:
    """Describes the first marked element [V, C] of the first marked row [V]; None without any."""
    if not rows.any():
        return None
    row = int(rows.argmax())
    score = scores[row][elements[row]][0]
    return RowProblem(row, text.format(f"{score:g}"))


def to_probabilities(scores: NDArray, kind: ScoreKind) -> NDArray:
    """Turns scores [V, C] of a kind, which `score_kind_problem` has checked, into probabilities."""
    if kind == "probabilities":
        return scores
    if kind == "log_probabilities":
        return np.exp(scores)
    return special.softmax(scores, axis=1)
