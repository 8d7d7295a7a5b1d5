"""What several processes compare of the code that they run."""

import sys

from videolstm_jax.cluster.code import code_versions_of_process, own_modules_of_process
from videolstm_jax.config import change
from videolstm_jax.installed import installed_version
from videolstm_jax.presets import configured


def test_the_libraries_that_compute_or_draw_are_compared():
    versions = code_versions_of_process()
    assert len(versions["code"]) == 16
    for name in ("jax", "jaxlib", "numpy", "optax", "tensorflow"):
        # Also where TensorFlow is installed as tensorflow-cpu.
        assert versions[name] == installed_version(name) != "none"
    assert installed_version("no-such-package") is None


def test_a_cell_and_a_backbone_of_the_user_are_compared(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "compared_cell.py").write_text("raise SystemError\n")
    cfg = change(configured("small", "lstm"), model__cell="compared_cell:GRU")
    cfg = change(cfg, convnet__backbone="no_such_module:net")
    before = own_modules_of_process(cfg)
    assert before["code of no_such_module"] == "none" != before["code of compared_cell"]
    (tmp_path / "compared_cell.py").write_text("other = 1\n")
    assert own_modules_of_process(cfg)["code of compared_cell"] != before["code of compared_cell"]
    # Its code is not run: the stage does so, and says what is wrong with it.
    assert "compared_cell" not in sys.modules
    assert own_modules_of_process(configured("small", "lstm")) == {}
