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
