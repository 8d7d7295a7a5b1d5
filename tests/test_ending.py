"""A command that is stopped ends soon, with one line and the status of its signal."""

import signal
import subprocess
import sys

import pytest
from command_line import ROOT, SOON, STOPPED


def run_code(code, *arguments):
    """Runs Python code that stops itself; returns its status, what it printed and its errors."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SOON)
    return done.returncode, done.stdout, done.stderr


# The program sends itself Ctrl-C once, within the callback that its argument names. Without care
# Python drops the KeyboardInterrupt there, and the program sleeps on.
DROPPED = """
import gc, os, signal, sys, time, weakref
from absl import app
from videolstm_jax.cli import ending
came = []
class Thing:
    def __del__(self):
        if sys.argv[1] == "__del__": ctrl_c()
def ctrl_c(*_):
    if came: return
    # Before the signal: `os.kill` raises, and a second signal would come with the next collection.
    came.append(True)
    os.kill(os.getpid(), signal.SIGINT)
def main(argv):
    thing = Thing()
    if sys.argv[1] == "weakref": watch = weakref.ref(thing, ctrl_c)
    if sys.argv[1] == "gc": gc.callbacks.append(ctrl_c)
    if sys.argv[1] == "hook":
        def raises(self):
            ctrl_c()
            # Signals that come while Python reports a dropped exception.
            for _ in range(5): os.kill(os.getpid(), signal.SIGINT)
        Thing.__del__ = raises
    if sys.argv[1] == "import":
        # A module in C that calls Python code while it is loaded, as those of JAX do.
        import _imp
        from importlib.machinery import ExtensionFileLoader
        def load(module):
            ctrl_c()
            time.sleep(0.1)
            print("loaded", flush=True)
        _imp.exec_dynamic = load
        ExtensionFileLoader("name", "name.so").exec_module(None)
    del thing
    gc.collect()
    time.sleep(60)
app.run(ending.guarded_command(main))
"""


@pytest.mark.parametrize("source", ["gc", "weakref", "__del__", "hook", "import"])
def test_ctrl_c_within_a_callback_is_not_lost(source):
    """Python drops what callbacks raise, and modules in C that are being loaded may crash."""
    printed = "loaded\n" if source == "import" else ""
    assert run_code(DROPPED, source) == (130, printed, STOPPED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_does_not_end_the_waiting_of_the_main_thread_is_sent_again(number):
    """The system may hand it to another thread, or just before the main thread begins to wait."""
    code = (
        "import signal, sys, threading, time\n"
        "from absl import app\nfrom videolstm_jax.cli import ending\n"
        "def come():\n"
        "    time.sleep(0.1)\n"
        f"    signal.pthread_kill(threading.get_ident(), {int(number)})\n"
        "    time.sleep(60)\n"
        "def main(argv):\n"
        "    threading.Thread(target=come, daemon=True).start()\n"
        "    threading.Event().wait(60)\n"
        "    print('not interrupted')\n"
        "app.run(ending.guarded_command(main))"
    )
    assert run_code(code) == (128 + number, "", STOPPED)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_interpreter_is_not_torn_down_under_a_thread(number, tmp_path):
    """What runs at Python's end would run beside a thread of XLA; output is written, locks go."""
    code = (
        "import atexit, os, signal, sys, threading, time\n"
        "from absl import app\nfrom videolstm_jax.cli import ending\n"
        "from videolstm_jax.lock.sole_writer import sole_writer\n"
        "atexit.register(print, 'torn down', file=sys.stderr)\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "def main(argv):\n"
        "    sys.stdout.write('buffered')\n"
        "    with sole_writer(sys.argv[1], 'train'):\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        "        time.sleep(60)\n"
        "app.run(ending.guarded_command(main))"
    )
    assert run_code(code, str(tmp_path / "run")) == (128 + number, "buffered", STOPPED)
    assert not (tmp_path / "run").exists()


def test_an_error_that_a_library_makes_of_ctrl_c_is_one_line():
    """A module in C that is interrupted while it is imported raises an ImportError."""
    code = (
        "import os, signal, sys\nfrom videolstm_jax.cli import boot, main\n"
        "def start(*_):\n"
        "    try: os.kill(os.getpid(), signal.SIGTERM); print('not reached')\n"
        "    except KeyboardInterrupt: raise ImportError('cannot import it')\n"
        "boot.start_command = start\nmain.main('train')"
    )
    status, _, errors = run_code(code)
    assert (status, errors) == (143, STOPPED)


def test_ctrl_c_while_the_decoder_is_imported_is_one_line(tmp_path):
    """Python lists a module as imported before its functions are there."""
    code = (
        "import os, signal, sys, types\nfrom absl import app\n"
        "from videolstm_jax.cli import ending\n"
        "def main(argv):\n"
        "    sys.modules['videolstm_jax.video.guard'] = types.ModuleType('guard')\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "app.run(ending.guarded_command(main))"
    )
    status, _, errors = run_code(code)
    assert (status, errors) == (130, STOPPED)
