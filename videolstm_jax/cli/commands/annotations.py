"""`videolstm annotations`: converts or compares annotated tubes, --from=FILE [--to] [--against]."""

from __future__ import annotations

from absl import flags

from videolstm_jax.annotations.compare import compare_ground_truth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.errors import ConfigError

_SHOWN = 50
"""Differences that are printed; the number of all of them is in the error message."""


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines `--from`, `--to`, `--against` and `--split`."""
    flags.DEFINE_string(
        "from",
        None,
        "Annotations to read: pyannot.pkl, finalAnnots.mat, UCF101v2-GT.pkl (or in its layout), a "
        "folder of THUMOS13's .xgtf, or a truth.jsonl.",
        flag_values=flag_values,
    )
    flags.DEFINE_string("to", None, "The truth.jsonl to write.", flag_values=flag_values)
    flags.DEFINE_string(
        "against",
        None,
        "Other annotations; every tube that differs is listed.",
        flag_values=flag_values,
    )
    flags.DEFINE_integer(
        "split", 1, "Test list to read, where the file has several.", flag_values=flag_values
    )


def main(arguments: list[str]) -> None:
    """Reads the annotations, prints their size, and compares and writes them."""
    flag_values = flags.FLAGS
    source = flag_values["from"].value
    target = flag_values["to"].value
    against = flag_values["against"].value
    split = flag_values["split"].value
    if not source:
        raise ConfigError("expected --from=FILE, and --to=truth.jsonl or --against=FILE")
    truth = read_truth(source, split=split)
    # Printed first: a size that is far off shows a wrong file or split before any comparison.
    boxes = 0
    for detection in truth.tubes:
        boxes += len(detection.tube.boxes)
    print(
        f"{source}: {len(truth.tubes)} tubes, {boxes} boxes, {len(truth.videos)} videos, "
        f"{len(truth.classes)} classes"
    )
    for note in truth.notes:
        print(f"  {note}")
    # With the same split: a file with several test lists would differ in every video otherwise.
    if against:
        differences = compare_ground_truth(truth, read_truth(against, split=split))
        if not differences:
            print(f"the same, tube by tube, as {against}")
        else:
            print("\n".join(differences[:_SHOWN]))
            # Raised, so that a script sees a difference by the exit status.
            raise ConfigError(f"{len(differences)} differences between {source} and {against}")
    # Last, so that annotations that differ from the expected ones are not written.
    if target:
        save_truth(target, truth)
        print(f"wrote {target}")
