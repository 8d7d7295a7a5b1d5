"""Reads a file of a stranger within bounds of time and memory, and says how that ended."""

import contextlib
import re
import resource
import signal
from typing import NamedTuple

from videolstm_jax.errors import ConfigError, FileError, VideoError

SECONDS = 10
"""Processor time that reading one small file may take."""
MEBIBYTES = 300
"""Memory that reading one small file may take."""


class Outcome(NamedTuple):
    """`problem` is empty where a file was read, or refused as it should be.

    `message` is that of the refusal, empty where the file was read.
    """

    problem: str
    message: str = ""

    @property
    def names_a_line(self):
        """Whether a refusal says which line, row or field it is about."""
        return bool(re.search(r":\d+|\[\d+\]|(line|row|record|video|frame) \d", self.message))


class _TooSlow(BaseException):
    """Not an Exception, which readers would turn into an error of their own."""


def outcome_of(read, folder, name):
    """What reading does.

    Args:
      read: takes the folder.
      folder: with the file.
      name: of the file; the message of an error must contain it, or the folder.

    Returns:
      An `Outcome`.
    """
    before = peak_mebibytes()
    message, problem = "", ""
    try:
        with _time_limit():
            read(folder)
    except (ConfigError, FileError, VideoError) as error:
        message = str(error)
        if name not in message and str(folder) not in message:
            problem = f"names no file: {message[:300]}"
    except _TooSlow:
        problem = f"took more than {SECONDS} s"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        problem = f"{type(error).__name__}: {str(error)[:300]}"
    taken = peak_mebibytes() - before
    # The peak of the whole process never falls, so an increase is of this very file.
    if taken > MEBIBYTES and not problem:
        problem = f"took {taken:.0f} MiB"
    return Outcome(problem, message)


def peak_mebibytes():
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextlib.contextmanager
def _time_limit():
    """Raises `_TooSlow` in the block after `SECONDS` of processor time.

    Time of the processor and not of the clock: on a busy machine everything is slow.
    """

    def stop(*_):
        raise _TooSlow

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
