"""Processes without JAX that meet and run one script, to see how all of them end."""

import os
import subprocess
import sys

from command_line import ROOT

from videolstm_jax.cluster.ports import port_of, reserve_port

# Each has `index`, `case` and `team` then; the watchdog lets a step take half a second.
START = """
import os, signal, sys, time
from videolstm_jax.cluster import watchdog as watching
from videolstm_jax.cluster.connected_team import ConnectedTeam
from videolstm_jax.cluster.detect import Processes
from videolstm_jax.cluster.meeting import meet_processes
from videolstm_jax.cluster.watchdog import start_watchdog, watchdog
from videolstm_jax.config import ClusterConfig
index, case = int(sys.argv[1]), sys.argv[4]
place = Processes(index, int(sys.argv[3]), "127.0.0.1:" + sys.argv[2], "test")
team = ConnectedTeam(place.index, place.count, 1)
meet_processes(team, place, ClusterConfig(wait=60), {}, 1)
team.before_end(lambda: print("callback", flush=True))
start_watchdog(team, 0.5)
"""


def ends_of(script, case, *, count=3, without=()):
    """Runs a script behind START in several processes.

    Args:
      script: the rest of the code.
      case: for the script.
      count: processes.
      without: those that do not end by themselves.

    Returns:
      (status, output, errors) of each process but those of `without`.
    """
    reservation = reserve_port()
    port = str(port_of(reservation))
    running = []
    for index in range(count):
        command = [sys.executable, "-c", START + script, str(index), port, str(count), case]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen(command, env=environ, text=True, **pipes))
    ends = []
    try:
        for index, process in enumerate(running):
            if index not in without:
                out, errors = process.communicate(timeout=120)
                ends.append((process.returncode, out, errors))
        return ends
    finally:
        reservation.close()
        for process in running:
            process.kill()
            process.communicate()
