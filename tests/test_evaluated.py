"""What evaluate and localize left of a run comes back, or is refused by name."""

import numpy as np
import pytest

from videolstm_jax import files
from videolstm_jax.config import LocalizeConfig, RunConfig, change
from videolstm_jax.errors import FileError
from videolstm_jax.results import evaluated
from videolstm_jax.trained.localize_settings import localize_settings_of_run
from videolstm_jax.types import Video
from videolstm_jax.workdir.config_json import save_config
from videolstm_jax.workdir.layout import Workdir

VIDEO = Video("a/x", "a/x.avi", 0, "test", "g", 5, 32, 24, 25.0)
SCORES, MAPS = np.full((4, 3), 1 / 3, np.float32), np.full((4, 2, 2), 0.25, np.float32)


@pytest.fixture
def work(tmp_path):
    return Workdir(str(tmp_path))


@pytest.mark.parametrize("length", [4, 5])
def test_a_pass_comes_back(work, length):
    scores, maps = (
        np.full((length, 3), 1 / 3, np.float32),
        np.full((length, 2, 2), 0.25, np.float32),
    )
    files.write_arrays(work.evaluated_video("r", "a/x"), scores=scores, attention=maps)
    back = evaluated.load_evaluated_video(work, "r", VIDEO, 3)
    np.testing.assert_array_equal(back.scores, scores)
    np.testing.assert_array_equal(back.attention, maps)
    assert back.features is None and back.foreground is None
    both = {"features": 2 * maps, "foreground": 3 * maps}
    files.write_arrays(work.evaluated_video("r", "a/x"), scores=scores, attention=maps, **both)
    back = evaluated.load_evaluated_video(work, "r", VIDEO, 3)
    np.testing.assert_array_equal(back.features, 2 * maps)
    np.testing.assert_array_equal(back.foreground, 3 * maps)
    files.write_arrays(work.evaluated_video("r", "a/x"), scores=scores)
    assert evaluated.load_evaluated_video(work, "r", VIDEO, 3).attention is None


@pytest.mark.parametrize(
    "arrays, message",
    [
        (
            {"scores": SCORES[:3]},
            r"scores \(3, 3\) and attention None; expected \[L', 3\].* L' 4 or 5 for 5 frames",
        ),
        ({"scores": SCORES[:, :2]}, r"scores \(4, 2\)"),
        ({"scores": np.float32(1)}, r"scores \(\)"),
        ({"scores": SCORES, "attention": MAPS[:3]}, r"scores \(4, 3\) and attention \(3, 2, 2\)"),
        ({"scores": SCORES, "attention": MAPS[..., 0]}, r"attention \(4, 2\)"),
        ({"scores": SCORES * np.nan}, "scores are not finite"),
        ({"scores": SCORES, "attention": -MAPS}, "expected finite and not negative"),
        (
            {"scores": SCORES, "attention": MAPS, "foreground": MAPS[:, :1]},
            r"attention \(4, 2, 2\) and foreground \(4, 1, 2\); expected",
        ),
        (
            {"scores": SCORES, "foreground": MAPS},
            r"attention None and foreground \(4, 2, 2\); expected",
        ),
        (
            {"scores": SCORES, "attention": MAPS, "features": MAPS * np.nan},
            "features is float32; expected finite floats that are not negative",
        ),
        (
            {"scores": SCORES, "attention": MAPS, "features": MAPS, "foreground": -MAPS},
            "foreground is float32; expected finite floats that are not negative",
        ),
        (
            {"scores": SCORES, "attention": MAPS, "foreground": MAPS.astype(str)},
            "foreground is <U32; expected finite floats",
        ),
        ({"attention": MAPS}, r"lacks \['scores'\]"),
    ],
)
def test_an_evaluation_of_another_video_is_refused(work, arrays, message):
    files.write_arrays(work.evaluated_video("r", "a/x"), **arrays)
    with pytest.raises(FileError, match=rf"a/x\.npz.*{message}"):
        evaluated.load_evaluated_video(work, "r", VIDEO, 3)


def test_a_missing_pass_names_its_stage(work):
    with pytest.raises(
        FileError, match=r"a/x\.npz is missing; the stage evaluate \(for the test list\) writes it"
    ):
        evaluated.load_evaluated_video(work, "r", VIDEO, 3)


def test_settings_are_those_that_localize_ran_with_last(work):
    with pytest.raises(FileError, match=r"config\.json is missing; the stage train writes it"):
        localize_settings_of_run(work, "r")
    save_config(work.run("r"), change(RunConfig(), localize__sigma=3.0))
    assert localize_settings_of_run(work, "r") == LocalizeConfig(sigma=3.0)
    files.write_json(
        work.run("r") / "map.json",
        {"settings": {"sigma": 7.0, "box": "moments", "of a later day": 1}},
    )
    assert localize_settings_of_run(work, "r") == LocalizeConfig(sigma=7.0, box="moments")
    for wrong, message in (
        ({}, "settings is missing"),
        ({"settings": None}, "settings is null; expected an object"),
        ({"settings": {"box": "round"}}, "settings: localize.box is 'round'; expected one of"),
        ({"settings": {"sigma": -1.0}}, "settings: localize.sigma is -1.0; expected a number from"),
        ({"settings": {"sigma": "3"}}, "settings.sigma is .3.; expected a number"),
        ([], r"the content is \[\]; expected an object"),
    ):
        files.write_json(work.run("r") / "map.json", wrong)
        with pytest.raises(FileError, match=rf"map\.json: {message}"):
            localize_settings_of_run(work, "r")
