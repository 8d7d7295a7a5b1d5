"""The second half of the command `idt`: Fisher vectors of trajectories, and a linear SVM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from etils import epath

from videolstm_jax.config import RunConfig
from videolstm_jax.errors import FileError
from videolstm_jax.files import read_arrays, write_arrays, write_json
from videolstm_jax.folders import file_size
from videolstm_jax.lock.team_writer import team_writer
from videolstm_jax.progress_lines import counted
from videolstm_jax.score_files.svm_scores import save_svm_scores, videos_of_score_file
from videolstm_jax.sealed_json import json_sha256
from videolstm_jax.shallow.fisher import fisher_sums, fisher_vector, no_fisher_sums
from videolstm_jax.shallow.scikit_learn import scikit_learn
from videolstm_jax.shallow.vocabulary import Vocabulary, fit_vocabulary
from videolstm_jax.trajectories.layout import DESCRIPTORS, join_trajectories
from videolstm_jax.trajectories.reader import trajectory_blocks, trajectory_file
from videolstm_jax.trajectories.sample import sampled_trajectories, trajectory_generator
from videolstm_jax.types import Dataset, Video
from videolstm_jax.workdir.dataset_json import load_dataset
from videolstm_jax.workdir.layout import Workdir

NAME = "idt"
"""The name of the run."""


def run(cfg: RunConfig) -> epath.Path:
    """Writes `runs/idt/scores.npz`: linear SVMs on Fisher vectors of each video's trajectories.

    The PCA and the Gaussians of each descriptor are fitted to trajectories of the training list,
    `idt.samples` of them, as many of each video. Fisher vectors are kept, and not made again.

    Returns:
      The path of the scores of the test list.

    Raises:
      ConfigError: scikit-learn is not installed.
      FileError: `prepare` has not run; a file of trajectories is missing or damaged; no training
        video has a trajectory; or another process writes these scores.
    """
    # Refused before hours of reading.
    scikit_learn("svm")
    work = Workdir(cfg.workdir)
    dataset = load_dataset(work.dataset)
    # Files of DenseTrackStab itself may be given; the layout is the same.
    source = cfg.idt.files or work.trajectories
    paths = {}
    # All are found before the first is read, so that a missing one is refused at once.
    for video in videos_of_score_file(dataset):
        paths[video.name] = trajectory_file(source, video.name)
    with team_writer(work.run(NAME), "idt", break_lock=cfg.break_lock):
        return _write_scores(cfg, work, dataset, paths)


def _write_scores(
    cfg: RunConfig, work: Workdir, dataset: Dataset, paths: Mapping[str, epath.Path]
) -> epath.Path:
    """Writes vocabularies, Fisher vectors and scores; returns the path of the scores.

    Args:
      cfg: the settings.
      work: the work folder.
      dataset: the lists.
      paths: the file of trajectories of each video.
    """
    videos = videos_of_score_file(dataset)
    samples = _samples(cfg, dataset.part("train"), paths)
    vocabularies = {}
    for name, rows in samples.items():
        vocabularies[name] = fit_vocabulary(rows, cfg.idt.components, cfg.seed)
    folder = work.run(NAME)
    # Vectors of two vocabularies have the same length and mean different things.
    digest = _save_vocabularies(folder / "vocabulary.npz", vocabularies)
    features = np.zeros((len(videos), _width(vocabularies)), np.float32)
    for index, video in enumerate(counted(videos, len(videos), "idt: Fisher vectors of videos")):
        path, source_path = folder / "fisher" / f"{video.name}.npz", paths[video.name]
        features[index] = _fisher_vector(path, source_path, cfg.idt.length, vocabularies, digest)
    path, temperature = save_svm_scores(cfg, NAME, dataset, features, cfg.idt.cost)
    # As many as were fitted, which are fewer than the settings ask for where there is little data.
    components = {}
    for name, vocabulary in vocabularies.items():
        components[name] = len(vocabulary.weights)
    record = {
        "length": cfg.idt.length,
        "samples": len(samples["hog"]),
        "components": components,
        "cost": cfg.idt.cost,
        "temperature": temperature,
        "vocabulary_sha256": digest,
    }
    write_json(folder / "idt.json", record)
    return path


def _samples(
    cfg: RunConfig, train: Sequence[Video], paths: Mapping[str, epath.Path]
) -> dict[str, np.ndarray]:
    """Trajectories of the training list to fit to: [n, D] of each descriptor.

    Raises:
      FileError: no training video has any.
    """
    # The same number of each video, rounded up, so that memory does not grow with the list.
    quota = -(-cfg.idt.samples // len(train))
    samples = []
    for video in counted(train, len(train), "idt: samples of videos"):
        blocks = trajectory_blocks(paths[video.name], cfg.idt.length)
        generator = trajectory_generator(video.name, cfg.seed)
        samples.append(sampled_trajectories(blocks, cfg.idt.length, quota, generator))
    sample = join_trajectories(samples, cfg.idt.length)
    if not len(sample.hog):
        raise FileError(
            f"{Workdir(cfg.workdir).dataset}: no training video has a trajectory; expected videos "
            f"in which something moves for {cfg.idt.length + 1} frames"
        )
    return {name: getattr(sample, name) for name in DESCRIPTORS}


def _save_vocabularies(path: epath.Path, vocabularies: Mapping[str, Vocabulary]) -> str:
    """Writes the PCA and the Gaussians of all descriptors, and returns the digest of them."""
    arrays = {}
    for name, vocabulary in vocabularies.items():
        for field, array in vocabulary._asdict().items():
            arrays[f"{name}.{field}"] = array
    write_arrays(path, **arrays)
    # Of the numbers, so that it does not depend on how a version of numpy packs an archive.
    return json_sha256({name: array.tolist() for name, array in arrays.items()})


def _width(vocabularies: Mapping[str, Vocabulary]) -> int:
    """The numbers of a video's Fisher vectors, all descriptors together."""
    width = 0
    for vocabulary in vocabularies.values():
        width += 2 * vocabulary.means.size
    return width


def _fisher_vector(
    path: epath.Path,
    source: epath.Path,
    length: int,
    vocabularies: Mapping[str, Vocabulary],
    digest: str,
) -> np.ndarray:
    """The Fisher vector of a video: that of `path`, or made of the trajectories in `source`."""
    # The size shows that a file was replaced; a digest would read every byte at each start.
    origin = f"{file_size(source)} bytes, vocabulary {digest}"
    vector = _stored_vector(path, origin)
    if vector is None:
        vector = _encoded(source, length, vocabularies)
        write_arrays(path, vector=vector, origin=np.array(origin, str))
    return vector


def _encoded(path: epath.Path, length: int, vocabularies: Mapping[str, Vocabulary]) -> np.ndarray:
    """The Fisher vectors of all descriptors of a video, one behind the other."""
    sums = {name: no_fisher_sums(vocabulary) for name, vocabulary in vocabularies.items()}
    for block in trajectory_blocks(path, length):
        for name, vocabulary in vocabularies.items():
            # A video may have more trajectories than memory holds, and sums of blocks add up.
            sums[name] = sums[name].plus(fisher_sums(vocabulary, getattr(block, name)))
    vectors = []
    for name, vocabulary in vocabularies.items():
        vectors.append(fisher_vector(vocabulary, sums[name]))
    return np.concatenate(vectors)


def _stored_vector(path: epath.Path, origin: str) -> np.ndarray | None:
    """The Fisher vector that an earlier run wrote; None where there is none of this origin."""
    if not path.exists():
        return None
    vector, stored_origin = read_arrays(path, "vector", "origin")
    if str(stored_origin) != origin:
        return None
    return vector
