"""What is wrong in a score file is named with its field and row; nothing in it is executed."""

import json
import pathlib
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scores_to_import import LABEL, LOGITS, SUFFIXES, VIDEOS, imported, saved

from videolstm_jax.errors import ConfigError, FileError


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
