"""Reads files with an audit hook, and notes which files outside their folder were touched.

For a process of its own: an audit hook stays until the process ends.
"""

import os
import pathlib
import sys

from videolstm_jax.errors import ConfigError, FileError

# The first argument of the process is the folder of all cases. No case may read the secret in it.
ROOT = pathlib.Path(sys.argv[1])
SECRET = str(ROOT / "secret")
# What may be opened: the installed packages, and what Python itself looks at.
_INSTALLED = (sys.prefix, sys.base_prefix, os.getcwd(), "/proc", "/dev", "/sys", "/usr", "/lib")
_ALLOWED = tuple(map(os.path.realpath, _INSTALLED))
_EVENTS = ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "os.remove", "os.symlink")


class Watch:
    """Runs cases, and keeps the files that each of them touched."""

    def __init__(self):
        self.touched, self.outside, self.wrong = [], [], []
        self.cases, self.refused = 0, 0
        sys.addaudithook(self._note)

    def _note(self, event, arguments):
        if event in _EVENTS and arguments and isinstance(arguments[0], (str, bytes)):
            self.touched.append(os.path.realpath(os.fsdecode(arguments[0])))

    def case(self, name, write, read, *, is_refused=None):
        """Writes files to a folder of their own and reads them.

        `is_refused` says whether they must be; None allows both.
        """
        folder = ROOT / f"case{self.cases}"
        folder.mkdir()
        self.cases += 1
        try:
            write(folder)
        except (OSError, ValueError):
            return  # no such file can exist here
        self.touched.clear()
        message = ""
        try:
            read(folder)
        except (FileError, ConfigError) as error:
            message = str(error)
            self.refused += 1
        except Exception as error:
            self.wrong.append([name, f"{type(error).__name__}: {error}"])
        if is_refused is not None and is_refused != bool(message):
            self.wrong.append([name, message or "was read"])
        for path in self.touched:
            if not path.startswith((str(folder), *_ALLOWED)):
                self.outside.append([name, path])
