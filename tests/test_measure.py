"""The commands measure and annotations: reference figures, all formats, JSON, one-line errors."""

import json
import pathlib
import pickle
import subprocess
import sys

import numpy as np
import pytest

from videolstm_jax import artifacts
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.localize.baselines import centred_tube
from videolstm_jax.measure.frame_ap import frame_map
from videolstm_jax.measure.suppress import suppress
from videolstm_jax.measure.video_ap import averaged_video_map, video_aps, video_map
from videolstm_jax.types import Dataset, Detection, Tube, Video

ROOT = pathlib.Path(__file__).parents[1]
BARRED = ("jax", "jaxlib", "tensorflow", "flax", "optax", "orbax", "scipy", "av", "PIL", "h5py")


def command(name, *arguments):
    """Runs a command in a Python that cannot import the libraries it should not need."""
    code = (
        f"import sys, runpy; sys.modules.update(dict.fromkeys({BARRED!r}))\n"
        f"sys.argv = {[name, *map(str, arguments)]!r}\n"
        f"runpy.run_module('launch.{name}', run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def output_of(*arguments, name="measure"):
    done = command(name, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments, name="measure"):
    done = command(name, *arguments)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr.strip().splitlines()[-1]


def tube(box, start=0, frames=4):
    return Tube(start, np.tile(np.array(box, float), (frames, 1)))


BOX, HALF, FAR = [0, 0, 10, 10], [0, 0, 10, 5], [50, 40, 60, 48]
VIDEOS = [
    Video(name, "", label, part, "g", 8, 64, 48, 25.0)
    for name, label, part in (
        ("a/x", 0, "test"),
        ("a/y", 0, "test"),
        ("b/bare", 1, "test"),
        ("b/z", 1, "test"),
        ("b/train", 1, "train"),
    )
]
TRUE = [
    Detection("a/x", 0, 1.0, tube(BOX)),
    Detection("a/y", 0, 1.0, tube(BOX, 2)),
    Detection("b/train", 1, 1.0, tube(FAR)),
    Detection("b/z", 1, 1.0, tube(FAR)),
]
DETECTIONS = [
    Detection("a/x", 0, 0.9, tube(BOX)),
    Detection("a/x", 0, 0.8, tube(BOX, 1)),
    Detection("a/y", 0, 0.7, tube(HALF, 2)),
    Detection("b/z", 1, 0.6, tube(BOX)),
    Detection("b/bare", 1, 0.5, tube(BOX)),
]


@pytest.fixture
def work(tmp_path):
    """A work folder: videos, truth and tubes."""
    artifacts.save_dataset(tmp_path / "dataset.json", Dataset(("a", "b"), tuple(VIDEOS)))
    artifacts.save_detections(tmp_path / "truth.jsonl", TRUE)
    artifacts.save_detections(tmp_path / "tubes.jsonl", DETECTIONS)
    return tmp_path


def flags(work, **changed):
    values = {
        "detections": work / "tubes.jsonl",
        "truth": work / "truth.jsonl",
        "dataset": work / "dataset.json",
        **changed,
    }
    return [f"--{name}={value}" for name, value in values.items() if value is not None]


def test_a_work_folder_by_hand(work):
    out = output_of(
        *flags(work, json=work / "m.json", iou="0.2,0.5,0.75", frame_iou="0.5", class_iou="0.5")
    )
    record = json.loads((work / "m.json").read_text())
    measured, truth_of = (
        [detection for detection in DETECTIONS if detection.video != "b/bare"],
        [TRUE[0], TRUE[1], TRUE[3]],
    )
    assert (record["videos"], record["tubes"], record["detections"]) == (3, 3, 4)
    assert record["classes"] == {"0": "a", "1": "b"}
    for style in ("voc", "act"):
        assert record["video_map"][style] == {
            **{
                str(iou): video_map(measured, truth_of, iou, style=style)
                for iou in (0.2, 0.5, 0.75)
            },
            "0.5:0.95": averaged_video_map(measured, truth_of, style=style),
        }
        for frames in ("all", "truth"):
            assert record["frame_map"][style][frames]["0.5"] == frame_map(
                measured, truth_of, 0.5, style=style, frames=frames
            )
    # class a: right, a duplicate, then IoU .5, which passes in act only; class b: never
    assert record["per_class"] == {"0": {"0.5": 0.5}, "1": {"0.5": 0.0}}
    assert record["video_map"]["act"]["0.5"] == pytest.approx((0.5 + 0.5 * (1 / 2 + 2 / 3) / 2) / 2)
    assert record["errors"]["0.5"] == {
        "right": 1,
        "localisation": 1,
        "classification": 0,
        "time": 0,
        "duplicate": 1,
        "other": 0,
        "missed": 2,
    }
    assert record["mean_tube_iou"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert record["recall"]["recall"][record["recall"]["iou"].index(0.5)] == pytest.approx(1 / 3)
    assert "1 detections left out" in out and "4 detected tubes, 3 true tubes, 3 videos" in out
    before = (work / "m.json").read_bytes()
    output_of(
        *flags(work, json=work / "m.json", iou="0.2,0.5,0.75", frame_iou="0.5", class_iou="0.5")
    )
    assert (work / "m.json").read_bytes() == before


def test_one_style_some_frames_and_no_repeats(work):
    output_of(*flags(work, json=work / "m.json", style="act", frames="truth", nms="0.3"))
    record = json.loads((work / "m.json").read_text())
    left = suppress([detection for detection in DETECTIONS if detection.video != "b/bare"], 0.3)
    assert record["detections"] == len(left) == 3 and list(record["video_map"]) == ["act"]
    assert list(record["frame_map"]["act"]) == ["truth"]
    assert (
        record["video_map"]["act"]["0.5"]
        == video_map(left, [TRUE[0], TRUE[1], TRUE[3]], 0.5, style="act")
        == 0.5
    )
    assert "1 detections overlap a better one by more than 0.3" in record["notes"]


def test_boxes_json_and_a_list(work):
    rows = {"a/x": [BOX] * 4, "a/y": [None, None, *[BOX] * 4], "b/z": [FAR] * 4}
    (work / "boxes.json").write_text(json.dumps(rows))
    output_of(*flags(work, json=work / "boxes_measured.json", truth=work / "boxes.json"))
    output_of(*flags(work, json=work / "measured.json"))
    assert (work / "boxes_measured.json").read_bytes() == (work / "measured.json").read_bytes()
    (work / "list.txt").write_text("a/x.avi\nb/bare.avi\n")
    output_of(*flags(work, json=work / "m.json", list=work / "list.txt"))
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"], record["detections"]) == (1, 1, 2)


def test_boxes_of_videos_that_are_not_listed_are_skipped_and_counted(work):
    rows = {"a/x": [BOX] * 4, "b/z": [FAR] * 4, "b/bare": [None], "q/q": [BOX] * 99, "q/r": None}
    (work / "boxes.json").write_text(json.dumps(rows))
    out = output_of(*flags(work, json=work / "m.json", truth=work / "boxes.json"))
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"], record["detections"]) == (
        2,
        2,
        4,
    )  # b/bare is annotated, a/y is not
    assert (
        "2 videos with boxes are not listed, such as q/q" in out
        and "1 measured videos have no true tube" in out
    )
    assert "1 detections left out: of videos that are not measured or not annotated" in out


PIXELS = [0, 0, 9, 9]
ROWS = np.array([[frame, *PIXELS, 0.5] for frame in range(1, 5)], np.float32)


def ground_truth(work, test):
    """Annotations of a/w to a/z in the layout of ACT, of which a/x and a/y have a tube."""
    names = [f"a/{letter}" for letter in "wxyz"]
    (work / "GT.pkl").write_bytes(
        pickle.dumps(
            {
                "labels": ["a", "b"],
                "nframes": dict.fromkeys(names, 8),
                "resolution": dict.fromkeys(names, (48, 64)),
                "train_videos": [["a/y"]],
                "test_videos": [test],
                "gttubes": {"a/x": {0: [ROWS[:, :5]]}, "a/y": {0: [ROWS[:, :5]]}},
            },
            protocol=2,
        )
    )


def test_what_is_measured_outlives_a_conversion(work):
    """A false tube, ranked first, in a test video without truth; and a test list out of order."""
    ground_truth(work, ["a/x", "a/w"])
    artifacts.save_detections(
        work / "tubes.jsonl",
        [
            Detection("a/w", 0, 0.9, tube(BOX)),
            Detection("a/x", 0, 0.8, tube(BOX)),
            Detection("a/z", 0, 0.7, tube(BOX)),
        ],
    )
    (work / "frame_detections.pkl").write_bytes(
        pickle.dumps(np.array([[0, frame, 0, 0.5, *PIXELS] for frame in range(1, 5)]))
    )
    output_of(f"--from={work / 'GT.pkl'}", f"--to={work / 'GT.jsonl'}", name="annotations")
    for file, value in (("tubes.jsonl", 0.5), ("frame_detections.pkl", 1.0)):
        for name in ("GT.pkl", "GT.jsonl"):
            output_of(
                *flags(
                    work,
                    detections=work / file,
                    truth=work / name,
                    dataset=None,
                    json=work / f"{name}.json",
                )
            )
        assert (work / "GT.pkl.json").read_bytes() == (work / "GT.jsonl.json").read_bytes()
        record = json.loads((work / "GT.pkl.json").read_text())
        assert record["videos"] == 1 and record["frame_map"]["voc"]["all"]["0.5"] == value
        assert "all their detections are false, such as a/w" in record["notes"][-1]


def test_boxes_of_single_frames_need_the_list_they_count(work):
    (work / "frame_detections.pkl").write_bytes(pickle.dumps(np.array([[0, 1, 0, 0.5, *PIXELS]])))
    values = {"detections": work / "frame_detections.pkl"}
    for dataset in (None, work / "dataset.json"):
        assert (
            "frame_detections.pkl: counts the test list; expected --list, or a truth that has one"
            in refused(*flags(work, **values, dataset=dataset))
        )
    (work / "list.txt").write_text("b/z.avi\na/x.avi\n")
    out = output_of(*flags(work, **values, list=work / "list.txt"))
    assert (
        "1 detected boxes of single frames, 2 true tubes, 2 videos" in out and "such as a/x" in out
    )


@pytest.mark.parametrize(
    ("tubes", "about", "message"),
    [
        ([TRUE[0]._replace(label=2)], {}, "has label 2; expected 0 to 1"),
        (
            [TRUE[0]._replace(tube=tube(BOX, 5))],
            {},
            "goes from frame 5 to 8; expected frames 0 to 7",
        ),
        ([TRUE[0]._replace(tube=tube([0, 0, 65, 9]))], {}, "leaves the frame of 64 x 48 pixels"),
        (
            [TRUE[0]],
            {"sizes": {"a/x": (80, 48)}},
            "boxes of a/x are of (80, 48) pixels; the video has (64, 48)",
        ),
    ],
)
def test_a_truth_that_does_not_fit_the_data_set(work, tubes, about, message):
    save_truth(work / "truth.jsonl", GroundTruth((), {}, {}, tubes)._replace(**about))
    assert message in refused(*flags(work))


def test_tubes_and_boxes_of_moc(work):
    ground_truth(work, ["a/x"])
    (work / "a").mkdir()
    (work / "a" / "x_tubes.pkl").write_bytes(pickle.dumps({0: [[ROWS, 0.9]], 1: []}))
    (work / "frame_detections.pkl").write_bytes(
        pickle.dumps(np.array([[0, frame, 0, 0.5, *PIXELS] for frame in (1, 2)], np.float32))
    )
    output_of(
        *flags(
            work, detections=work / "a", truth=work / "GT.pkl", dataset=None, json=work / "m.json"
        )
    )
    record = json.loads((work / "m.json").read_text())
    assert (record["videos"], record["tubes"]) == (1, 1) and record["video_map"]["act"][
        "0.5:0.95"
    ] == 1
    out = output_of(
        *flags(
            work,
            detections=work / "frame_detections.pkl",
            truth=work / "GT.pkl",
            dataset=None,
            json=work / "m.json",
        )
    )
    record = json.loads((work / "m.json").read_text())
    assert record["frame_map"]["voc"]["all"]["0.5"] == 0.5 and "video_map" not in record
    assert "2 detected boxes of single frames" in out


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"video": "a/q"},
            "tubes.jsonl:6: a detection of a/q, which is no video of the truth or of the list",
        ),
        ({"label": 7}, "tubes.jsonl:6: a detection of a/x has label 7; expected 0 to 1"),
        (
            {"boxes": [BOX, [0, 0, 65, 10]]},
            "tubes.jsonl:6: a detection of a/x has the box [0.0, 0.0, 65.0, 10.0] on frame",
        ),
        ({"boxes": [[9, 0, 1, 10]]}, "tubes.jsonl:6: a box of a/x is inverted"),
        (
            {"boxes": [BOX] * 9},
            "tubes.jsonl:6: a detection of a/x goes from frame 0 to 8; expected frames 0 to 7",
        ),
        ({"score": float("nan")}, "tubes.jsonl:6: score is NaN; expected a finite number"),
    ],
)
def test_bad_detections_are_one_line(work, row, message):
    with (work / "tubes.jsonl").open("a") as file:
        file.write(
            json.dumps(
                {"video": "a/x", "label": 0, "score": 0.5, "start": 0, "boxes": [BOX], **row}
            )
            + "\n"
        )
    assert message in refused(*flags(work, json=work / "m.json"))
    assert not (work / "m.json").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"iou": "50"}, "--iou=50; expected IoU thresholds from 0 to 1"),
        ({"frame_iou": "half"}, "--frame_iou=half"),
        ({"style": "coco"}, "--style=coco; expected one or more of voc, act"),
        ({"frames": "some"}, "--frames=some"),
        ({"nms": "3"}, "--nms=3.0; expected IoU thresholds"),
        ({"truth": "nowhere.jsonl"}, "nowhere.jsonl is missing"),
        ({"detections": "nowhere.jsonl"}, "nowhere.jsonl is missing"),
        ({"dataset": "nowhere.json"}, "nowhere.json is missing"),
        (
            {"truth": "boxes.json", "dataset": None},
            "boxes.json contains no classes and no numbers of frames; expected --dataset",
        ),
    ],
)
def test_bad_flags_are_one_line(work, changed, message):
    assert message in refused(*flags(work, **changed))


def test_lists_without_truth_and_malicious_truth(work):
    (work / "list.txt").write_text("b/bare.avi\n")
    assert "none of the 1 listed videos has a true tube" in refused(
        *flags(work, list=work / "list.txt")
    )
    (work / "truth.pkl").write_bytes(b"cos\nsystem\n(S'touch touched'\ntR.")
    assert "truth.pkl: asks for os.system" in refused(*flags(work, truth=work / "truth.pkl"))
    assert not (ROOT / "touched").exists()


def test_without_what_they_need_the_commands_say_how():
    for name, flag in (("measure", "--detections=FILE"), ("annotations", "--from=FILE")):
        done = command(name)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert f"expected {flag}" in done.stdout + done.stderr


@pytest.mark.slow
def test_the_reference_figures_from_the_command(real_data, tmp_path):
    annotations = real_data / "ucf24_annots"
    out = output_of(
        f"--from={annotations / 'pyannot.pkl'}",
        f"--to={tmp_path / 'truth.jsonl'}",
        f"--against={annotations / 'finalAnnots.mat'}",
        name="annotations",
    )
    assert "4458 tubes" in out and "3194 videos" in out and "the same, tube by tube" in out
    annotated = read_truth(tmp_path / "truth.jsonl")
    listing = real_data / "splits" / "ucfTrainTestlist" / "testlist01.txt"
    label = {detection.video: detection.label for detection in annotated.tubes}
    names = sorted(name.removesuffix(".avi") for name in listing.read_text().split())
    names = [name for name in names if name in label]
    artifacts.save_detections(
        tmp_path / "tubes.jsonl",
        [
            Detection(
                name,
                label[name],
                1 - at / 910,
                centred_tube((240, 320), annotated.frames[name], 0.5),
            )
            for at, name in enumerate(names)
        ],
    )
    out = output_of(
        f"--detections={tmp_path / 'tubes.jsonl'}",
        f"--truth={tmp_path / 'truth.jsonl'}",
        f"--list={listing}",
        f"--json={tmp_path / 'm.json'}",
        "--frames=truth",
        "--frame_iou=0.5",
    )
    assert "910 detected tubes, 1315 true tubes, 910 videos" in out
    rows = {
        line.split()[0]: line.split()[1:-1]
        for line in out.splitlines()
        if line.startswith(("  voc  ", "  act  "))
    }
    assert rows == {
        "voc": ["66.75", "51.06", "45.90", "31.59", "17.11", "0.42"],
        "act": ["65.46", "49.23", "43.89", "29.40", "15.73", "0.31"],
    }
    assert len(json.loads((tmp_path / "m.json").read_text())["per_class"]) == 24


def test_annotations_that_differ_are_listed(work):
    save_truth(
        work / "b.jsonl",
        read_truth(work / "truth.jsonl")._replace(
            tubes=[TRUE[0]._replace(tube=tube(HALF)), *TRUE[1:]]
        ),
    )
    done = command("annotations", f"--from={work / 'truth.jsonl'}", f"--against={work / 'b.jsonl'}")
    assert (
        done.returncode == 1 and "a/x tube 0: 4 of 4 boxes differ, by up to 5 pixels" in done.stdout
    )
    assert "error: 1 differences between" in done.stderr
    assert "holds no *.xgtf" in refused(
        f"--from={work}", f"--to={work / 'c.jsonl'}", name="annotations"
    )
    assert not (work / "c.jsonl").exists()


def test_a_class_without_detections_counts_as_nothing(work):
    assert video_aps(
        [detection for detection in DETECTIONS if detection.label == 0], TRUE[:2] + TRUE[3:], [0.5]
    )[1] == [0.0]
    (work / "tubes.jsonl").write_text("")
    out = output_of(*flags(work, json=work / "m.json"))
    record = json.loads((work / "m.json").read_text())
    assert (
        set(record["video_map"]["voc"].values()) == {0.0}
        and "3 measured videos have no detection" in out
    )
