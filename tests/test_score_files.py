"""Score files come back the same from every format; what is wrong is named with field and row."""

import csv
import io
import json
import pathlib
import pickle

import numpy as np
import pytest
import scipy.io
from absl import flags
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from videolstm_jax import artifacts
from videolstm_jax.cli.commands import scores as command
from videolstm_jax.errors import ConfigError, FileError
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import import_scores, video_name
from videolstm_jax.types import Dataset, Video

CLASSES = ("Jump", "Run", "Wave")
VIDEOS = ("Jump/a.avi", "Run/b.avi", "Wave/c.avi", "Run/d.avi")
LABEL = (0, 1, 2, 1)
LOGITS = np.random.default_rng(0).normal(0, 3, (4, 3))
SUFFIXES = ("npz", "csv", "json", "mat", "pkl")


def fields(**changes):
    table = {"videos": VIDEOS, "scores": LOGITS, "label": LABEL, "classes": CLASSES}
    table |= changes
    return {name: value for name, value in table.items() if value is not None}


def save_npz(path, table):
    np.savez(path, **{name: np.asarray(value) for name, value in table.items()})


def save_csv(path, table):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["video", "label", *table["classes"]])
    for video, label, row in zip(table["videos"], table["label"], table["scores"], strict=True):
        writer.writerow([video, label, *map(repr, np.asarray(row).tolist())])
    path.write_text(text.getvalue(), encoding="utf-8")


def save_json(path, table):
    path.write_text(json.dumps({name: np.asarray(v).tolist() for name, v in table.items()}))


def save_mat(path, table):
    cells = {}
    for name, value in table.items():
        is_list = name in ("videos", "classes")
        cells[name] = np.array(value, object) if is_list else np.asarray(value)
    scipy.io.savemat(path, cells)


def save_pkl(path, table):
    path.write_bytes(pickle.dumps(dict(table)))


SAVE = {
    "npz": save_npz,
    "csv": save_csv,
    "json": save_json,
    "mat": save_mat,
    "pkl": save_pkl,
}


def saved(folder, suffix, **changes):
    path = folder / f"scores.{suffix}"
    SAVE[suffix](path, fields(**changes))
    return str(path)


def imported(path, **options):
    return import_scores(path, ImportSettings(**options))


def listed(*parts, label=LABEL, videos=VIDEOS, classes=CLASSES):
    rows = []
    for name, number, part in zip(videos, label, parts, strict=True):
        rows.append(Video(video_name(name), name, number, part, "", 9, 8, 8, 25.0))
    return Dataset(classes, tuple(rows))


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
    classes = [name for name in classes if name.lower() not in RESERVED]
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
    assert result.videos == tuple(video_name(name) for name in table["videos"])
    assert result.classes == tuple(table["classes"])
    np.testing.assert_array_equal(result.label, table["label"])
    np.testing.assert_allclose(result.scores, softmax(table["scores"], axis=1), atol=1e-12)
    # What is written is a score file too, of probabilities.
    artifacts.save_scores(tmp_path / "own.npz", result)
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
    assert video_name("C:\\data\\Jump\\a b.AVI") == "Jump/a b"
    assert video_name("./Jump/v_x.1") == "Jump/v_x.1"
    assert video_name("v_x.mp4") == "v_x"


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


# ---- refusals ------------------------------------------------------------------------------------


def changed(row, column, value, table=LOGITS):
    table = np.array(table)
    table[row, column] = value
    return table


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "kind, table, message",
    [
        ("logits", changed(2, 1, np.nan), "has nan; expected finite numbers"),
        ("logits", changed(2, 1, -np.inf), "has -inf; expected finite"),
        ("probabilities", changed(2, 0, 0.5, np.full((4, 3), 1 / 3)), "has the sum 1.16667; exp"),
        ("probabilities", changed(2, 0, -0.5, np.full((4, 3), 1 / 3)), "has -0.5; expected prob"),
        ("log_probabilities", changed(2, 0, 1, np.full((4, 3), -np.log(3))), "has 1; expected lo"),
        ("log_probabilities", changed(2, 0, -9, np.full((4, 3), -np.log(3))), "has the sum of "),
    ],
)
def test_a_row_that_is_not_of_its_kind_is_named(tmp_path, suffix, kind, table, message):
    place = {"csv": r"scores\.csv:4: scores"}.get(suffix, rf"scores\.{suffix}: scores\[2\]")
    expected = rf"{place} \(Wave/c.avi\) {message}"
    # JSON itself has no NaN and no infinity.
    if suffix == "json" and not np.isfinite(table).all():
        expected = r"scores\.json: .*"
    with pytest.raises(FileError, match=expected):
        imported(saved(tmp_path, suffix, scores=table), kind=kind)


def test_certain_log_probabilities_may_be_minus_infinity(tmp_path):
    with np.errstate(divide="ignore"):
        table = np.log(np.eye(3)[list(LABEL)])
    result = imported(saved(tmp_path, "npz", scores=table))
    assert result.kind == "log_probabilities"
    np.testing.assert_array_equal(result.scores.scores, np.eye(3)[list(LABEL)])


def test_probabilities_are_not_taken_for_logits(tmp_path):
    path = saved(tmp_path, "npz", scores=softmax(LOGITS, axis=1))
    with pytest.raises(FileError, match="has the kind logits, and all rows are probabilities"):
        imported(path, kind="logits")


@pytest.mark.parametrize("suffix", ["npz", "mat", "pkl"])
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"scores": LOGITS[:3]}, r"scores is \[3, 3\]; expected \[4, C\]"),
        ({"scores": None}, "scores is missing: no field is a table of 4 videos"),
        ({"names": VIDEOS}, "the fields videos and names mean the same"),
        ({"label": (0, 1, 2)}, "label has 3 values; expected 4"),
        ({"label": (0, 1, 1.5, 1)}, r"label\[2\] is 1.5; expected a class number"),
        ({"classes": ("Jump", "Run", "Jump")}, "classes has Jump twice"),
        ({"classes": ("Jump", "Run")}, "scores has 3 columns, and .* has 2 classes"),
        ({"videos": (*VIDEOS[:3], "data/Run/b.avi")}, r"videos\[3\].* is there twice, first in r"),
        ({"part": "holdout"}, "part is 'holdout' by"),
        ({"kind": "scores"}, "kind is 'scores'; expected one of probabilities, log_prob"),
        (
            {"videos": ("Jump/a\n", *VIDEOS[1:])},
            r"videos\[0\] is .*; expected no control",
        ),
        ({"videos": "abcd"}, r"videos is .*; expected a list|expected \[1, C\]"),
    ],
)
def test_fields_that_do_not_fit_are_named(tmp_path, suffix, changes, message):
    path = saved(tmp_path, suffix, **changes)
    with pytest.raises(FileError, match=message) as error:
        imported(path, kind="" if "kind" in changes else "logits")
    assert str(error.value).startswith(path) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", ": is empty"),
        ("a;b\n", ":1: columns"),
        ("video,label\nJump/a,0\n", ":1: columns"),
        ("video,Jump,Jump\n", ":1: the column Jump is there twice"),
        ("video,Jump,\n", ':1: column 3 is ""; expected the name of a class'),
        ("video,name,Jump\n", ":1: the column name is there twice"),
        ("video,Jump,Run\na,1\n", ":2: 2 fields; expected 3"),
        ("video,Jump,Run\n\n\na,1,x\n", ":4: Run is 'x'; expected a number"),
        ("video,Jump,Run\na,1,1_0\n", ":2: Run is '1_0'; expected a number"),
        ("video,Jump,Run\n,1,2\n", ':2: video is "";'),
        ("video,label,Jump,Run\na,Sit,1,2\n", ":2: label is 'Sit'; expected a class"),
        ("video,part,Jump,Run\na,test,1,2\nb,valid,1,2\n", ":3: part is 'valid'; expected one"),
        ("video,Jump,Run\na\tb,1,2\n", r':2: video is "a.*b"; expected a name'),
        ('video,Jump,Run\n"a,1,2\n', ":2: unexpected end"),
    ],
)
def test_a_table_with_a_mistake_is_named_by_line(tmp_path, text, message):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(FileError, match=f"a.csv{message}"):
        imported(str(path), kind="logits", classes=())


@pytest.mark.parametrize(
    "content, message",
    [
        ("[]", "the content is a list; expected an object"),
        ("{}", "videos is missing"),
        ('{"videos": ["a"], "scores": [[1, "2"]]}', r'scores\[0\]\[1\] is "2"; expected a number'),
        ('{"videos": ["a"], "scores": [[1, 2]], "score": 1}', "score is an unknown field"),
        ('{"videos": ["a"]}', "expected one of the fields scores and streams"),
        (
            '{"videos": ["a", "b"], "scores": [[1, 2], [1]]}',
            r"scores\[1\] has 1 values; expected 2",
        ),
        ('{"a": [1, 2], "b": [1]}', r"b is \[1\]; expected one row of scores"),
        ('{"a": {"x": 1}, "b": {"y": 1}}', "b has other classes than the first.*differ in x, y"),
        ('{"a": [1, NaN]}', "not JSON|finite"),
        ('{"a\\n": [1, 2]}', r"videos\[0\] is .*; expected no control characters"),
        ('{"a": 3}', r"a is 3; expected a list"),
    ],
)
def test_json_with_a_mistake_is_named_by_field(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(FileError, match=message):
        imported(str(path), kind="logits")


class _Trap:
    def __reduce__(self):
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path, capsys):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"videos": ["a"], "scores": _Trap()}))
    with pytest.raises(FileError, match=r"a.pkl: asks for builtins.print"):
        imported(str(path))
    np.savez(tmp_path / "b.npz", videos=np.array([_Trap()], object), scores=LOGITS)
    with pytest.raises(FileError, match=r"b.npz: cannot be read as arrays without pickles"):
        imported(str(tmp_path / "b.npz"))
    assert not capsys.readouterr().out


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.sampled_from([np.zeros((2, 2)), np.array(["a", "b"]), np.array(3), np.array([1, 0])]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["videos", "scores", "label", "classes", "part", "kind", "trained", "x", "streams"]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(FIELDS, PLAIN, max_size=5), st.booleans(), st.sampled_from(["pkl", "json"]))
def test_any_value_of_a_field_is_read_or_refused(tmp_path, changes, complete, suffix):
    table = {"videos": ["a", "b"], "scores": [[1, 2], [3, 4]], "classes": ["x", "y"]}
    table = table | changes if complete else changes
    path = tmp_path / f"a.{suffix}"
    if suffix == "pkl":
        path.write_bytes(pickle.dumps(table))
    else:
        path.write_text(json.dumps(table, default=str))
    try:
        imported(str(path), kind="logits")
    except (FileError, ConfigError) as error:
        assert f"a.{suffix}" in str(error)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(SUFFIXES), st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 3))
def test_a_changed_byte_is_read_or_refused(tmp_path, suffix, place, byte, cut):
    data = bytearray(pathlib.Path(saved(tmp_path, suffix)).read_bytes())
    data[place % len(data)] = byte
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(bytes(data[: len(data) - cut]))
    try:
        imported(str(path), kind="logits")
    except (FileError, ConfigError) as error:
        assert f"a.{suffix}" in str(error)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_and_missing_files_are_named(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(FileError, match=rf"a.{suffix} is missing"):
        imported(str(path))
    whole = pathlib.Path(saved(tmp_path, suffix)).read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"\xff\xfe\x00junk"):
        path.write_bytes(content)
        with pytest.raises((FileError, ConfigError), match=rf"a.{suffix}"):
            imported(str(path))


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"suffix is '.h5'; expected one of .npz, .json"):
        imported(str(tmp_path / "a.h5"))
    with pytest.raises(FileError, match="leave out --stream"):
        imported(saved(tmp_path, "csv"), stream="rgb")


# ---- the command ---------------------------------------------------------------------------------


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
    scores = artifacts.load_scores(target)
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
