"""The command `scores` imports and shows score files."""

import numpy as np
import pytest
from absl import flags
from scores_to_import import LABEL, LOGITS, saved

from videolstm_jax.cli.commands import scores as command
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.workdir.scores_npz import load_scores


@pytest.fixture
def call(monkeypatch):
    """Calls the command with its own flags, apart from those of other tests."""

    def run(*words):
        values = flags.FlagValues()
        command.define_flags(values)
        monkeypatch.setattr(command.flags, "FLAGS", values)
        command.main(values(["scores", *words])[1:])

    return run


def test_the_command_imports_and_shows(tmp_path, call, capsys):
    source, target = saved(tmp_path, "mat"), tmp_path / "out.npz"
    call("import", source, str(target), "--kind=logits", "--part=valid")
    right = int((LOGITS.argmax(1) == np.array(LABEL)).sum())
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{source}: logits, 3 classes, valid list, {right} of 4 videos right")
    assert last == f"wrote {target}"
    scores = load_scores(target)
    assert scores.part == "valid" and scores.videos == ("Jump/a", "Run/b", "Wave/c", "Run/d")
    call("show", str(target))
    assert "probabilities, 3 classes, valid list" in capsys.readouterr().out


def test_the_command_refuses(tmp_path, call):
    source = saved(tmp_path, "mat")
    with pytest.raises(ConfigError, match=r"expected import FROM TO\.npz"):
        call()
    with pytest.raises(ConfigError, match=r"expected import FROM TO\.npz"):
        call("import", source)
    with pytest.raises(ConfigError, match=r"out.json: expected a file that ends in .npz"):
        call("import", source, "out.json", "--kind=logits")
    (tmp_path / "classInd.txt").write_text("1 Run\n2 Jump\n3 Wave\n")
    with pytest.raises(FileError, match="class 0 is Jump; expected Run"):
        call("show", source, "--kind=logits", f"--classes={tmp_path}/classInd.txt")
