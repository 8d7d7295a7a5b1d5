"""Stores pool5, fc7 and logits of every frame of one stream: --data.stream=rgb|flow, --shard=i/n of
n workers.
"""

from absl import flags

from launch import boot
from videolstm_jax.config import RunConfig

_SHARD = flags.DEFINE_string(
    "shard",
    "1/1",
    "i/n: take every n-th video from the i-th on, beside n - 1 others that "
    "write to the same folder. The last to finish writes the index.",
)


def main(cfg: RunConfig) -> None:
    """Runs the stage for one shard of the videos."""
    from videolstm_jax.features.shards import parse_shard
    from videolstm_jax.stages import extract

    print(f"extract: wrote {extract.run(cfg, shard=parse_shard(_SHARD.value))}", flush=True)


if __name__ == "__main__":
    boot.launch(main)
