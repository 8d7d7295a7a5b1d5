"""`videolstm scores`: imports class scores of any system, or shows what a file of them holds."""

from __future__ import annotations

from absl import flags
from etils import epath

from videolstm_jax.cli.command_table import COMMANDS
from videolstm_jax.dataset.lists.list_files import read_class_list
from videolstm_jax.errors import ConfigError
from videolstm_jax.measure.accuracy import accuracy_text, trained_accuracy_note
from videolstm_jax.measure.fusion.score_kinds import KINDS
from videolstm_jax.score_files.import_settings import ImportSettings
from videolstm_jax.score_files.importing import ImportedScores, import_scores
from videolstm_jax.types import PARTS
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.scores_npz import save_scores


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags that complete what a file does not say."""
    _define_score_flags(flag_values)
    _define_class_flags(flag_values)


def _define_score_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "stream",
        "",
        "The field with the scores, where the file has several.",
        flag_values=flag_values,
    )
    # No default: a guess could take logits for probabilities, which no later stage would notice.
    flags.DEFINE_enum(
        "kind",
        None,
        list(KINDS),
        "What the scores are: probabilities, log_probabilities or logits. Required where rows do "
        "not prove it.",
        flag_values=flag_values,
    )
    flags.DEFINE_enum(
        "part",
        None,
        list(PARTS),
        "The list that the videos are of; test where nothing names it.",
        flag_values=flag_values,
    )


def _define_class_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "classes",
        "",
        "A classInd.txt with the classes in the order of the scores.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "dataset",
        "",
        "The dataset.json of a work folder: its classes, labels and lists must be those of the "
        "file.",
        flag_values=flag_values,
    )
    # MATLAB counts from 1, and so do the lists of UCF101.
    flags.DEFINE_integer(
        "first_label",
        0,
        "The number of the first class, 0 or 1.",
        lower_bound=0,
        upper_bound=1,
        flag_values=flag_values,
    )


def main(arguments: list[str]) -> None:
    """Does the action that the first argument names, with the files that follow it."""
    action, *files = arguments or [""]
    if action == "show" and files:
        for file in files:
            print(_summary(file, import_scores(file, _settings())), flush=True)
    elif action == "import" and len(files) == 2:
        source, target = files
        # `fuse` takes a file of scores for a run by its suffix.
        if not target.endswith(".npz"):
            raise ConfigError(f"{target}: expected a file that ends in .npz to write")
        imported = import_scores(source, _settings())
        # Before it is written: the summary shows a wrong kind or order of classes at once.
        print(_summary(source, imported), flush=True)
        save_scores(target, imported.scores)
        print(f"wrote {target}", flush=True)
    else:
        raise ConfigError(f"expected {COMMANDS['scores'].positional}")


def _settings() -> ImportSettings:
    flag_values = flags.FLAGS
    # Both may be given: the order of the scores, and what the file must agree with.
    classes, dataset = (), None
    if flag_values["classes"].value:
        classes = read_class_list(epath.Path(flag_values["classes"].value))
    if flag_values["dataset"].value:
        dataset = load_dataset(flag_values["dataset"].value)
    return ImportSettings(
        flag_values["stream"].value,
        flag_values["kind"].value or "",
        flag_values["part"].value or "",
        classes,
        flag_values["first_label"].value,
        dataset,
    )


def _summary(path: str, imported: ImportedScores) -> str:
    """The content of a file in one line, and a line for each fact that it did not say itself."""
    scores = imported.scores
    right = accuracy_text(scores.scores, scores.label).replace("test ", "")
    # `accuracy_text` speaks of test videos; the list, which may be another, is named before it.
    summary = (
        f"{path}: {imported.kind}, {len(scores.classes)} classes, {scores.part} list, "
        f"{right}{trained_accuracy_note(scores.trained)}"
    )
    for note in imported.notes:
        summary += f"\n  {note}"
    return summary
