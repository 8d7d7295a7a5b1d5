"""The launchers of examples/launch run as they stand, with stand-ins for the schedulers."""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
import yaml
from command_line import ROOT

from videolstm_jax.cluster.detect import find_processes
from videolstm_jax.config import ClusterConfig

LAUNCH = ROOT / "examples" / "launch"
# Notes its words, one line a call, and ends with the next of the statuses in $STATUSES.
NOTE = """#!/usr/bin/env bash
printf '%q ' "$(basename "$0")" "$@" >> "$LOG"; echo >> "$LOG"
"""
STANDS_IN = {
    "videolstm": NOTE
    # With $ALWAYS the one status is that of every call.
    + '[ -z "${ALWAYS:-}" ] || exit "$STATUSES"\n'
    + 'n=$(grep -c ^videolstm "$LOG"); exit "$(echo $STATUSES 0 0 0 0 0 0 | cut -d" " -f"$n")"\n',
    # Runs the script at once, as the job that it makes of it.
    "sbatch": NOTE
    + """environ=() script="" words=()
for word in "$@"; do
    if [ -n "$script" ]; then words+=("$word"); continue; fi
    case "$word" in
        --export=ALL,*) environ+=("${word#--export=ALL,}") ;;
        --array=1-*) count=${word#--array=1-} ;;
        --*) ;;
        *) script=$word ;;
    esac
done
for task in $(seq "${count:-1}"); do
    env "${environ[@]}" SLURM_JOB_ID=7 SLURM_ARRAY_TASK_ID="$task" \\
        SLURM_ARRAY_TASK_COUNT="${count:-1}" bash "$script" "${words[@]}"
done
""",
    "srun": NOTE + 'while [ "${1#--}" != "$1" ]; do shift; done; "$@"\n',
    "scontrol": NOTE,
    "kubectl": NOTE + 'cat > "$LOG.manifest"\n',
    "curl": 'echo "$WORKER"\n',
    # Lists the addresses, and runs the command on each worker, one after another.
    "gcloud": NOTE
    + """case "$*" in
    *describe*) echo "10.0.0.2;10.0.0.3" ;;
    *) for word in "$@"; do
           case "$word" in --command=*) command=${word#--command=} ;; esac
       done
       for w in 0 1; do WORKER=$w bash -c "$command"; done ;;
esac
""",
}


@pytest.fixture
def environ(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in STANDS_IN.items():
        if not text.startswith("#!"):
            text = "#!/usr/bin/env bash\n" + text
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (tmp_path / "log").touch()
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "STATUSES": "",
    }


def launch(environ, script, *words, status=0):
    """Runs a launcher; returns what it printed and the words of each call of a stand-in."""
    runner = "bash" if script.endswith(".sh") else sys.executable
    done = subprocess.run(
        [runner, str(LAUNCH / script), *words], env=environ, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr
    with open(environ["LOG"]) as log:
        return done, [shlex.split(line) for line in log]


def own_flags(words):
    """The processes that the flags of a command line name."""
    settings = {}
    for word in words:
        match = re.fullmatch(r"--cluster\.(\w+)=(.*)", word)
        if match:
            settings[match[1]] = int(match[2]) if match[2].isdigit() else match[2]
    return find_processes(ClusterConfig(**settings), {})


COMMAND = ("train", "--workdir=a folder/it's", "--model.cell=lstm")


def test_every_shell_script_can_be_read():
    for path in LAUNCH.glob("*.sh"):
        subprocess.run(["bash", "-n", str(path)], check=True)


def test_a_dry_run_starts_nothing(environ):
    calls = (
        ("slurm.sh", ("--nodes=4", "--gpus=8"), COMMAND),
        ("slurm.sh", ("--tasks=3",), ("extract",)),
        ("tpu_vm.sh", ("--name=t", "--zone=z"), COMMAND),
        ("gke_jobset.py", ("--name=t", "--image=i", "--claim=c"), COMMAND),
    )
    for script, words, command in calls:
        done, log = launch(environ, script, *words, "--dry_run", "--", *command)
        # Not even the addresses of a TPU are asked for, which needs an account.
        assert not log
        assert command[0] in done.stdout and "it's" in done.stdout.replace("\\'", "'") + "it's"


def test_slurm_runs_the_command_and_queues_it_again(environ):
    words = ("--nodes=4", "--gpus=8", "--sbatch=--partition=gpu --account=me", "--", *COMMAND)
    _, log = launch({**environ, "STATUSES": "75"}, "slurm.sh", *words)
    names = [words[0] for words in log]
    assert names == ["sbatch", "srun", "videolstm", "scontrol"]
    for option in ("--nodes=4", "--gpus-per-node=8", "--partition=gpu", "--account=me"):
        assert option in log[0]
    assert log[2][1:] == list(COMMAND) and log[3] == ["scontrol", "requeue", "7"]


# A process that was killed has 137. JAX aborts with 134 where process 0 was killed.
STARTED_AGAIN = (75, 134, 137)
SLURM = (("--nodes=1", COMMAND), ("--tasks=1", ("extract", "--workdir=w")))


@pytest.mark.parametrize("option, command", SLURM)
@pytest.mark.parametrize("status", [0, 1, *STARTED_AGAIN])
def test_slurm_does_not_repeat_an_error(environ, option, command, status):
    again = status in STARTED_AGAIN
    environ = {**environ, "STATUSES": str(status)}
    _, log = launch(environ, "slurm.sh", option, "--", *command, status=0 if again else status)
    assert ("scontrol" in [words[0] for words in log]) == again
    # SLURM sends the signal to what runs under `srun`.
    assert "--signal=TERM@180" in log[0] and log[1][0] == "srun"


@pytest.mark.parametrize("option, command", SLURM)
def test_slurm_gives_up_at_last(environ, option, command):
    environ = {**environ, "STATUSES": "75", "SLURM_RESTART_COUNT": "50"}
    done, log = launch(environ, "slurm.sh", option, "--", *command, status=75)
    assert "scontrol" not in [words[0] for words in log] and "started 50 times" in done.stderr


def test_an_array_has_a_shard_or_a_seed_for_each_task(environ):
    _, log = launch(environ, "slurm.sh", "--tasks=3", "--", "extract", "--workdir=w")
    shards = [words[-1] for words in log if words[0] == "videolstm"]
    assert shards == ["--shard=1/3", "--shard=2/3", "--shard=3/3"]
    _, log = launch(environ, "slurm.sh", "--tasks=2", "--", "pipeline", "--workdir=w")
    seeds = [words[-2:] for words in log if words[:2] == ["videolstm", "pipeline"]]
    assert seeds == [["--seed=0", "--workdir=w/seed-0"], ["--seed=1", "--workdir=w/seed-1"]]


@pytest.mark.parametrize("status", STARTED_AGAIN)
def test_all_workers_of_a_tpu_run_the_command_until_it_is_done(environ, status):
    words = ("--name=t", "--zone=z", "--setup=echo ready", "--", *COMMAND)
    done, log = launch({**environ, "STATUSES": f"{status} 0 0"}, "tpu_vm.sh", *words)
    runs = [words for words in log if words[0] == "videolstm"]
    assert len(runs) == 3 and done.stdout == "ready\nready\n"
    for words, index in zip(runs, (0, 0, 1), strict=True):
        assert words[1:4] == list(COMMAND)
        assert own_flags(words)[:3] == (index, 2, "10.0.0.2:8476")


def test_an_error_on_a_tpu_ends_the_command(environ):
    words = ("--name=t", "--zone=z", "--", *COMMAND)
    _, log = launch({**environ, "STATUSES": "1 1"}, "tpu_vm.sh", *words, status=1)
    assert len([words for words in log if words[0] == "videolstm"]) == 2


def test_a_worker_of_a_tpu_gives_up_at_last(environ):
    words = ("--name=t", "--zone=z", "--", *COMMAND)
    _, log = launch({**environ, "STATUSES": "75", "ALWAYS": "1"}, "tpu_vm.sh", *words, status=75)
    runs = [words for words in log if words[0] == "videolstm"]
    # The first start and 50 more on each of two workers.
    assert len(runs) == 2 * 51


def test_a_dry_run_of_a_tpu_shows_what_it_does_not_know(environ):
    words = ("--name=t", "--zone=z", "--dry_run", "--", *COMMAND)
    done, _ = launch(environ, "tpu_vm.sh", *words)
    (command,) = (word for word in shlex.split(done.stdout) if word.startswith("--command="))
    assert "--cluster.coordinator=ADDRESS_OF_WORKER_0:8476" in command
    assert "--cluster.processes=NUMBER_OF_WORKERS" in command


def test_pods_of_a_jobset_find_each_other(environ):
    words = ("--name=ucf", "--image=i:1", "--claim=disk", "--pods=3", "--gpus=8", "--", *COMMAND)
    launch(environ, "gke_jobset.py", *words)
    manifest = json.loads(pathlib.Path(environ["LOG"] + ".manifest").read_text())
    assert manifest["kind"] == "JobSet" and manifest["spec"]["network"]["enableDNSHostnames"]
    (workers,) = manifest["spec"]["replicatedJobs"]
    job = workers["template"]["spec"]
    assert (job["completions"], job["parallelism"], job["backoffLimit"]) == (3, 3, 0)
    (container,) = job["template"]["spec"]["containers"]
    assert container["resources"] == {"limits": {"nvidia.com/gpu": 8}}
    for index in range(3):
        subprocess.run(
            container["command"], env={**environ, "JOB_COMPLETION_INDEX": str(index)}, check=True
        )
    with open(environ["LOG"]) as log:
        runs = [shlex.split(line) for line in log if line.startswith("videolstm")]
    for index, words in enumerate(runs):
        assert words[1:4] == list(COMMAND)
        assert own_flags(words)[:3] == (index, 3, "ucf-workers-0-0.ucf:8476")


def test_a_slice_of_tpus_is_asked_for_by_its_form(environ):
    words = ("--name=t", "--image=i", "--claim=c", "--tpu=tpu-v5-lite-podslice", "--topology=4x4")
    done, _ = launch(environ, "gke_jobset.py", *words, "--gpus=4", "--dry_run", "--", *COMMAND)
    pod = json.loads(done.stdout)["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    assert pod["spec"]["nodeSelector"]["cloud.google.com/gke-tpu-topology"] == "4x4"
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"google.com/tpu": 4}


def test_skypilot_gives_each_node_its_number(environ):
    task = yaml.safe_load((LAUNCH / "sky.yaml").read_text())
    assert task["resources"]["job_recovery"] == {"recover_on_exit_codes": list(STARTED_AGAIN)}
    nodes = {"SKYPILOT_NODE_IPS": "10.1.0.1\n10.1.0.2", "SKYPILOT_NUM_NODES": "2"}
    for rank in range(2):
        subprocess.run(
            ["bash", "-c", task["run"]],
            env={**environ, **nodes, "SKYPILOT_NODE_RANK": str(rank)},
            check=True,
        )
    with open(environ["LOG"]) as log:
        runs = [shlex.split(line) for line in log]
    assert [own_flags(words)[:3] for words in runs] == [
        (0, 2, "10.1.0.1:8476"),
        (1, 2, "10.1.0.1:8476"),
    ]


def test_an_array_of_another_command_is_refused(environ):
    done, log = launch(environ, "slurm.sh", "--tasks=3", "--", *COMMAND, status=1)
    assert "--tasks is train; expected extract or pipeline" in done.stderr and not log


@pytest.mark.parametrize("script", ["slurm.sh", "tpu_vm.sh"])
def test_what_is_wrong_is_named(environ, script):
    done, log = launch(environ, script, "--nods=3", "--", *COMMAND, status=1)
    assert "error: there is no option --nods=3" in done.stderr and not log
    done, _ = launch(environ, script, status=1)
    assert done.stderr.startswith("error: ")
