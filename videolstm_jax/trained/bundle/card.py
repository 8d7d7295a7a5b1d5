"""The card of a bundle, README.md: what the model is, what was measured, how to load it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videolstm_jax.config import setting_text

LICENSE = (
    "The code is under the Apache License 2.0. The parameters depend on the videos and the weights "
    "that they were trained from: write their terms here before you pass the folder on."
)

USE = (
    "```",
    "videolstm predict --model=THIS_FOLDER --video=FILE",
    "```",
    "",
    "```python",
    "from videolstm_jax import Predictor, TrainedModel",
    "",
    'predictor = Predictor("THIS_FOLDER")  # a stream, frame by frame',
    'model = TrainedModel.load("THIS_FOLDER")  # features, batch by batch',
    "```",
)


def bundle_card(record: Mapping[str, Any]) -> str:
    """The text of README.md.

    Args:
      record: the content of model.json.
    """
    model, classes = record["model"], record["classes"]
    # A model that was made in Python belongs to no run.
    name = record["provenance"].get("run") or model["cell"]
    backbones = ", ".join(sorted(record["backbones"]))
    lines = [
        f"# {name}",
        "",
        f"A recurrent model for action recognition in videos, of the cell `{model['cell']}`.",
        "It was trained with videolstm-jax. The folder is complete: it has the parameters of the",
        f"model and of the image networks of the streams: {backbones}.",
        "",
        f"## The {len(classes)} classes",
        "",
        ", ".join(classes),
        "",
        "## Measured results",
        "",
        *_results_lines(record["results"]),
        "",
        "## Use",
        "",
        *USE,
        "",
        *_own_cell(model["cell"]),
        *_own_backbones(record["backbones"]),
        "## Origin",
        "",
        *_origin(record),
        "",
        "## License",
        "",
        LICENSE,
        "",
    ]
    return "\n".join(lines)


def _results_lines(results: Mapping[str, Any]) -> list[str]:
    lines = []
    accuracy = results.get("accuracy")
    if accuracy is not None:
        # An empty test list has no share; the counts beside it say so.
        share = 100 * accuracy["right"] / max(accuracy["videos"], 1)
        counts = f"{accuracy['right']} of {accuracy['videos']} test videos"
        lines.append(f"- Accuracy: {counts}, {share:.1f} %.")
        # A reader of the card alone would take the accuracy for one on new videos.
        if accuracy.get("trained_on"):
            lines.append(
                f"- **The model was trained on {accuracy['trained_on']} of these videos.** This "
                "and what follows is not what it does on new ones."
            )
    overlap = results.get("frame_iou")
    if overlap is not None:
        lines.append(
            f"- Mean frame IoU of the boxes: {overlap['value']:.3f} "
            f"({overlap['low']:.3f} to {overlap['high']:.3f})."
        )
    return lines or ["The model was not evaluated before it was written."]


def _own_cell(cell: str) -> list[str]:
    """What a reader needs for a cell of the user's own; nothing for those of this program."""
    module, colon, _ = cell.partition(":")
    if not colon:
        return []
    return [
        f"The cell `{cell}` is not part of the folder. Python must be able to import its module,",
        f"`{module}`, where the model is loaded. Loading the folder runs that module.",
        "",
    ]


def _own_backbones(backbones: Mapping[str, Any]) -> list[str]:
    """What a reader needs for backbones that are functions of the user's own; else nothing."""
    lines = []
    for stream, backbone in sorted(backbones.items()):
        name = backbone["convnet"]["backbone"]
        module, colon, _ = name.partition(":")
        if colon:
            lines += [
                f"The backbone `{name}` of the stream {stream} is not part of the folder. Python",
                f"must be able to import its module, `{module}`, where the model is loaded.",
                "Loading the folder runs that module.",
                "",
            ]
    return lines


def _origin(record: Mapping[str, Any]) -> list[str]:
    provenance = record["provenance"]
    lines = [f"- Preset: {provenance.get('preset') or 'unknown'}; seed {provenance.get('seed')}."]
    if provenance.get("data_source"):
        lines.append(f"- Data: `{provenance['data_source']}`; the results are of its test list.")
    # Sorted, so that equal bundles have equal bytes.
    for name, setting in sorted(provenance.get("overrides", {}).items()):
        # JSON has lists where settings are tuples.
        if isinstance(setting, list):
            setting = tuple(setting)
        text = setting_text(setting)
        lines.append(f"- Setting: `--{name}={text}`.")
    if provenance.get("training_list_sha256"):
        lines.append(f"- Training list: sha256 `{provenance['training_list_sha256']}`.")
    if record.get("trained_on"):
        count = len(record["trained_on"]["videos"])
        lines.append(f"- Trained on {count} videos; `model.json` has their names.")
    versions = ", ".join(map(" ".join, record["versions"].items()))
    lines.append(f"- Written with {versions}.")
    return lines
