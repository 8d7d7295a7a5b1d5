"""A plan as a script: for a shell, as arrays of SLURM jobs, or as a JobSet of Kubernetes.

All three run the same commands. A stage whose result is there is skipped, and the others go on from
what they left, so that every script can be started again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from videolstm_jax.paper.plan import PlannedStage, paper_task_waves
from videolstm_jax.pipeline import pipeline_stage_command


class Cluster(NamedTuple):
    """What a cluster needs to know beside the commands.

    Attributes:
      title: of the script, such as "table1"; the jobs are named after it.
      gpus: of each task.
      sbatch: more options for `sbatch`, such as `--time=24:00:00 --partition=gpu`.
      image: of the containers.
      claim: name of the PersistentVolumeClaim that holds the videos and the work folder.
    """

    title: str
    gpus: int = 1
    sbatch: str = ""
    image: str = "videolstm:latest"
    claim: str = "videolstm"


_MOUNT = "/data"
"""Where a container finds the claim; paths of the commands are relative to it."""


def _task_line(task: PlannedStage) -> str:
    """The command of a task; one whose result marks its end is skipped once that is there."""
    line = pipeline_stage_command(task.step.stage, task.step.cfg)
    if task.result is None:
        return line
    return f"[ -e {shlex.quote(str(task.result))} ] || {line}"


def shell_script(tasks: Sequence[PlannedStage], cluster: Cluster) -> str:
    """All tasks one after another; it stops at the first that fails."""
    lines = ["#!/usr/bin/env bash", f"# {cluster.title}: {len(tasks)} stages.", "set -euo pipefail"]
    for task in tasks:
        # Echoed, so that the log of a night says where it stopped.
        lines += ["", f"echo {shlex.quote(f'# {task.name}')}", _task_line(task)]
    return "\n".join([*lines, ""])


# ---- SLURM ---------------------------------------------------------------------------------------


def slurm_script(tasks: Sequence[PlannedStage], cluster: Cluster) -> str:
    """One file that submits itself: `bash FILE` gives SLURM an array of jobs for each wave.

    The same file is what every job runs; SLURM sets the number of its task. A wave begins when all
    jobs of the wave before have succeeded.
    """
    tasks_in_waves = paper_task_waves(tasks)
    lines = [
        "#!/usr/bin/env bash",
        # A job that sbatch started would submit everything once more.
        f"# {cluster.title}: {len(tasks)} stages. Submit all with `bash FILE`, not with sbatch.",
        "set -euo pipefail",
        "",
        *_run_task_function(tasks_in_waves),
        "",
        'if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then',
        '    run_task "$SLURM_ARRAY_TASK_ID"',
        "    exit",
        "fi",
        "",
        # An array of each wave; what an earlier submission finished is skipped within seconds.
        f"options=(--parsable {shlex.join(_sbatch_options(cluster))})",
    ]
    first, dependency = 0, ""
    for number, wave in enumerate(tasks_in_waves):
        last = first + len(wave) - 1
        name = shlex.quote(f"--job-name={cluster.title}-{number}")
        lines.append(
            f'job=$(sbatch "${{options[@]}}" {name} --array={first}-{last}{dependency} "$0")'
        )
        lines.append(f'echo "wave {number}: job $job, tasks {first} to {last}"')
        # The shell's `$job` is that of the last wave when the next line is run.
        first, dependency = last + 1, ' --dependency="afterok:$job"'
    return "\n".join([*lines, ""])


def _sbatch_options(cluster: Cluster) -> list[str]:
    options = shlex.split(cluster.sbatch)
    if cluster.gpus:
        # First, so that a `--gres` in `sbatch` counts: SLURM takes the last one.
        options.insert(0, f"--gres=gpu:{cluster.gpus}")
    return options


def _run_task_function(ordered: Sequence[Sequence[PlannedStage]]) -> list[str]:
    """The function of a script that runs the task of a number; numbers follow the waves."""
    lines = ["run_task() {", '    case "$1" in']
    number = 0
    for wave in ordered:
        for task in wave:
            lines.append(f"        {number}) # {task.name}")
            lines.append(f"            {_task_line(task)} ;;")
            number += 1
    lines += ['        *) echo "there is no task $1" >&2; exit 1 ;;', "    esac", "}"]
    return lines


# ---- Kubernetes ----------------------------------------------------------------------------------


def jobset_script(tasks: Sequence[PlannedStage], cluster: Cluster) -> str:
    """A JobSet with an indexed job for each wave; a wave begins when the one before is complete."""
    replicated = []
    for number, wave in enumerate(paper_task_waves(tasks)):
        job: dict[str, object] = {"name": f"wave-{number}", "replicas": 1}
        # The API takes one entry, and none for the first job.
        if number:
            job["dependsOn"] = [{"name": f"wave-{number - 1}", "status": "Complete"}]
        job["template"] = {"spec": _job(wave, cluster)}
        replicated.append(job)
    # Names of Kubernetes are letters, digits and hyphens.
    name = re.sub(r"[^0-9a-z]", "-", cluster.title.lower()).strip("-")
    manifest = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {"name": name},
        "spec": {"replicatedJobs": replicated},
    }
    head = f"# {cluster.title}: {len(tasks)} stages. kubectl apply -f FILE\n"
    return head + "\n".join(_yaml(manifest, 0)) + "\n"


def _job(wave: Sequence[PlannedStage], cluster: Cluster) -> dict[str, object]:
    """An indexed job: the pod with index i runs task i of the wave."""
    # Kubernetes sets the index of each pod of an indexed job.
    script = "\n".join(
        ["set -euo pipefail", *_run_task_function([wave]), 'run_task "$JOB_COMPLETION_INDEX"', ""]
    )
    container: dict[str, object] = {
        "name": "stage",
        "image": cluster.image,
        "workingDir": _MOUNT,
        "command": ["bash", "-c", script],
        "volumeMounts": [{"name": "data", "mountPath": _MOUNT}],
    }
    if cluster.gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": cluster.gpus}}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": cluster.claim}}
    pod = {"restartPolicy": "OnFailure", "containers": [container], "volumes": [volume]}
    count = len(wave)
    return {
        "completionMode": "Indexed",
        "completions": count,
        "parallelism": count,
        # A stage that was evicted goes on where it stopped.
        "backoffLimit": 3 * count,
        "template": {"spec": pod},
    }


def _yaml(value: object, indent: int) -> list[str]:
    """Mappings, lists and texts as lines of YAML; long texts are blocks that keep their lines."""
    pad = " " * indent
    lines = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            lines += _yaml_item(f"{pad}{key}:", item, indent)
    else:
        for item in value:
            if isinstance(item, Mapping):
                # The hyphen of a list stands in the indentation of its first key.
                first, *others = _yaml(item, indent + 2)
                lines += [f"{pad}- {first.lstrip()}", *others]
            else:
                lines += _yaml_item(f"{pad}-", item, indent)
    return lines


def _yaml_item(head: str, item: object, indent: int) -> list[str]:
    if isinstance(item, Mapping | list):
        return [head, *_yaml(item, indent + 2)]
    if isinstance(item, str) and "\n" in item:
        # A block of text keeps its lines; empty ones have no spaces, which nobody would see.
        lines = [f"{head} |"]
        for line in item.rstrip("\n").split("\n"):
            if line:
                line = " " * (indent + 2) + line
            lines.append(line)
        return lines
    # JSON texts and numbers are YAML too, and are quoted where they must be.
    return [f"{head} {json.dumps(item)}"]


SCRIPTS: Mapping[str, Callable[[Sequence[PlannedStage], Cluster], str]] = MappingProxyType(
    {"shell": shell_script, "slurm": slurm_script, "jobset": jobset_script}
)
"""The ways to write a plan, by the value of `--as`."""
SUFFIXES: Mapping[str, str] = MappingProxyType(
    {"shell": ".sh", "slurm": ".slurm.sh", "jobset": ".yaml"}
)
"""The endings of their files."""
