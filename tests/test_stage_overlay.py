"""The stage `overlay` on a small walk made by hand: what is filmed, and what is refused."""

import numpy as np
import pytest
import report_workdir
from PIL import Image
from small_films import decoded

from videolstm_jax.config import OverlayConfig, RunConfig, change
from videolstm_jax.errors import ConfigError, FileError, VideoError
from videolstm_jax.report.pictures import overlay as drawing
from videolstm_jax.stages import localize, overlay
from videolstm_jax.video import encode
from videolstm_jax.workdir.dataset_json import load_dataset, save_dataset


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return report_workdir.make(tmp_path_factory.mktemp("overlay"), per_class=1)


def of(work, name="videolstm-rgb", **settings):
    return OverlayConfig(run=str(work.run(name)), side=128, **settings)


def shows(picture, colour):
    """Whether something is painted in about this colour."""
    return (np.abs(picture.astype(int) - colour).max(-1) < 40).sum() > 30


def test_films_and_strips(work):
    folder = overlay.run(of(work, videos=("c0/test_0", "c2/test_0")))
    assert folder == work.path / "overlays" / "videolstm-rgb"
    assert sorted(path.name for path in folder.iterdir()) == [
        "c0-test_0.mp4",
        "c0-test_0.png",
        "c2-test_0.mp4",
        "c2-test_0.png",
    ]
    film, rate = decoded(folder / "c0-test_0.mp4")
    assert len(film) == report_workdir.FRAMES and rate == 12
    strip = np.asarray(Image.open(folder / "c0-test_0.png"))
    for picture in (film[5], strip):
        assert shows(picture, drawing.DETECTED) and shows(picture, drawing.TRUE)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    overlay.run(of(work, videos=("c0/test_0",)))
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_videos_chosen_by_rule(work, capsys):
    overlay.run(of(work, "videolstm-flow", examples=2))
    assert len(list((work.path / "overlays" / "videolstm-flow").glob("*.mp4"))) == 2
    assert capsys.readouterr().out.count(".mp4") == 2


def test_a_cell_that_does_not_attend(work):
    folder = overlay.run(of(work, "convlstm-rgb", videos=("c1/test_0",)))
    film = decoded(folder / "c1-test_0.mp4")[0]
    assert shows(film[5], drawing.TRUE) and not shows(film[5], drawing.DETECTED)


@pytest.mark.slow
def test_heat_and_boxes_follow_the_last_localisation(tmp_path):
    work = report_workdir.make(tmp_path, per_class=1)
    films = []
    for settings in ({}, {"normalise": "video", "sigma": 3.0}, {"theta": 230.0, "tubes": 0}):
        localize.run(
            change(
                RunConfig(workdir=work.root),
                **{f"localize__{key}": value for key, value in settings.items()},
            )
        )
        overlay.run(of(work, videos=("c0/test_0",)))
        films.append((work.path / "overlays" / "videolstm-rgb" / "c0-test_0.png").read_bytes())
    assert len(set(films)) == 3


def test_what_is_refused(work, tmp_path):
    with pytest.raises(FileError, match="does not list c9/x; expected a name such as"):
        overlay.run(of(work, videos=("c9/x",)))
    with pytest.raises(
        FileError, match=r"train_0\.npz is missing; the stage evaluate \(for the test list\)"
    ):
        overlay.run(of(work, videos=("c0/train_0",)))
    with pytest.raises(FileError, match="is a work folder; expected one of its runs"):
        overlay.run(OverlayConfig(run=work.root))
    for settings, message in (
        ({"run": ""}, "--run is empty"),
        ({"examples": 0}, "examples is 0"),
        ({"side": 2}, "side"),
    ):
        with pytest.raises(ConfigError, match=message):
            OverlayConfig(**{"run": "r", **settings})


def test_a_file_that_is_another_by_now(work):
    dataset = load_dataset(work.dataset)
    at = next(k for k, video in enumerate(dataset.videos) if video.name == "c3/test_0")
    before = dataset.videos[at]
    film = work.path / "overlays" / "videolstm-rgb" / "c3-test_0.mp4"
    for frames in (report_workdir.clip(3, 0)[0][:9], report_workdir.clip(3, 0, side=32)[0]):
        path = work.path / f"other-{len(frames)}.mp4"
        encode.write_video(path, frames, 12.0)
        videos = list(dataset.videos)
        videos[at] = before._replace(path=str(path))
        save_dataset(work.dataset, dataset._replace(videos=tuple(videos)))
        with pytest.raises(VideoError, match="as the stage prepare found it"):
            overlay.run(of(work, videos=("c3/test_0",)))
        assert not film.exists() and not list(film.parent.glob(".*"))
    save_dataset(work.dataset, dataset)
