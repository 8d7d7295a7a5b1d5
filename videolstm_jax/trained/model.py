"""A trained model as one object, from its training to a stream."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videolstm_jax.backbone.block import TrainedBlock
from videolstm_jax.backbone.convnet import Backbone, check_extractor
from videolstm_jax.core.cell import Cell, Layers
from videolstm_jax.core.cells import find_cell
from videolstm_jax.errors import FileError
from videolstm_jax.nn.network import network_params_for_layers
from videolstm_jax.trained import scoring
from videolstm_jax.trained.bundle.reader import is_bundle, read_bundle
from videolstm_jax.trained.bundle.writer import write_bundle
from videolstm_jax.trained.features import ModelFeatures, open_model_features
from videolstm_jax.trained.functions import (
    FrameOutput,
    ModelFunctions,
    Scales,
    functions_of_model,
)
from videolstm_jax.trained.place import Place
from videolstm_jax.trained.run_folder import read_run
from videolstm_jax.types import Clip, Inputs
from videolstm_jax.workdir.layout import Workdir, workdir_of_run

if TYPE_CHECKING:
    import jax
    from etils import epath

    from videolstm_jax.config import DataConfig, EvalConfig, ModelConfig
    from videolstm_jax.files import PathLike
    from videolstm_jax.localize.foreground import ForegroundAxis
    from videolstm_jax.trained.scoring import WholeVideo
    from videolstm_jax.types import NDArray, Output, Params, PyTree, Video


@dataclasses.dataclass(frozen=True, eq=False)
class TrainedModel:
    """A recurrent model with all it needs; see `StoredModel` for the fields before `stored_at`.

    It reads features as the stores hold them: float16 or float32, not scaled, vectors [B, T, D].
    With a `block` these are the maps that the block reads, and `params` are `JointParams`.
    `stored_at` is the run or the bundle that it was read from; None while it is being trained.
    """

    config: ModelConfig
    params: Params
    scales: Scales
    classes: tuple[str, ...]
    stream: str
    extractors: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    block: TrainedBlock | None = None
    foreground: ForegroundAxis | None = None
    stored_at: Place | None = None

    # ---- where it comes from ---------------------------------------------------------------------

    @classmethod
    def load(cls, path: PathLike) -> TrainedModel:
        """Reads a model from the folder of a run, `<work>/runs/<name>`, or from a bundle.

        Raises:
          FileError: the folder is missing, or something in it is missing or damaged.
        """
        # The two kinds of folder differ in their files, so one option takes both.
        if is_bundle(path):
            stored, place = read_bundle(path)
            return cls(*stored, stored_at=place)
        work, name = workdir_of_run(path)
        return cls.of_run(work, name)

    @classmethod
    def of_run(cls, work: Workdir, name: str) -> TrainedModel:
        """Reads the model of a finished training.

        Args:
          work: the work folder.
          name: of the run, or the path of its folder.

        Raises:
          FileError: the run is missing, unfinished or damaged.
        """
        stored, place = read_run(work, name)
        return cls(*stored, stored_at=place)

    def save(self, folder: PathLike) -> epath.Path:
        """Writes a bundle: a new folder with all that the model needs; see `bundle.writer`.

        Raises:
          FileError: the folder exists, or something that the model needs is missing or damaged.
        """
        return write_bundle(self, folder)

    def with_params(self, params: Params) -> TrainedModel:
        """The same model with other parameters; nothing is compiled anew."""
        return dataclasses.replace(self, params=params)

    # ---- what it computes ------------------------------------------------------------------------

    @property
    def cell(self) -> Cell:
        """The cell that the settings name."""
        # Looked up each time: a record that held functions could not be copied to another process.
        return find_cell(self.config.cell)

    @property
    def layers(self) -> Layers:
        """The stored layers that it reads: those of its cell, or with a block what that reads."""
        layers = self.cell.layers
        if self.block is None:
            return layers
        return layers._replace(x=self.block.tap)

    @functools.cached_property
    def functions(self) -> ModelFunctions:
        """Its functions, pure and compiled; they take parameters first."""
        return functions_of_model(self.config, self.cell, self.scales, self.block)

    def apply(
        self, clip: Clip, carry: PyTree | None = None, *, dropout_key: jax.Array | None = None
    ) -> Output:
        """Logits, attention and the next carry of a batch of clips, with its own parameters.

        Args:
          clip: features as they are stored, and the mask [B, T].
          carry: what the first frame begins from; None takes the model's own start.
          dropout_key: of the dropout; None means evaluation.
        """
        return self.functions.apply(self.params, clip, carry, dropout_key=dropout_key)

    def step(self, x: NDArray, motion: NDArray | None, carry: PyTree | None) -> FrameOutput:
        """Reads one frame of a stream, with its own parameters.

        Args:
          x: features of the frame as they are stored, [N, N, D] or [D].
          motion: those of its motion input, or None for a cell without.
          carry: after the frame before; None on the first.
        """
        # One clip of one frame: [D] becomes [1, 1, D], and [N, N, D] becomes [1, 1, N, N, D].
        if motion is not None:
            motion = motion[None, None]
        stored = Clip(Inputs(x[None, None], motion), np.ones((1, 1), bool))
        inputs = self.functions.read(self.params, stored).inputs
        if carry is None:
            carry = self.functions.begin_stream(self.params, inputs)
        out = self.functions.frame(self.params, inputs, carry)
        attention = out.attention
        if attention is not None:
            attention = np.asarray(attention)[0, 0]
        features = np.asarray(inputs.x)[0, 0]
        return FrameOutput(np.asarray(out.logits)[0, 0], attention, out.carry, features)

    # ---- features and what it makes of them ------------------------------------------------------

    def open_features(self, work: Workdir, *, stream: str = "") -> ModelFeatures:
        """Opens the stores of a work folder that the model reads, and checks that they fit.

        Args:
          work: the work folder.
          stream: of `x`, where it is to be another than that of the training.

        Raises:
          FileError: a store is missing, has other shapes, or was made by another backbone or with
            another preprocessing than those of the training.
        """
        features = open_model_features(work, stream or self.stream, self.layers)
        # The sizes of the model are those of its features, so only other features change them.
        sizes = features.sizes(self.config, len(self.classes), self.block)
        if sizes != self.config:
            raise FileError(
                f"{features.x.folder}: features {list(features.x.shape)} make {sizes}; "
                f"the model was trained on {self.config}"
            )
        for name, store in features.by_input().items():
            check_extractor(self.extractors.get(name), store.about, store.folder)
        return features

    def segments(
        self,
        features: ModelFeatures,
        videos: Sequence[Video],
        data: DataConfig,
        settings: EvalConfig,
    ) -> Iterator[NDArray]:
        """Yields the scores [C] of each video from its segments; see `scoring.segment_scores`."""
        return scoring.segment_scores(self, features, videos, data, settings)

    def whole_videos(
        self, features: ModelFeatures, videos: Sequence[Video], settings: EvalConfig
    ) -> Iterator[WholeVideo]:
        """Yields frame scores and attention of each video; see `scoring.whole_videos`."""
        return scoring.whole_videos(self, features, videos, settings)

    def states(
        self, features: ModelFeatures, videos: Sequence[Video], settings: EvalConfig
    ) -> Iterator[tuple[Video, NDArray]]:
        """Yields the states [L', N, N, K] of each video; see `scoring.states_of_whole_videos`."""
        return scoring.states_of_whole_videos(self, features, videos, settings)

    # ---- what a stream needs beside it -----------------------------------------------------------

    @property
    def place(self) -> Place:
        """The run or the bundle that the model was read from.

        Raises:
          FileError: it is still being trained.
        """
        if self.stored_at is None:
            raise FileError("the model was not read from a run or a bundle, so it has no backbones")
        return self.stored_at

    def layers_by_stream(self) -> dict[str, dict[str, str]]:
        """The layers that the model reads of each stream: {stream: {input: layer}}."""
        layers = {self.stream: {"x": self.layers.x}}
        if self.layers.motion is not None:
            # A model on flow features reads both of its inputs from the same backbone.
            layers.setdefault("flow", {})["motion"] = self.layers.motion
        return layers

    def backbone(self, stream: str) -> Backbone:
        """The backbone that the model's features of one stream come from.

        Raises:
          FileError: it is missing or damaged, or not the one of the training.
        """
        folder, trained = self.place.backbone(stream)
        # The frozen part of the backbone ends at the map that the block reads.
        if self.block is not None and stream == self.stream:
            trained = trained._replace(tap=self.block.first)
        if trained.classes != self.classes:
            raise FileError(
                f"{folder}: the classes of the backbone are {', '.join(trained.classes)}; expected "
                f"those of the model, {', '.join(self.classes)}"
            )
        # A model may read one layer of a backbone twice, as x and as motion.
        inputs = self.layers_by_stream()[stream]
        layers = sorted(set(inputs.values()))
        dtypes = {}
        for layer in layers:
            dtypes[layer] = self.place.feature_dtype(stream, layer)
        # Nine tenths of a VGG-16 are dense layers, which pool5 does not need in memory.
        params = network_params_for_layers(trained.network, trained.params, layers)
        trained = trained._replace(params=params)
        backbone = Backbone(folder, stream, trained, dtypes)
        for name in inputs:
            check_extractor(self.extractors.get(name), backbone.about(), folder)
        return backbone
