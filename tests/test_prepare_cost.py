"""What `prepare` is estimated to cost, by the listed videos alone."""

import pytest
from moving_videos import made, settings

from videolstm_jax.config import change
from videolstm_jax.flow_images import flow_methods
from videolstm_jax.stages import prepare
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir


@pytest.fixture(scope="module")
def prepared_workdir(tmp_path_factory):
    """The configuration of a prepared folder, whose list is read."""
    folder = tmp_path_factory.mktemp("prepared_workdir")
    cfg = settings(folder, made(folder / "videos"))
    prepare.run(cfg)
    return cfg


def test_cost(prepared_workdir):
    cfg = prepared_workdir
    dataset = load_dataset(Workdir(cfg.workdir).dataset)
    cost = prepare.estimate_cost(cfg, dataset)
    assert cost.pairs == 28
    assert cost.feature_bytes == 2 * 2 * 28 * (7 * 7 * 512 + 4096 + 2)
    double = prepare.estimate_cost(cfg, dataset._replace(videos=dataset.videos * 2))
    assert double.pairs == 56 and double.flow_bytes == 2 * cost.flow_bytes
    assert "28 pairs of frames" in str(cost)


def test_the_time_of_flow_grows_with_sizes_and_pixels(prepared_workdir):
    cfg = prepared_workdir
    listed = load_dataset(Workdir(cfg.workdir).dataset)
    video = listed.videos[0]._replace(frames=1 + 64 * 100)

    def seconds(*sizes, **changes):
        videos = []
        for width, height in sizes:
            videos.append(video._replace(width=width, height=height))
        return prepare.estimate_cost(change(cfg, **changes), listed._replace(videos=tuple(videos)))

    one = seconds((64, 64), data__workers=1)
    # By benchmarks/results/tvl1_cpu.json a pair of 64 x 64 pixels takes 4.15 ms of a core.
    assert one.flow_seconds == pytest.approx(6400 * 4.15e-3, rel=0.5)
    # A second video of the same size is compiled with the first one; of another size it is not.
    same = seconds((64, 64), (64, 64), data__workers=1)
    other = seconds((64, 64), (64, 128), data__workers=1)
    compiling = 2 * one.flow_seconds - same.flow_seconds
    assert compiling > 1
    assert other.flow_seconds == pytest.approx(3 * one.flow_seconds - compiling)
    assert other.decoding_seconds == pytest.approx(3 * one.decoding_seconds)
    # Every method has a rate.
    for method in flow_methods.METHODS:
        assert seconds((64, 64), flow__method=method).flow_seconds > 0
    # Those of OpenCV compile nothing.
    dis = seconds((64, 64), data__workers=1, flow__method="dis")
    assert dis.flow_seconds < one.flow_seconds
