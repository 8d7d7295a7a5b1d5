"""Settings of the two models that the paper fuses with VideoLSTM: iDT and Objects (Sec. 5.5)."""

from __future__ import annotations

from dataclasses import dataclass

from videolstm_jax.config.checks import check_setting_at_least
from videolstm_jax.config.setting import check_settings, setting


@dataclass(frozen=True)
class IdtConfig:
    """Improved dense trajectories with Fisher vectors (Wang and Schmid 2013)."""

    files: str = setting(
        "",
        "Folder of trajectory files, <Class>/<stem>.txt or .bin. They are the output of "
        "DenseTrackStab. Empty computes our own.",
        path=True,
    )
    # Length, spacing and scales are those of the authors' program, DenseTrackStab.
    length: int = setting(15, "Frames that a point is tracked.")
    side: int = setting(
        240,
        "Pixels of the shorter side to which frames are scaled, up or down. The limits of the "
        "method are pixels of 320 x 240 videos. 0 keeps each video's own size.",
    )
    spacing: int = setting(5, "Pixels between new points.", advanced=True)
    scales: int = setting(8, "Spatial scales at most.", advanced=True)
    camera: bool = setting(True, "Take off the motion of the camera, by a homography.")
    limit: int = setting(
        0,
        "Trajectories of a video that are stored at most. The others are left out by chance. 0 "
        "stores all.",
    )
    # These three as Wang and Schmid 2013 have them.
    components: int = setting(
        256, "Gaussians of each descriptor. There are fewer where there is little data."
    )
    samples: int = setting(
        256_000, "Trajectories of the training list that PCA and the Gaussians are fitted to."
    )
    cost: float = setting(100.0, "C of the linear SVM.")

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        # Three cells along time need three frames.
        check_setting_at_least(self, 3, "length")
        check_setting_at_least(self, 0, "side", "limit")
        check_setting_at_least(self, 1, "spacing", "scales", "components", "samples")
        # scikit-learn refuses a C of 0, after hours of flow.
        check_setting_at_least(self, 1e-6, "cost")


@dataclass(frozen=True)
class ObjectsConfig:
    """The mean class probabilities of an ImageNet network over the frames of a video."""

    stride: int = setting(1, "Classify every n-th frame.")
    batch: int = setting(16, "Frames that are classified together.", advanced=True)
    cost: float = setting(100.0, "C of the linear SVM.")

    def __post_init__(self) -> None:
        """Raises ConfigError for a value that cannot be used."""
        check_settings(self)
        check_setting_at_least(self, 1, "stride", "batch")
        check_setting_at_least(self, 1e-6, "cost")
