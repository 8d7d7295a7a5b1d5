"""What every test runs under: strict promotion, four devices, one store of compiled programs."""

import gc
import importlib.metadata
import os
import pathlib
import shutil
import tempfile

# These are set before JAX is imported, and in the environment: commands that tests start inherit
# them, and so do the processes of pytest-xdist.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
# TensorFlow then does not import Keras, which no test but those of `test_vgg_keras` uses.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
# The processes of pytest-xdist keep all cores busy, so threads of NumPy would only wait for each
# other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Most of a test's time is compiling tiny programs: optimise them little, and store all of them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
# XLA's newer code generator for CPUs takes twice the time of its older one to compile a tiny
# program. `make test-slow` sets no flag, and so tests the one that users have. An unknown flag ends
# the process, so only versions are given one that are known to have it.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    )

import hypothesis
import jax
import pytest
from running_pod import end_pods
from spare_workers import SpareWorkerClient, end_spares

from videolstm_jax.flow import tvl1
from videolstm_jax.video.worker_client import WorkerClient

ROOT = pathlib.Path(__file__).parents[1]

hypothesis.settings.register_profile("local", deadline=None)
# CI judges a change on the same examples each time.
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_configure(config):
    """Gives all processes of a session one store of compiled programs.

    A session has a store of its own, because JAX does not write the entries atomically and some
    tests kill processes. Set JAX_COMPILATION_CACHE_DIR to keep one for many sessions. The processes
    of pytest-xdist start later than this, and inherit the variable.
    """
    # Nothing of a session is left in the user's cache, and nothing of another is read there.
    cache = tempfile.mkdtemp(prefix="videolstm-cache-")
    os.environ["XDG_CACHE_HOME"] = cache
    config.add_cleanup(lambda: shutil.rmtree(cache, ignore_errors=True))
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="videolstm-compiled-")
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    jax.config.update("jax_compilation_cache_dir", os.environ["JAX_COMPILATION_CACHE_DIR"])


# The files that take longest, the longest first.
LONGEST_FILES = (
    "test_pipeline.py",
    "test_predictor.py",
    "test_lite0.py",
    "test_stage_train.py",
    "test_stage_train_resumed.py",
    "test_training_list.py",
    "test_official.py",
    "test_online.py",
    "test_bundle.py",
    "test_tvl1.py",
    "test_stage_predict.py",
    "test_decode.py",
    "test_trained_block.py",
    "test_team.py",
    "test_stage_report.py",
    "test_loop.py",
    "test_stage_extract.py",
    "test_stage_fit_convnet.py",
    "test_fit_stages.py",
    "test_step.py",
    "test_mirrored_features.py",
    "test_interrupt.py",
    "test_joint_pipeline.py",
    "test_imagenet_pipeline.py",
    "test_presets.py",
    "test_flow_size.py",
    "test_stage_evaluate.py",
    "test_mesh.py",
    "test_pipeline_plan.py",
    "test_several_processes.py",
    "test_paper_rows_run.py",
)


def pytest_collection_modifyitems(items):
    """Begins with the longest files.

    A process of pytest-xdist takes whole files in this order. One that took a long file last would
    keep the others waiting at the end.
    """
    rank = {name: at for at, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_collection_finish():
    """Keeps what imports made out of all later collections of garbage: it stays to the end."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_pod_outlives_its_test():
    yield
    end_pods()


@pytest.fixture(scope="session")
def real_data() -> pathlib.Path:
    """Returns the folder of real videos beside the checkout; skips the test where it is absent."""
    default = ROOT.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("VIDEOLSTM_REAL_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"no folder of real data at {folder}; set VIDEOLSTM_REAL_DATA to one")
    return folder


@pytest.fixture(scope="module")
def quick_pictures():
    """Lets pages be written with the fastest AVIF encoder; their files are only larger."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videolstm_jax.report.pictures.encoded.SPEED", 10)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_device_of_four():
    """Lets a training take one device where `train.devices` is 0, as on most machines.

    The tests of meshes name the number that they need.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videolstm_jax.train.mesh.mesh_device_count", lambda: 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def small_flow_batches():
    """Lets TV-L1 work on 8 pairs at a time, not 64: most test videos have fewer than 8 pairs.

    The last batch of a frame size is filled with empty pairs, which took most of the time of
    every test that computes flow. Commands that tests start keep the usual batches.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videolstm_jax.flow.packing.flow_pairs_in_batch", lambda height, width: 8)
        yield


TVL1_OF_COMMANDS = tvl1.tvl1
"""TV-L1 as a command compiles it that a test starts."""


@pytest.fixture(scope="session", autouse=True)
def optimised_flow():
    """Lets XLA optimise TV-L1, which tests run often: optimised, it takes a sixth of the time."""
    program = jax.jit(
        tvl1.tvl1.__wrapped__,
        static_argnames=("settings", "group"),
        compiler_options={"xla_backend_optimization_level": 1},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tvl1, "tvl1", program)
        yield


@pytest.fixture
def flow_of_commands(monkeypatch):
    """For tests that compare flow with that of another process, to the last bit."""
    monkeypatch.setattr(tvl1, "tvl1", TVL1_OF_COMMANDS)


@pytest.fixture(scope="session", autouse=True)
def handed_on_workers():
    """Lets crews go on with the processes of earlier crews (`spare_workers`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("videolstm_jax.video.guard.WorkerClient", SpareWorkerClient)
        yield
    end_spares()


@pytest.fixture
def own_workers(monkeypatch):
    """For tests of how crews end: each has processes of its own, and none is left of others."""
    end_spares()
    monkeypatch.setattr("videolstm_jax.video.guard.WorkerClient", WorkerClient)
