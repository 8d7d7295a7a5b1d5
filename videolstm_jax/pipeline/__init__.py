"""All stages in order: the plan of a pipeline, its commands, its cost and its run."""

from videolstm_jax.pipeline.commands import pipeline_commands, pipeline_stage_command
from videolstm_jax.pipeline.costs import pipeline_cost
from videolstm_jax.pipeline.runner import run
from videolstm_jax.pipeline.steps import Step, pipeline_cells, pipeline_graft_source, plan

__all__ = [
    "Step",
    "pipeline_stage_command",
    "pipeline_commands",
    "pipeline_cost",
    "pipeline_graft_source",
    "pipeline_cells",
    "plan",
    "run",
]
