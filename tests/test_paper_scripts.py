"""Plans as scripts: a shell and a stand-in for sbatch run them, YAML holds the JobSet."""

import os
import subprocess

import pytest
import yaml

from videolstm_jax.paper.plan import PlannedStage, paper_task_waves, plan_paper_rows
from videolstm_jax.paper.request import paper_request_of
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.paper.scripts import SCRIPTS, Cluster, jobset_script, shell_script, slurm_script
from videolstm_jax.presets import configured

CLUSTER = Cluster("table3 hmdb51", 2, "--time=1:00 --comment='a b'", "registry/videolstm:1", "disk")
# Stands for the command `videolstm`: it notes its arguments, and writes the file of a result.
VIDEOLSTM = """#!/usr/bin/env bash
echo "$1 $(printf '%s\\n' "$@" | grep -E -- '--(workdir|name)=' | tr '\\n' ' ')" >> "$LOG"
if [ "$1" = "${FAIL:-none}" ]; then exit 7; fi
"""
# Stands for sbatch: it runs every task of the array at once, and gives the number of the job.
SBATCH = """#!/usr/bin/env bash
echo "sbatch $*" >> "$LOG"
for word in "$@"; do
    case "$word" in --array=*) range=${word#--array=} ;; esac
    last=$word
done
for task in $(seq "${range%-*}" "${range#*-}"); do
    SLURM_ARRAY_TASK_ID=$task bash "$last" >> "$LOG"
done
echo "$(grep -c ^sbatch "$LOG")00"
"""


@pytest.fixture(scope="module")
def tasks():
    cfg = configured("paper", workdir="work", data__videos="a folder/it's")
    videos = {"ucf101": "a folder/it's", "hmdb51": "hmdb51_org"}
    return plan_paper_rows(
        find_paper_rows(["table3/hmdb51/split1"]), paper_request_of(cfg, videos=videos)
    )


@pytest.fixture
def programs(tmp_path):
    """An environment whose `videolstm` and `sbatch` only note what they are asked for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in (("videolstm", VIDEOLSTM), ("sbatch", SBATCH)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "LOG": str(tmp_path / "log")}


def run_script(tmp_path, text, environment):
    script = tmp_path / "a script.sh"
    script.write_text(text)
    done = subprocess.run(
        ["bash", str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    log = tmp_path / "log"
    return done, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("kind", ["shell", "slurm"])
def test_bash_can_read_the_scripts(tasks, kind, tmp_path):
    (tmp_path / "x.sh").write_text(SCRIPTS[kind](tasks, CLUSTER))
    subprocess.run(["bash", "-n", str(tmp_path / "x.sh")], check=True)


def test_a_shell_runs_every_stage_in_order(tasks, tmp_path, programs):
    done, log = run_script(tmp_path, shell_script(tasks, CLUSTER), programs)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in log] == [task.step.stage for task in tasks]
    assert done.stdout.splitlines() == [f"# {task.name}" for task in tasks]


def test_a_shell_skips_results_that_are_there(tasks, tmp_path, programs):
    for task in tasks:
        if task.result:
            path = tmp_path / str(task.result)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    _, log = run_script(tmp_path, shell_script(tasks, CLUSTER), programs)
    stages = [line.split()[0] for line in log]
    assert stages == [task.step.stage for task in tasks if not task.result]
    assert "evaluate" not in stages


def test_a_shell_stops_at_a_stage_that_fails(tasks, tmp_path, programs):
    done, log = run_script(tmp_path, shell_script(tasks, CLUSTER), {**programs, "FAIL": "extract"})
    assert done.returncode == 7 and log[-1].startswith("extract")


def test_slurm_gets_an_array_for_each_wave(tasks, tmp_path, programs):
    done, log = run_script(tmp_path, slurm_script(tasks, CLUSTER), programs)
    assert done.returncode == 0, done.stderr
    submissions = [line for line in log if line.startswith("sbatch")]
    ordered = paper_task_waves(tasks)
    first = 0
    for number, (wave, line) in enumerate(zip(ordered, submissions, strict=True)):
        assert "--parsable --gres=gpu:2 --time=1:00 --comment=a b " in line
        assert f"--job-name={CLUSTER.title}-{number} " in line
        assert f"--array={first}-{first + len(wave) - 1} " in line
        dependency = f"--dependency=afterok:{number}00 "
        assert (dependency in line) == bool(number)
        first += len(wave)
    # The tasks of all arrays are all stages, wave after wave.
    stages = [line.split()[0] for line in log if not line.startswith("sbatch")]
    assert stages == [task.step.stage for wave in ordered for task in wave]


def test_an_unknown_task_of_an_array_fails(tasks, tmp_path, programs):
    environment = {**programs, "SLURM_ARRAY_TASK_ID": "99"}
    done, log = run_script(tmp_path, slurm_script(tasks, CLUSTER), environment)
    assert done.returncode == 1 and "there is no task 99" in done.stderr and not log


def test_a_task_of_an_array_that_fails_fails_its_job(tasks, tmp_path, programs):
    environment = {**programs, "SLURM_ARRAY_TASK_ID": "0", "FAIL": "prepare"}
    done, _ = run_script(tmp_path, slurm_script(tasks, CLUSTER), environment)
    assert done.returncode == 7


def test_a_jobset_has_an_indexed_job_for_each_wave(tasks, tmp_path, programs):
    manifest = yaml.safe_load(jobset_script(tasks, CLUSTER))
    assert manifest["apiVersion"] == "jobset.x-k8s.io/v1alpha2" and manifest["kind"] == "JobSet"
    assert manifest["metadata"]["name"] == "table3-hmdb51"
    jobs, ordered = manifest["spec"]["replicatedJobs"], paper_task_waves(tasks)
    assert len(jobs) == len(ordered)
    for number, (job, wave) in enumerate(zip(jobs, ordered, strict=True)):
        before = [{"name": f"wave-{number - 1}", "status": "Complete"}]
        assert job.get("dependsOn", []) == (before if number else [])
        spec = job["template"]["spec"]
        assert spec["completionMode"] == "Indexed" and spec["completions"] == len(wave)
        pod = spec["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == "registry/videolstm:1"
        assert container["resources"] == {"limits": {"nvidia.com/gpu": 2}}
        assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "disk"}
    _run_pods(jobs, tmp_path, programs)
    log = (tmp_path / "log").read_text().splitlines()
    assert [line.split()[0] for line in log] == [t.step.stage for wave in ordered for t in wave]


def _run_pods(jobs, tmp_path, programs):
    """Runs the command of every pod, with the index that Kubernetes would give it."""
    for job in jobs:
        spec = job["template"]["spec"]
        command = spec["template"]["spec"]["containers"][0]["command"]
        for index in range(spec["completions"]):
            environment = {**programs, "JOB_COMPLETION_INDEX": str(index)}
            subprocess.run(command, cwd=tmp_path, env=environment, check=True)


def test_no_gpu_is_asked_for_without_gpus(tasks):
    cluster = CLUSTER._replace(gpus=0, sbatch="")
    assert "--gres" not in slurm_script(tasks, cluster)
    assert "nvidia" not in jobset_script(tasks, cluster)


def test_the_commands_of_the_scripts_are_those_of_the_tasks(tasks):
    assert isinstance(tasks[0], PlannedStage)
    text = shell_script(tasks, CLUSTER)
    assert "--train.steps" not in text and "'--data.videos=a folder/it'\"'\"'s'" in text
    assert "[ -e work/ucf101-1" not in text, "UCF101 is only trained on"
    assert "[ -e work/hmdb51-1/runs/videolstm-rgb/scores.npz ] || videolstm evaluate" in text
