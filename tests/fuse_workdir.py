"""A work folder with the random scores of three runs on one list of videos."""

import numpy as np

from videolstm_jax.config import RunConfig, change
from videolstm_jax.types import Scores
from videolstm_jax.workdir.layout import Workdir
from videolstm_jax.workdir.scores_npz import save_scores

CLASSES = ("Jump", "Run", "Wave")


def random_scores(seed, order=None):
    """Probabilities of 12 test videos, four of each class, listed in the given order."""
    videos = [f"{CLASSES[k % 3]}/v{k}" for k in range(12)]
    table = np.random.default_rng(seed).dirichlet(np.ones(3), 12).astype(np.float32)
    order = np.arange(12) if order is None else order
    return Scores(tuple(videos[k] for k in order), table[order], np.arange(12)[order] % 3, CLASSES)


def write_work(root):
    """Writes the scores of three runs; the second has the videos in another order."""
    folder = Workdir(str(root))
    save_scores(folder.scores("videolstm-rgb"), random_scores(0))
    shuffled = np.random.default_rng(2).permutation(12)
    save_scores(folder.scores("videolstm-flow"), random_scores(1, shuffled))
    save_scores(folder.scores("convnet-rgb"), random_scores(3))
    return folder


def config(work, *runs, **settings):
    """The configuration of a fusion of these runs."""
    return change(RunConfig(workdir=work.root), fuse__runs=runs, **settings)
