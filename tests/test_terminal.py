"""Names of files cannot steer the terminal: control characters are printed escaped."""

import io
import sys

import pytest

from videolstm_jax.cli import boot, main, terminal
from videolstm_jax.cli.ending import guarded_command
from videolstm_jax.errors import FileError
from videolstm_jax.progress_lines import CLEAR_LINE
from videolstm_jax.train.log import ProgressLine

HOSTILE = "a\x1b]0;title\x07b\rc\bd\x9be\u202ef\udc80"
ESCAPED = r"a\x1b]0;title\x07b\rc\x08d\x9be\u202ef\udc80"


def test_control_characters_are_escaped_and_text_stays():
    assert terminal.printable_terminal_text(HOSTILE) == ESCAPED
    text = "Füße\t走る\nзаметка 👩‍👧 \xa0"
    assert terminal.printable_terminal_text(text) == text
    assert terminal.one_terminal_line("a\nb") == r"a\nb"


def test_a_name_does_not_clear_the_line_that_it_stands_in():
    stream = io.StringIO()
    escaped = terminal.EscapedStream(stream)
    print(f"{CLEAR_LINE}step 1", end="", file=escaped)
    print(f"{CLEAR_LINE}step 2", file=escaped)
    # `print` writes each argument by itself.
    print("cannot read", f"{CLEAR_LINE}all is well", file=escaped)
    expected = f"{CLEAR_LINE}step 1{CLEAR_LINE}step 2\ncannot read \\r\\x1b[2Kall is well\n"
    assert stream.getvalue() == expected


@pytest.mark.parametrize("error", [FileError, OSError])
def test_an_error_is_one_printable_line(error, capsys, monkeypatch):
    def fail(*_):
        arguments = [f"{HOSTILE}\nb: bad"] if error is FileError else [5, "bad", f"{HOSTILE}\nb"]
        raise error(*arguments)

    monkeypatch.setattr(boot, "start_command", lambda *_: guarded_command(fail)([]))
    with pytest.raises(SystemExit):
        main.main("train")
    words = capsys.readouterr().err
    assert words.startswith(rf"error: {ESCAPED}\nb: bad")
    assert words.count("\n") == 1 and words.endswith("\n")


def test_every_line_of_a_command_is_printable(capsys, monkeypatch):
    def run(*_):
        print(f"video {HOSTILE}")
        monkeypatch.setattr(sys.stdout._stream, "isatty", lambda: True)
        ProgressLine(2, 0).note(HOSTILE)
        print(HOSTILE, file=sys.stderr)

    monkeypatch.setattr(boot, "start_command", run)
    stdout = sys.stdout
    main.main("train")
    assert sys.stdout is stdout
    words = capsys.readouterr()
    assert words.out == f"video {ESCAPED}\n{CLEAR_LINE}{ESCAPED}\n"
    assert words.err == f"{ESCAPED}\n"
