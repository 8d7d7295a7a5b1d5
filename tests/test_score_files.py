"""Score files come back the same from every format, with the classes and labels that they have."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scores_to_import import CLASSES, LABEL, LOGITS, SAVE, SUFFIXES, VIDEOS, imported, listed, saved

from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.score_files.importing import scored_video_name
from videolstm_jax.workdir.scores_npz import save_scores

# ---- formats -------------------------------------------------------------------------------------

# Names as data sets have them: letters of any alphabet, spaces, brackets, commas and quotes. Spaces
# at the ends are no part of a name in a table.
NAME = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"), exclude_characters="/\\"),
    min_size=1,
    max_size=12,
).filter(lambda text: text.strip(" .") == text and text.isprintable())
RESERVED = {"video", "videos", "name", "names", "label", "labels", "part"}


@st.composite
def score_tables(draw):
    classes = draw(st.lists(NAME, min_size=2, max_size=4, unique=True))
    # The label 0 of a table is the class "0" where there is one, and not the first class.
    classes = [
        name for name in classes if name.lower() not in RESERVED and not name.strip().isdigit()
    ]
    if len(classes) < 2:
        classes = ["Jump", "Run"]
    stems = draw(st.lists(NAME, min_size=1, max_size=5, unique=True))
    label = [draw(st.integers(0, len(classes) - 1)) for _ in stems]
    rows = st.lists(
        st.floats(-30, 30, allow_subnormal=False), min_size=len(classes), max_size=len(classes)
    )
    scores = np.array([draw(rows) for _ in stems])
    videos = [f"{classes[k]}/v{stem}.avi" for k, stem in zip(label, stems, strict=True)]
    return {"videos": videos, "scores": scores, "label": label, "classes": classes}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(score_tables(), st.sampled_from(SUFFIXES))
def test_every_format_comes_back_the_same(tmp_path, table, suffix):
    # Probabilities by chance would be refused as logits.
    table["scores"] = table["scores"] + 2.0
    path = tmp_path / f"scores.{suffix}"
    SAVE[suffix](path, table)
    result = imported(str(path), kind="logits").scores
    assert result.videos == tuple(scored_video_name(name) for name in table["videos"])
    assert result.classes == tuple(table["classes"])
    np.testing.assert_array_equal(result.label, table["label"])
    np.testing.assert_allclose(result.scores, softmax(table["scores"], axis=1), atol=1e-12)
    # What is written is a score file too, of probabilities.
    save_scores(tmp_path / "own.npz", result)
    again = imported(str(tmp_path / "own.npz"))
    assert again.kind == "probabilities" and again.scores.videos == result.videos
    np.testing.assert_array_equal(again.scores.scores, result.scores.astype(np.float32))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_kinds_give_the_same_probabilities(tmp_path, suffix):
    expected = softmax(LOGITS, axis=1)
    tables = {
        "logits": LOGITS,
        "probabilities": expected,
        "log_probabilities": log_softmax(LOGITS, axis=1),
    }
    for kind, table in tables.items():
        path = saved(tmp_path, suffix, scores=table)
        np.testing.assert_allclose(imported(path, kind=kind).scores.scores, expected, atol=1e-12)
        if kind == "logits":
            with pytest.raises(ConfigError, match=r"the kind of scores is unknown.*--kind"):
                imported(path)
        else:
            assert imported(path).kind == kind


@pytest.mark.parametrize("suffix", ["npz", "json", "mat", "pkl"])
def test_a_file_may_name_its_kind_and_its_list(tmp_path, suffix):
    path = saved(tmp_path, suffix, kind="logits", part="valid")
    result = imported(path)
    assert result.kind == "logits" and result.scores.part == "valid"
    with pytest.raises(FileError, match="kind is logits; --kind is log_probabilities"):
        imported(path, kind="log_probabilities")
    with pytest.raises(FileError, match="part is test by --part, and valid by"):
        imported(path, part="test")


def test_a_field_called_logits_names_its_kind(tmp_path):
    path = saved(tmp_path, "npz", scores=None, logits=LOGITS)
    assert imported(path).kind == "logits"


def test_one_of_several_streams_is_chosen(tmp_path):
    for suffix in ("npz", "mat", "pkl"):
        path = saved(tmp_path, suffix, scores=None, rgb=LOGITS, flow=-LOGITS)
        with pytest.raises(FileError, match=r"has the scores flow, rgb; choose one with --stream"):
            imported(path, kind="logits")
        flow = imported(path, kind="logits", stream="flow").scores
        np.testing.assert_allclose(flow.scores, softmax(-LOGITS, axis=1), atol=1e-12)
    path = tmp_path / "streams.json"
    streams = {"rgb": LOGITS.tolist(), "flow": (-LOGITS).tolist()}
    path.write_text(json.dumps({"videos": VIDEOS, "streams": streams, "label": LABEL}))
    flow = imported(str(path), kind="logits", stream="flow", classes=CLASSES).scores
    np.testing.assert_allclose(flow.scores, softmax(-LOGITS, axis=1), atol=1e-12)
    with pytest.raises(FileError, match="has no scores 'depth'; it has flow, rgb"):
        imported(str(path), stream="depth")


@pytest.mark.parametrize("suffix", ["json", "pkl"])
def test_a_row_for_each_video(tmp_path, suffix):
    table = dict(zip(VIDEOS, LOGITS.tolist(), strict=True))
    by_class = {}
    for video, row in table.items():
        by_class[video] = dict(zip(CLASSES, row, strict=True))
    for rows, classes in ((table, CLASSES), (by_class, ())):
        path = tmp_path / f"rows.{suffix}"
        path.write_bytes(json.dumps(rows).encode() if suffix == "json" else pickle.dumps(rows))
        result = imported(str(path), kind="logits", classes=classes).scores
        assert result.classes == CLASSES and result.label.tolist() == list(LABEL)
        np.testing.assert_allclose(result.scores, softmax(LOGITS, axis=1), atol=1e-12)


def test_names_are_those_of_the_lists():
    assert scored_video_name("C:\\data\\Jump\\a b.AVI") == "Jump/a b"
    assert scored_video_name("./Jump/v_x.1") == "Jump/v_x.1"
    assert scored_video_name("v_x.mp4") == "v_x"


# ---- classes and labels --------------------------------------------------------------------------


def test_classes_may_be_the_folders(tmp_path):
    result = imported(saved(tmp_path, "npz", classes=None, label=(2, 0, 1, 0)), kind="logits")
    assert result.scores.classes == ("Run", "Wave", "Jump")
    assert result.notes == ("the 3 classes are the folders of the videos",)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"label": (0, 1, 1, 1)}, "class 1 has the folders 'Run' and 'Wave'"),
        ({"scores": np.zeros((4, 4))}, "class 3 has no video"),
        ({"label": None}, "it has no labels either"),
        ({"label": ("Jump", "Run", "Wave", "Run")}, r"label\[0\].*'Jump', whose place is unknown"),
        ({"videos": ("a", "b", "c", "d")}, "class 0 has the folders"),
    ],
)
def test_classes_that_nothing_names_are_required(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=f"classes is missing, and .*{message}.*--classes"):
        imported(saved(tmp_path, "npz", classes=None, **changes), kind="logits")


def test_labels_may_be_names_or_count_from_1(tmp_path):
    names = tuple(CLASSES[number] for number in LABEL)
    for suffix in SUFFIXES:
        if suffix != "mat":
            result = imported(saved(tmp_path, suffix, label=names), kind="logits")
            assert result.scores.label.tolist() == list(LABEL)
        path = saved(tmp_path, suffix, label=tuple(number + 1 for number in LABEL))
        result = imported(path, kind="logits", first_label=1)
        assert result.scores.label.tolist() == list(LABEL)
        # Without the setting, the folder of the first video says that the label is another.
        with pytest.raises(
            FileError, match=r"label.*Jump/a.* is Run by label, and Jump by its fol"
        ):
            imported(path, kind="logits")
    path = saved(tmp_path, "npz", videos=("a", "b", "c", "d"), label=(3, 1, 2, 1))
    with pytest.raises(FileError, match=r"label\[0\] \(a\) is 3; expected 0 to 2; give --first_l"):
        imported(path, kind="logits")


def test_a_data_set_completes_and_checks(tmp_path):
    dataset = listed("valid", "valid", "valid", "valid")
    path = saved(tmp_path, "npz", label=None, classes=None)
    result = imported(path, kind="logits", dataset=dataset).scores
    assert result.part == "valid" and result.label.tolist() == list(LABEL)
    assert result.classes == CLASSES


@pytest.mark.parametrize(
    "dataset, changes, message",
    [
        (listed(*["test"] * 4), {"videos": (*VIDEOS[:3], "Run/new")}, r"Run/new\) is not in the"),
        (listed("test", "test", "valid", "test"), {}, "is of the valid list, the first of the tes"),
        (
            listed(*["test"] * 5, videos=(*VIDEOS, "Run/e"), label=(*LABEL, 1)),
            {},
            "lacks 1 of the 5 videos of the test list; lacks Run/e",
        ),
        (listed(*["test"] * 4, classes=("Run", "Jump", "Wave")), {}, "class 0 is Run; expected J"),
        (listed(*["test"] * 4, label=(0, 1, 2, 2)), {}, "is Run by label, and Wave by the data se"),
        (listed(*["test"] * 4), {"part": "valid"}, "part is valid by .*and test by the data set"),
    ],
)
def test_what_contradicts_the_data_set(tmp_path, dataset, changes, message):
    with pytest.raises(FileError, match=message):
        imported(saved(tmp_path, "npz", **changes), kind="logits", dataset=dataset)
