"""Whatever a file of a stranger holds, its reader ends with a result or one error that names it."""

import json
import pickle
import re

import numpy as np
import pytest
from file_encodings import npz_bytes
from foreign_files import FOREIGN_FILES
from hostile_edits import examples
from hypothesis import given, settings

BY_NAME = {file.name: file for file in FOREIGN_FILES}
# The recorded run tries 20,000 of each, see benchmarks/parsers.py.
EXAMPLES = 30


@pytest.mark.filterwarnings("ignore::videolstm_jax.dataset.lists.list_files.ListWarning")
@pytest.mark.parametrize("name", BY_NAME)
def test_any_file_is_read_or_refused_by_name(name, tmp_path):
    file = BY_NAME[name]
    file.prepare(tmp_path)
    for number in range(len(file.valid)):
        outcome = file.outcome(tmp_path, file.content(number))
        assert not outcome.problem and not outcome.message

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(examples(file.ways))
    def run(example):
        content = file.changed(example)
        if content is not None:
            assert not file.outcome(tmp_path, content).problem

    run()


def _scores_without_a_list():
    names = {"videos": np.array("a"), "classes": np.array(["a", "b"])}
    return npz_bytes({**names, "scores": np.zeros((1, 2)), "label": np.zeros(1, int)})


def _act(**changed):
    (annotations,) = BY_NAME["ACT annotations .pkl"].valid
    return pickle.dumps({**annotations, **changed})


def _without_bytes():
    content = BY_NAME["weights .pth, zip"].content(0)
    # The table at the end then points before the start.
    return content[:8] + content[16:]


def _flow_index(**changed):
    (index,) = BY_NAME["flow/index.json"].valid
    return json.dumps({**index, **changed}).encode()


_BIKING = "Biking/v_Biking_g01_c01"
FAULTS = [
    ("scores.npz of a run", _scores_without_a_list(), r"videos is <U1 \[\]; expected a list"),
    ("ACT annotations .pkl", _act(resolution={_BIKING: (10**400, 9)}), "ValueError: .* pixels"),
    ("ACT annotations .pkl", _act(gttubes={_BIKING: {1: [[[1, 2], [3]]]}}), "is a list; expected"),
    ("config.json", b'{"layout": 2, "config": {"data": []}}', "config.data is .*expected an obj"),
    ("config.json", b'{"layout": 2, "attends": "no"}', 'attends is "no"; expected true or false'),
    ("train_boxes.json", b'{"a": [1, [2], 3, 4]}', r"a\[1\] is \[2\]; expected a number"),
    ("train_boxes.json", b"null", "is null; expected an object"),
    ("flow/index.json", b"[]", "the content is a list; expected an object"),
    ("flow/index.json", _flow_index(source=3), "source is 3; expected an object"),
    ("flow/index.json", _flow_index(bound=float("nan")), "bound is .*expected a finite number"),
    ("flow/index.json", _flow_index(image="eps"), "expected one of 'jpeg' or 'png'"),
    ("feature list train_labels.txt", b"0\n\xff\n", "line 2 has the byte 0xff"),
    ("weights .pth, zip", _without_bytes(), "cannot be read as tensors"),
    ("labels.csv", b"path,label\nArchery/v_Archery_g01_c01.avi,A\n", "videos: only one class, A"),
    ("index.json of a store", b'{"about": [], "shape": [2], "dtype": "float16"}', "about is "),
]


@pytest.mark.parametrize("name, content, message", FAULTS)
def test_faults_that_were_found(name, content, message, tmp_path):
    file = BY_NAME[name]
    file.prepare(tmp_path)
    outcome = file.outcome(tmp_path, content)
    assert not outcome.problem
    assert re.search(message, outcome.message), outcome.message


@pytest.mark.parametrize("name", ["notes of a store", "lock"])
@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b"3", b'{"name": []}'])
def test_a_line_that_a_killed_worker_left_is_passed_over(name, content, tmp_path):
    file = BY_NAME[name]
    file.prepare(tmp_path)
    assert file.outcome(tmp_path, content) == ("", "")
