"""THUMOS13's ViPER files: spans from 1, marked actions, boxes outside the frame, damage."""

import pytest

from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.errors import FileError

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<viper xmlns="http://lamp.cfar.umd.edu/viper#" '
    'xmlns:data="http://lamp.cfar.umd.edu/viperdata#"><config/><data>'
)
ABOUT = (
    '<file id="0" name="Information">'
    '<attribute name="SOURCETYPE"><data:lvalue value="SEQUENCE"/></attribute>'
    '<attribute name="NUMFRAMES"><data:dvalue value="{}"/></attribute>'
    '<attribute name="H-FRAME-SIZE"><data:dvalue value="320"/></attribute>'
    '<attribute name="V-FRAME-SIZE"><data:dvalue value="240"/></attribute></file>'
)


def box(span, x=10, y=20, width=30, height=40):
    return f'<data:bbox framespan="{span}" height="{height}" width="{width}" x="{x}" y="{y}"/>'


def person(
    span,
    *boxes,
    action='<attribute name="Biking"><data:bvalue value="true"/></attribute>',
    name="PERSON",
):
    location = f'<attribute name="Location">{"".join(boxes)}</attribute>'
    return f'<object framespan="{span}" id="0" name="{name}">{location}{action}</object>'


def flags(*spans, name="Biking"):
    return (
        f'<attribute name="{name}">'
        + "".join(f'<data:bvalue framespan="{span}" value="{value}"/>' for span, value in spans)
        + "</attribute>"
    )


def document(*objects, frames=50, file="v_Biking_g01_c01.mpg", before=""):
    about = ABOUT.format(frames)
    source = f'<sourcefile filename="/x/{file}">{about}{"".join(objects)}</sourcefile>'
    return f"{HEAD}{before}{source}</data></viper>"


@pytest.fixture
def read(tmp_path):
    def inner(text, name="Biking/v_Biking_g01_c01.xgtf", folder=False):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_truth(tmp_path if folder else path)

    return inner


def spans(annotated):
    return [
        (detection.tube.start, detection.tube.start + len(detection.tube.boxes))
        for detection in annotated.tubes
    ]


def test_one_person(read):
    ground_truth = read(document(person("3:6", box("3:4"), box("5:6", x=11.5))))
    (detection,) = ground_truth.tubes
    assert (detection.video, ground_truth.classes[detection.label], detection.tube.start) == (
        "Biking/v_Biking_g01_c01",
        "Biking",
        2,
    )
    assert detection.tube.boxes.tolist() == [[10, 20, 40, 60]] * 2 + [[11.5, 20, 41.5, 60]] * 2
    assert (
        ground_truth.frames == {detection.video: 50}
        and ground_truth.sizes == {detection.video: (320, 240)}
        and ground_truth.notes == ()
    )


def test_only_marked_frames_of_marked_people(read):
    walker = person("1:50", box("1:50"), action=flags(("1:50", "false")))
    rider = person(
        "1:40", box("1:40"), action=flags(("1:9", "false"), ("10:19", "true"), ("30:34", "true"))
    )
    assert spans(read(document(walker, rider))) == [(9, 19), (29, 34)]
    assert spans(read(document(walker))) == [(0, 50)]  # where nobody is marked, everybody acts
    assert spans(read(document(person("1:9", box("1:9"), action="")))) == [(0, 9)]


def test_a_gap_makes_two_tubes_and_other_objects_none(read):
    gap = person("5:12", box("5:6"), box("9:20"))
    assert spans(read(document(gap, person("1:9", box("1:9"), name="CAR")))) == [(4, 6), (8, 12)]
    assert spans(read(document(person("2:3 7:8", box("1:50"))))) == [(1, 3), (6, 8)]


def test_actions_of_the_older_set(read):
    old = flags(("2:3", "true"), name="walking")
    ground_truth = read(
        document(person("1:9", box("1:9"), action=old)),
        "WalkingWithDog/v_WalkingWithDog_g01_c01.xgtf",
    )
    assert (
        spans(ground_truth) == [(1, 3)]
        and ground_truth.classes[ground_truth.tubes[0].label] == "WalkingWithDog"
    )


def test_boxes_are_clipped_and_counted(read):
    ground_truth = read(
        document(
            person(
                "1:9",
                box("1:2", x=-5),
                box("3:4", x=300, y=220),
                box("5:6", x=400),
                box("7:8", width=0),
                box("9:70"),
            ),
            frames=20,
        )
    )
    assert spans(ground_truth) == [(0, 4), (8, 9)]
    assert ground_truth.tubes[0].tube.boxes[[0, 2]].tolist() == [
        [0, 20, 25, 60],
        [300, 220, 320, 240],
    ]
    assert ground_truth.notes == (
        "2 boxes clipped to the frame",
        "2 boxes outside the frame left out",
        "1 spans of boxes cut at the video's last frame",
    )


def test_the_source_that_is_this_video(read):
    other = (
        f'<sourcefile filename="old.avi">{ABOUT.format(9)}{person("1:9", box("1:9"))}</sourcefile>'
    )
    assert spans(read(document(person("3:4", box("3:4")), before=other))) == [(2, 4)]
    empty = '<sourcefile filename="x/v_Biking_g01_c01.avi"/>'
    assert spans(read(document(person("3:4", box("3:4")), file="renamed.mpg", before=empty))) == [
        (2, 4)
    ]


def test_a_folder_and_the_name_that_is_spelled_otherwise(read):
    read(document(person("1:2", box("1:2"))))
    ground_truth = read(
        document(person("1:3", box("1:3"))), "RopeClimbing/v_RopeClimbing_g02_C01.xgtf", folder=True
    )
    assert [detection.video for detection in ground_truth.tubes] == [
        "Biking/v_Biking_g01_c01",
        "RopeClimbing/v_RopeClimbing_g02_c01",
    ]


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE viper [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">'
    '<!ENTITY c SYSTEM "file:///etc/passwd">]><viper>&b;&c;</viper>'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (document(person("1:2", box("1:2")))[:-30], "unclosed token"),
        ("", "no element found"),
        ("not xml", "syntax error"),
        (LAUGHS, "declares the document type viper"),
        (
            LAUGHS.replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
            "declares the document type viper",
        ),
        ("<viper/>", "holds no sourcefile"),
        (document().replace("UTF-8", "nonsense"), "unknown encoding: nonsense"),
        (document().replace("UTF-8", "shift_jis"), "multi-byte encodings are not supported"),
        (document(person("a:b", box("1:2"))), "invalid literal"),
        (document(person("0:4", box("1:2"))), "expected first:last, from 1 on"),
        (document(person("5:4", box("1:2"))), "expected first:last"),
        (document(person("1:2", box("1:2", x="left"))), "could not convert"),
        (document(person("1:2", box("1:2", x="nan"))), "expected finite numbers"),
        (document(person("1:2", '<data:bbox framespan="1:2" x="1"/>')), "'y'"),
        (document(person("1:2", box("1:2")), frames=10**12), "NUMFRAMES is 1000000000000"),
    ],
)
def test_refused_by_name(read, text, message):
    with pytest.raises(
        FileError, match=rf"v_Biking_g01_c01\.xgtf: not a whole ViPER file: .*({message})"
    ):
        read(text)


def test_spans_to_no_end_take_no_memory(read):
    text = document(person("1:999999999999", box("1:999999999999")))
    assert spans(read(text)) == [(0, 50)]


def test_other_folders(read, tmp_path):
    with pytest.raises(
        FileError, match="lies in the folder Knitting; expected one of the 24 classes"
    ):
        read(document(), "Knitting/v.xgtf")
    (tmp_path / "none").mkdir()
    with pytest.raises(FileError, match=r"holds no \*\.xgtf"):
        read_truth(tmp_path / "none")
