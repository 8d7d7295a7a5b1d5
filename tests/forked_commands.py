"""Commands in processes of their own that begin with the libraries already imported.

A command of a test does little, and importing JAX for it takes a second. Here a server imports the
libraries once, but nothing of this package, and each command is a fork of it: its modules, flags,
signals and exit status are its own. The server starts no threads, so it may be forked.
"""

import atexit
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
# OpenBLAS, which numpy loads, starts its threads anew in a fork. TensorFlow is left out: few
# commands need it, and it takes as long as all others.
SERVER = """
import atexit, gc, json, os, runpy, sys, threading
import absl.app, absl.flags, absl.logging, av, etils.epath, jax, numpy, PIL.Image, pydantic
import flax.linen, h5py, optax, scipy.ndimage, scipy.special
gc.freeze()
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        break
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
else:
    sys.exit()
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(os.open(request["output"], os.O_WRONLY), 1)
os.dup2(os.open(request["errors"], os.O_WRONLY), 2)
sys.stdin = open(0, closefd=False)
os.chdir(request["cwd"])
sys.path[0] = "" if request["kind"] == "-c" else request["cwd"]
os.environ.clear()
os.environ.update(request["environment"])
# Absent as in a Python that has not imported them, so that they can be barred.
for name in list(sys.modules):
    if name.split(".")[0] in request["barred"]:
        del sys.modules[name]
sys.modules.update(dict.fromkeys(request["barred"]))
kind, program, sys.argv = request["kind"], request["program"], request["argv"]
del child, line, name
status = 0
try:
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
except SystemExit as end:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
    status = end.code if isinstance(end.code, int) else int(end.code is not None)
except BaseException:
    sys.excepthook(*sys.exc_info())
    status = 1
# What Python does at its end, but for taking all modules apart, which takes as long as a command.
threading._shutdown()
atexit._run_exitfuncs()
sys.stdout.flush()
os._exit(status)
"""
_RUNNING = []


def _server():
    """The server of this process, started when it is first needed."""
    if not _RUNNING:
        command = [sys.executable, "-c", SERVER]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        _RUNNING.append(server)
        atexit.register(server.communicate)
    return _RUNNING[0]


def python(kind, program, *arguments, cwd=ROOT, env=None, barred=()):
    """Runs `python -m program` or `python -c program`; what Python reads at its start stays as is.

    Args:
      kind: `-m` or `-c`.
      program: a module, or code.
      *arguments: the words behind it.
      cwd: the current folder of the process.
      env: its environment; None for that of the tests.
      barred: packages that it cannot import.

    Returns:
      A `subprocess.CompletedProcess` with its status and all that it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, errors = pathlib.Path(folder, "output"), pathlib.Path(folder, "errors")
        output.touch()
        errors.touch()
        argv = [program if kind == "-m" else kind, *map(str, arguments)]
        request = {
            "kind": kind,
            "program": program,
            "argv": argv,
            "cwd": str(cwd),
            "environment": dict(os.environ if env is None else env),
            "barred": list(barred),
            "output": str(output),
            "errors": str(errors),
        }
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess(argv, status, output.read_text(), errors.read_text())
