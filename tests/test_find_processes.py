"""Which process of how many this one is, by the settings and by what schedulers show."""

import pathlib

import pytest
from command_line import run

from videolstm_jax.cli.processes import complete_distributed_flags
from videolstm_jax.cluster.detect import (
    Processes,
    devices_of_process,
    find_processes,
    visible_gpus,
)
from videolstm_jax.config import ClusterConfig
from videolstm_jax.errors import ConfigError

# What srun sets in the second of three tasks on two nodes.
SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "2",
    "SLURM_NTASKS": "3",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_PROCID": "1",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "0",
    "SLURM_STEP_NODELIST": "gpu[007-008,012]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
}
OPEN_MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "3",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
}
TPU = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "t-0.svc,t-1.svc"}
GIVEN = {"coordinator": "a:1", "processes": 2, "process": 1}


def found(environ, **settings):
    return find_processes(ClusterConfig(**settings), environ)


def test_slurm():
    port = 61440 + (4711 * 16 + 2) % 4096
    assert found(SLURM) == Processes(1, 3, f"gpu007:{port}", "SLURM", 1, 2)
    last = {**SLURM, "SLURM_PROCID": "2", "SLURM_LOCALID": "0", "SLURM_NODEID": "1"}
    assert found(last)[-2:] == (0, 1)


@pytest.mark.parametrize(
    "nodes, host",
    [("a", "a"), ("a,b", "a"), ("a[1-3]", "a1"), ("a[07,9]-ib,c", "a07-ib"), ("a-1,b-2", "a-1")],
)
def test_the_first_node_is_where_process_0_runs(nodes, host):
    place = found({**SLURM, "SLURM_STEP_NODELIST": nodes}).coordinator
    assert place.rpartition(":")[0] == host


def test_a_batch_script_is_no_step():
    script = {name: value for name, value in SLURM.items() if "STEP" not in name}
    assert found({**script, "SLURM_PROCID": "0"}) == Processes()
    assert found({**SLURM, "SLURM_STEP_NUM_TASKS": "1"}) == Processes()


def test_open_mpi_and_tpu_workers():
    place = found(OPEN_MPI)
    assert place[:2] == (3, 4) and place.coordinator.startswith("10.96.0.1:6")
    assert found({**OPEN_MPI, "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}).coordinator[:9] == "127.0.0.1"
    assert found(TPU) == Processes(1, 2, "t-0.svc:8476", "TPU_WORKER_HOSTNAMES")
    assert found({**TPU, "TPU_WORKER_HOSTNAMES": "t-0.svc"}) == Processes()


def test_settings_go_before_the_scheduler():
    assert found({}, **GIVEN) == Processes(1, 2, "a:1", "the settings")
    assert found(SLURM, **GIVEN)[:3] == (1, 2, "a:1")
    assert found(SLURM, coordinator="b:2")[:3] == (1, 3, "b:2")
    assert found(SLURM, distributed="off") == Processes()
    assert found({}) == Processes()


@pytest.mark.parametrize(
    "environ, settings, words",
    [
        ({}, {"distributed": "on"}, "distributed is 'on', and no scheduler shows"),
        ({}, {"processes": 2}, "cluster.processes is given without cluster.coordinator and clust"),
        ({}, {"coordinator": "a:1"}, "without cluster.process and cluster.processes"),
        ({}, {"coordinator": "a"}, "cluster.coordinator is 'a'; expected HOST:PORT"),
        ({}, {**GIVEN, "process": 2}, "cluster.process is 2 of cluster.processes 2; expected 0"),
        ({}, {**GIVEN, "distributed": "off"}, "distributed is 'off', and cluster.coord"),
        ({}, {"distributed": "perhaps"}, "distributed is 'perhaps'; expected one of"),
        (SLURM, {"process": 3}, "this is process 3 of 3 by SLURM; expected 0 to 2"),
        (
            {**OPEN_MPI, "OMPI_MCA_orte_hnp_uri": ""},
            {},
            "Open MPI shows 4 processes and not where process 0 runs; expected --cluster.coord",
        ),
    ],
)
def test_what_is_wrong_is_named(environ, settings, words):
    with pytest.raises(ConfigError, match=words):
        found(environ, **settings)


@pytest.mark.parametrize(
    "local_index, local_count, visible, devices",
    [(0, 1, 8, None), (1, 2, 8, [4, 5, 6, 7]), (3, 4, 4, [3]), (3, 4, 1, None), (0, 2, 0, None)],
)
def test_tasks_of_a_machine_share_its_gpus(local_index, local_count, visible, devices):
    processes = Processes(0, 8, "a:1", "SLURM", local_index, local_count)
    assert devices_of_process(processes, visible) == devices


@pytest.mark.parametrize(
    "arguments, completed",
    [
        (["--distributed"], ["--distributed=on"]),
        (["--distributed", "--workdir=w"], ["--distributed=on", "--workdir=w"]),
        (["--distributed", "off", "w"], ["--distributed", "off", "w"]),
        (["--distributed=off", "--seed=1"], ["--distributed=off", "--seed=1"]),
    ],
)
def test_distributed_without_a_value_is_on(arguments, completed):
    assert complete_distributed_flags(arguments) == completed


def test_distributed_without_a_value_reaches_the_command():
    done = run("videolstm_jax.cli", "train", "--distributed", "--workdir=nowhere")
    assert done.returncode == 1 and "error: distributed is 'on', and no scheduler" in done.stderr


@pytest.mark.parametrize(
    ("variable", "gpus"), [("", []), ("3", ["3"]), ("1,GPU-8f2a", ["1", "GPU-8f2a"])]
)
def test_gpus_are_those_that_the_variable_lists(variable, gpus):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": variable}) == gpus


def test_gpus_are_all_of_the_machine_without_the_variable():
    count = len(list(pathlib.Path("/dev").glob("nvidia[0-9]*")))
    assert len(visible_gpus({})) == count
