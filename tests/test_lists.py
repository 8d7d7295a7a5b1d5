"""Lists of every form, sound and damaged; the official ones are read in test_splits."""

import pytest
from etils import epath

from videolstm_jax.dataset.lists import list_files
from videolstm_jax.dataset.lists.labels_csv import read_labels_csv
from videolstm_jax.dataset.lists.list_files import ListRow
from videolstm_jax.errors import FileError


def test_lists_are_read_with_either_spelling_slash_and_ending(tmp_path):
    (tmp_path / "l.txt").write_bytes(b"\xef\xbb\xbfA/x y.avi 2\r\n\r\n./B\\z.MP4\nUCF/A/w.v2  1 \n")
    assert list_files.read_video_list(epath.Path(tmp_path / "l.txt")) == [
        ListRow("A/x y", 2, f"{tmp_path}/l.txt:1"),
        ListRow("B/z", None, f"{tmp_path}/l.txt:3"),
        ListRow("A/w.v2", 1, f"{tmp_path}/l.txt:4"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classInd.txt", "1 A\n3 B", r":2: '3 B'; expected class 2"),
        ("classInd.txt", "1 A\n2 A", ":2: class A is there twice"),
        ("classInd.txt", "\n", "names no class"),
        ("trainlist01.txt", "A/x.avi 1\nA/x.mp4 1", r":2: A/x is listed twice, first at .*:1"),
        ("trainlist01.txt", "x.avi 1", 'expected "Class/file"'),
        ("trainlist01.txt", "", "lists no video"),
        ("labels.csv", "path,name\na.mp4,A", "lacks \\['label'\\]"),
        ("labels.csv", "path,label\na.mp4,", "path 'a.mp4', label ''"),
        (
            "labels.csv",
            "path,label,part\na.mp4,A,dev",
            ":2: part 'dev'; expected one of test, train, unused, valid",
        ),
        (
            "labels.csv",
            "path,label,part\na.mp4,A,test\nb.mp4,A,",
            ":3: no part; expected one in every line, or in none",
        ),
        ("labels.csv", "path,label\na.mp4,A\na.mp4,B", ":3: a.mp4 is listed twice, first at .*:2"),
        ("labels.csv", "path,label\n", "lists no video"),
        ("labels.csv", "", "columns \\[\\]"),
        (
            "labels.csv",
            'path,label\na.mp4,A\nb.mp4,"' + 140_000 * "x",
            ":3: field larger than field limit",
        ),
        ("labels.csv", 140_000 * "x", ":1: field larger than field limit"),
        (
            "labels.csv",
            "path,label,group\na.mp4,A,p1\nb.mp4,walk, slowly,p2",
            ':3: 4 fields, but 3 columns; .* needs quotes, such as "walk, slowly"',
        ),
        ("labels.csv", "path,label,\na.mp4,walk, slowly", ":2: 3 fields, but 2 columns"),
        ("labels.csv", "path,label\na.mp4,A\nb.mp4", ":3: path 'b.mp4', label ''; expected both"),
        ("labels.csv", "path,label,Label\na.mp4,A,B", ":1: the column label is there twice"),
        ("labels.csv", "path\tlabel\na.mp4\tA", ":1: .* separated by tabs; use commas"),
        ("labels.csv", '"Path";"Label"\na.mp4;A', ":1: .* separated by semicolons; use commas"),
        ("labels.csv", "path;label;note,more\na.mp4;A;x", "separated by semicolons; use commas"),
        ("labels.csv", "path,label\na.mp4,..", ":2: label '..': it begins with a dot"),
        ("labels.csv", "path,label\na.mp4,.", "begins with a dot"),
        ("labels.csv", "path,label\na.mp4,a/b", "label 'a/b': it has a slash"),
        ("labels.csv", "path,label\na.mp4,a\\b", "it has a slash"),
        ("labels.csv", "path,label\na.mp4,a\0b", r":2: .*'a\\x00b'.* cannot be printed"),
        ("labels.csv", "path,label\na.mp4,\x1b[31mred", "cannot be printed"),
        ("labels.csv", "path,label\na.mp4," + 300 * "x", "xx..': it has 300 bytes"),
        ("labels.csv", "path,label\na.mp4," + 90 * "\u6f22", "it has 270 bytes"),
        ("labels.csv", "path,label\na.mp4,Index.json", "a file of the work folder has this name"),
        ("labels.csv", "path,label\na.mp4,settings.json", "a file of the work folder"),
        ("labels.csv", "path,label\n/etc/passwd,A", ":2: path '/etc/passwd' leads out of"),
        ("labels.csv", "path,label\n../a.mp4,A", "leads out of"),
        ("labels.csv", "path,label\nx/../../a.mp4,A", "leads out of"),
        ("labels.csv", "path,label\n..,A", "leads out of"),
        ("labels.csv", "path,label\nx\\..\\..\\a.mp4,A", "leads out of"),
        ("labels.csv", "path,label\nC:\\a.mp4,A", "leads out of"),
        ("labels.csv", "path,label\nhttp://x/a.mp4,A", "leads out of"),
        ("labels.csv", "path,label\nx\0.mp4,A", r":2: path 'x\\x00.mp4' has a NUL"),
        ("labels.csv", "path,label\n~/a.mp4,A", ":2: path '~/a.mp4' leads out of"),
        ("labels.csv", 'path,label\na.mp4,A\nb.mp4,"B\nc.mp4,C\n', ":3: a quote is not closed"),
        ("labels.csv", 'path,label,note\na.mp4,A,"x\nb.mp4,B,"y"\n', ":2: ',' expected after"),
        ("labels.csv", "path,label\na.mp4,walk\nb.mp4,Walk", ":3: label 'Walk' is 'walk' at .*:2;"),
        ("labels.csv", "path,label,part,split\n", ":1: the columns part and split mean the same"),
        ("labels.csv", "path,label,group,source_video\n", "group and source_video mean the same"),
        ("labels.csv", "path,label,part\na.mp4,A,x", ":2: part 'x'; expected one of .* or val"),
        ("labels.csv", "path,label\nx/a.mp4,A\nx//./a.mp4,B", "x/a.mp4 is listed twice, first"),
    ],
)
def test_damaged_lists_are_named(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    read = {"c": list_files.read_class_list, "t": list_files.read_video_list, "l": read_labels_csv}[
        name[0]
    ]
    with pytest.raises(FileError, match=message):
        read(epath.Path(tmp_path / name))


def test_tables_of_other_programs_are_read(tmp_path):
    lines = [
        "\ufeff Path , LABEL,Split,,",
        "",
        "x\\a.mp4,A,Train,,",
        " , ,,,",
        '"./b, c.mp4","walk, slowly",VAL',
        f"{tmp_path}/d.mp4,A,test,,",
        "   ",
    ]
    (tmp_path / "labels.csv").write_text("\r\n".join(lines), "utf-8")
    rows = read_labels_csv(epath.Path(tmp_path / "labels.csv"))
    assert [row[:4] for row in rows] == [
        ("x/a.mp4", "A", "", "train"),
        ("b, c.mp4", "walk, slowly", "", "valid"),
        ("d.mp4", "A", "", "test"),
    ]
    assert [row.where.rsplit(":")[-1] for row in rows] == ["3", "5", "6"]


def test_damaged_hmdb51_lists_are_named(tmp_path):
    (tmp_path / "wave_test_split1.txt").write_text("a b.avi 1 \nc.avi 2\nd.avi 0\n")
    assert list_files.read_split_list(epath.Path(tmp_path), 1) == (
        [ListRow("wave/a b", None, f"{tmp_path}/wave_test_split1.txt:1")],
        [ListRow("wave/c", None, f"{tmp_path}/wave_test_split1.txt:2")],
    )
    with pytest.raises(FileError, match=r"lacks trainlist02\.txt .*it has wave_test_split1"):
        list_files.read_split_list(epath.Path(tmp_path), 2)
    (tmp_path / "wave_test_split1.txt").write_text("a.avi 3\n")
    with pytest.raises(FileError, match=r":1: 'a\.avi 3'; expected .*0, 1 or 2"):
        list_files.read_split_list(epath.Path(tmp_path), 1)


def test_text_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "classInd.txt").write_bytes(b"1 \xff\xfe")
    with pytest.raises(FileError, match=r"classInd\.txt: not UTF-8"):
        list_files.read_class_list(epath.Path(tmp_path / "classInd.txt"))


@pytest.mark.parametrize(
    "read", [list_files.read_class_list, list_files.read_video_list, read_labels_csv]
)
def test_lists_that_are_not_there_are_named(tmp_path, read):
    for path in (tmp_path / "list.txt", tmp_path):
        with pytest.raises(FileError, match=f"{path} is missing; expected a list"):
            read(epath.Path(path))


def test_a_split_without_lists_is_named(tmp_path):
    assert list_files.read_split_list(epath.Path(tmp_path), 1) is None
    (tmp_path / "trainlist01.txt").touch()
    with pytest.raises(FileError, match=r"lacks testlist01\.txt; it has trainlist01\.txt"):
        list_files.read_split_list(epath.Path(tmp_path), 1)
    with pytest.raises(FileError, match=r"lacks trainlist04\.txt and testlist04\.txt"):
        list_files.read_split_list(epath.Path(tmp_path), 4)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_in_utf_16_is_told_from_damage(tmp_path, encoding):
    path = epath.Path(tmp_path / "labels.csv")
    path.write_bytes("path,label\na.mp4,A\n".encode(encoding))
    with pytest.raises(FileError, match=r"labels\.csv:1: the text is UTF-16; save it as UTF-8"):
        read_labels_csv(path)


def test_text_that_is_not_utf_8_is_named_by_its_line(tmp_path):
    path = epath.Path(tmp_path / "labels.csv")
    path.write_bytes("path,label\na.mp4,A\nb.mp4,\xe9t\xe9\n".encode("latin-1"))
    with pytest.raises(FileError, match=r"labels\.csv: not UTF-8 text: line 3 has the byte 0xe9"):
        read_labels_csv(path)


def test_row_numbers_blanks_behind_commas_and_absolute_paths_are_read(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    lines = [
        ",path,label",
        f'0,{tmp_path}/link/a.mp4, "walk, slowly"',
        f"1,{tmp_path}/real/b.mp4,run",
    ]
    (tmp_path / "real" / "labels.csv").write_text("\n".join(lines))
    rows = read_labels_csv(epath.Path(tmp_path / "link" / "labels.csv"))
    assert [(row.path, row.label) for row in rows] == [
        ("a.mp4", "walk, slowly"),
        ("b.mp4", "run"),
    ]
