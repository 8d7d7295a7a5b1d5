"""All stages in order: the plan of a pipeline, its commands, its cost and its run."""

from videolstm_jax.pipeline.commands import command, commands
from videolstm_jax.pipeline.costs import cost
from videolstm_jax.pipeline.runner import run
from videolstm_jax.pipeline.steps import Step, graft_source, pipeline_cells, plan

__all__ = [
    "Step",
    "command",
    "commands",
    "cost",
    "graft_source",
    "pipeline_cells",
    "plan",
    "run",
]
