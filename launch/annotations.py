"""Converts annotated tubes of any known form to one pickle-free file.

Usage: python -m launch.annotations --from=FILE [--to=truth.jsonl] [--against=FILE]
"""

from absl import app, flags

from launch import boot
from videolstm_jax.annotations.compare import compare_ground_truth
from videolstm_jax.annotations.truth import read_truth
from videolstm_jax.annotations.truth_jsonl import save_truth
from videolstm_jax.errors import ConfigError

_FROM = flags.DEFINE_string(
    "from",
    None,
    "pyannot.pkl, finalAnnots.mat, UCF101v2-GT.pkl (or in its layout), a folder "
    "of THUMOS13's .xgtf, or a truth.jsonl.",
)
_TO = flags.DEFINE_string("to", None, "The truth.jsonl that is written.")
_AGAINST = flags.DEFINE_string(
    "against", None, "Other annotations: every tube that differs is listed."
)
_SPLIT = flags.DEFINE_integer("split", 1, "Which test list is taken, where the file has several.")
_SHOWN = 50


def main(argv: list[str]) -> None:
    """Reads, says what was read, and writes or compares as asked."""
    if len(argv) > 1 or not _FROM.value:
        raise app.UsageError("expected --from=FILE, and --to=truth.jsonl or --against=FILE")
    found = read_truth(_FROM.value, split=_SPLIT.value)
    frames = sum(len(one.tube.boxes) for one in found.tubes)
    print(
        f"{_FROM.value}: {len(found.tubes)} tubes, {frames} boxes, {len(found.videos)} videos, "
        f"{len(found.classes)} classes"
    )
    for note in found.notes:
        print(f"  {note}")
    if _AGAINST.value:
        said = compare_ground_truth(found, read_truth(_AGAINST.value, split=_SPLIT.value))
        print("\n".join(said[:_SHOWN]) or f"the same, tube by tube, as {_AGAINST.value}")
        if said:
            raise ConfigError(f"{len(said)} differences between {_FROM.value} and {_AGAINST.value}")
    if _TO.value:
        save_truth(_TO.value, found)
        print(f"wrote {_TO.value}")


if __name__ == "__main__":
    app.run(boot.guarded(main))
