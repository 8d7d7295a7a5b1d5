"""As test_foreign_files.py, for files whose readers are slow: runs, bundles and videos."""

import pytest
from foreign_models import slow_files
from hostile_edits import example_of

pytestmark = pytest.mark.slow
EXAMPLES = 60


def test_any_model_or_video_is_read_or_refused_by_name(tmp_path):
    for file in slow_files(tmp_path / "made"):
        folder = tmp_path / file.path.replace("/", "-")
        folder.mkdir()
        file.prepare(folder)
        assert file.outcome(folder, file.content(0)) == ("", "")
        for number in range(EXAMPLES):
            content = file.changed(example_of(number, file.ways))
            if content is not None:
                problem = file.outcome(folder, content).problem
                assert not problem, (file.name, number)


def test_channels_that_no_stream_has_and_an_unknown_cell_are_named_with_their_file(tmp_path):
    file, backbone, *_ = slow_files(tmp_path / "made")
    backbone.prepare(tmp_path)
    content = backbone.content(0).replace(b'"channels": 3', b'"channels": 9')
    outcome = backbone.outcome(tmp_path, content)
    assert not outcome.problem and "config.json: channels is 9; expected" in outcome.message
    file.prepare(tmp_path)
    content = file.content(0).replace(b'"cell": "videolstm"', b'"cell": "video"')
    outcome = file.outcome(tmp_path, content)
    assert not outcome.problem and "config.json: there is no cell 'video'" in outcome.message
