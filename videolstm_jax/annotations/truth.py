"""Reads the true tubes of a whole data set, whichever of the known forms the file has."""

from __future__ import annotations

from typing import Any

from etils import epath

from videolstm_jax import files
from videolstm_jax.annotations import act, truth_jsonl, ucf24, viper
from videolstm_jax.annotations.ground_truth import GroundTruth
from videolstm_jax.errors import FileError
from videolstm_jax.files import reading
from videolstm_jax.safe_readers import matlab, pickles


def read_truth(path: files.PathLike, *, split: int = 1) -> GroundTruth:
    """Reads true tubes from a file or folder of one of these forms.

    - a `truth.jsonl` of `save_truth` or of the stage `prepare`;
    - `pyannot.pkl` or `finalAnnots.mat` of the corrected UCF101-24 annotations;
    - `UCF101v2-GT.pkl` and others in the layout of ACT and MOC;
    - THUMOS13's .xgtf, one or a folder of them.

    Args:
      path: the file or folder.
      split: which test list is taken where the file has several.

    Raises:
      FileError: no such file, none of these forms, a damaged or malicious file, or a tube that does
        not fit its video.
    """
    place = epath.Path(path)
    if not place.exists():
        raise FileError(f"{path} is missing; expected annotations")
    if place.is_dir() or place.name.endswith(viper.XGTF_SUFFIX):
        return viper.read_viper(str(path))
    if place.suffix == ".jsonl":
        return truth_jsonl.load_truth_jsonl(path)
    # Read without running any code that a file may hold.
    with reading(path):
        annotations = _load_value(place)
    # ACT's pickle and the corrected annotations share an ending; only ACT's has this key.
    if isinstance(annotations, dict) and "gttubes" in annotations:
        return act.read_act_annotations(str(path), annotations, split=split)
    return ucf24.read_ucf24(str(path), annotations)


def _load_value(path: epath.Path) -> Any:
    """The content of a pickle or a MATLAB file."""
    if path.suffix == ".mat":
        return matlab.read_matlab(str(path))
    if path.suffix == ".pkl":
        return pickles.read_pickle(path.read_bytes())
    raise FileError("expected .jsonl, .pkl, .mat, .xgtf or a folder of .xgtf")
