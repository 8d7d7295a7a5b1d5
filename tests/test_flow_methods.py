"""Flow by OpenCV's methods, and what is refused where OpenCV is not there."""

import sys

import numpy as np
import pytest
from bad_video_files import settings, write_folder
from small_films import smooth

from videolstm_jax import files
from videolstm_jax.config import change
from videolstm_jax.errors import ConfigError
from videolstm_jax.flow_images import flow_methods
from videolstm_jax.stages import prepare
from videolstm_jax.workdir.layout import Workdir

pytestmark = pytest.mark.filterwarnings(
    "ignore::videolstm_jax.dataset.lists.list_files.ListWarning"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize("name", ["dis", "opencv_tvl1"])
def test_opencvs_flow(folder, tmp_path, name):
    cv2 = pytest.importorskip("cv2")
    if name == "opencv_tvl1" and not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV without its contrib modules")
    texture = smooth(1, 40, 48, seed=3)[0, ..., 0]
    a, b = np.stack([texture, texture]), np.stack([np.roll(texture, 1, 1), np.roll(texture, 1, 0)])
    outcome = flow_methods.flow_method(name)(a, b)[:, 10:-10, 10:-10]
    assert outcome.dtype == np.float32 and outcome.shape == (2, 20, 28, 2)
    np.testing.assert_allclose(np.median(outcome[0], (0, 1)), [1, 0], atol=0.25)
    np.testing.assert_allclose(np.median(outcome[1], (0, 1)), [0, 1], atol=0.25)
    cfg = settings(
        folder, tmp_path, flow__method=name, flow__width=12, flow__height=10, data__max_frames=2
    )
    prepare.run(cfg)
    assert files.read_json(Workdir(cfg.workdir).flow / "index.json")["method"] == name
    with pytest.raises(ConfigError, match=f"method '{name}', now 'tvl1'"):
        prepare.run(change(cfg, flow__method="tvl1"))


def test_opencv_that_is_not_there(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(
        ConfigError, match=r"flow\.method is 'dis', which needs OpenCV: pip install"
    ):
        prepare.run(settings(folder, tmp_path, flow__method="dis"))
    assert not (tmp_path / "dataset.json").exists()
    monkeypatch.setitem(sys.modules, "cv2", type(sys)("cv2"))
    sys.modules["cv2"].__version__ = "4.9"
    with pytest.raises(ConfigError, match=r"4\.9 was installed without its contrib modules"):
        flow_methods.flow_method("opencv_tvl1")
    with pytest.raises(ConfigError, match="expected one of tvl1, tvl1_edges, dis, opencv_tvl1"):
        flow_methods.flow_method("farneback")
