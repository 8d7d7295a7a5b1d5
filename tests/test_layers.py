"""The layers: imports point down only, siblings do not meet, and cheap packages stay cheap."""

import ast
import collections
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "videolstm_jax"
LAYER = {
    "errors": 0,
    "types": 0,
    "square": 0,
    "config": 0,
    "presets": 0,
    "durable": 1,
    "sealed_json": 1,
    "numpy_files": 1,
    "files": 1,
    "folders": 1,
    "json_records": 1,
    "progress_lines": 1,
    "interrupts": 1,
    "installed": 0,
    "quantities": 0,
    "lock": 1,
    "cluster": 1,
    "workdir": 1,
    "core": 2,
    "nn": 2,
    "flow": 2,
    "localize": 2,
    "measure": 2,
    "report": 2,
    "safe_readers": 2,
    "shallow": 2,
    "testing": 2.5,  # the test of a cell calls core alone
    "train": 3,
    "features": 3,
    "clips": 3,
    "dataset": 3,
    "annotations": 3,
    "score_files": 3,
    "video": 3,
    "flow_images": 3,
    "synthetic": 3,
    "trajectories": 3,
    "backbone": 4,  # the image network of a stream, as a work folder has it
    "extraction": 4.3,  # its features of all videos
    "trained": 4.3,
    "training_start": 4.6,  # what a training reads
    "results": 4.6,  # what stages left
    "stages": 5,
    "pipeline": 5.3,  # the stages in order
    "sweep": 5.6,  # several pipelines
    "paper": 5.6,  # the stages of the paper's experiments
    "cli": 6,
}
# Who of the same layer may import whom; every other pair of siblings must not meet.
MEET = {
    ("types", "errors"),
    ("config", "errors"),
    ("presets", "config"),
    ("presets", "errors"),
    ("files", "durable"),
    ("files", "sealed_json"),
    ("files", "numpy_files"),
    ("folders", "durable"),
    ("folders", "files"),
    ("folders", "sealed_json"),
    ("cluster", "interrupts"),
    ("lock", "cluster"),
    ("lock", "files"),
    ("lock", "folders"),
    ("workdir", "files"),
    ("workdir", "folders"),
    ("workdir", "json_records"),
    ("workdir", "sealed_json"),
    ("json_records", "files"),
    ("json_records", "sealed_json"),
    ("nn", "core"),
    ("nn", "safe_readers"),
    ("clips", "features"),
    ("clips", "flow_images"),
    ("clips", "video"),
    ("dataset", "annotations"),
    ("dataset", "video"),
    ("features", "dataset"),
    ("score_files", "dataset"),
    ("flow_images", "dataset"),
    ("flow_images", "video"),
    ("synthetic", "video"),
}
# Public functions that several modules define under one name, and in which packages. Each is a
# protocol: who calls one of them calls all of them in the same way.
PROTOCOLS = {
    "run": {"stages", "pipeline"},  # run(cfg): does a stage, or all of them, and returns the path
    "section": {"report"},  # section(records) -> Section: one topic of the page
    "define_flags": {"cli"},  # define_flags(values): what a command adds to its settings
    "main": {"cli"},  # main(config or arguments): what a command does
}
# What a package may not know. localize and measure serve people who never start JAX.
ARRAYS_ONLY = {"jax", "flax", "optax", "tensorflow", "absl", "os", "pathlib", "av", "PIL"}
NO_LEARNING = {"jax", "flax", "optax", "orbax", "absl"}
FORBIDDEN = {
    "core": {"flax", "optax", "orbax", "tensorflow", "absl", "os", "pathlib", "etils", "scipy"},
    "localize": ARRAYS_ONLY,
    "measure": ARRAYS_ONLY,
    "shallow": ARRAYS_ONLY | {"skimage"},
    "flow": {"cv2", "skimage", "tensorflow", "absl", "os"},
    "safe_readers": NO_LEARNING | {"tensorflow"},
    "features": NO_LEARNING | {"tensorflow"},
    "clips": NO_LEARNING,
    "dataset": NO_LEARNING,
    "annotations": NO_LEARNING | {"tensorflow"},
    "score_files": NO_LEARNING | {"tensorflow"},
    "synthetic": NO_LEARNING | {"tensorflow"},
    "trajectories": NO_LEARNING | {"tensorflow", "av", "cv2", "skimage"},
    "train": {"tensorflow", "av", "absl"},
    "report": {"jax", "tensorflow", "av", "absl"},
    "cluster": {"tensorflow", "absl"},
    "durable": {"jax", "numpy", "tensorflow", "absl"},
    "sealed_json": {"jax", "numpy", "tensorflow", "absl"},
    "numpy_files": {"jax", "tensorflow", "absl"},
    "files": {"jax", "tensorflow", "absl"},
    "json_records": {"jax", "numpy", "tensorflow", "absl"},
    "workdir": {"jax", "tensorflow", "absl"},
    "types": {"absl", "os"},
    "square": ARRAYS_ONLY,
    "errors": {"jax", "numpy", "absl", "os"},
    "config": {"jax", "numpy", "absl"},
    "presets": {"jax", "numpy", "absl"},
    "video": {"jax", "tensorflow", "absl"},
    "flow_images": {"tensorflow", "absl"},
    "stages": {"absl", "tensorflow"},
    "pipeline": {"absl", "tensorflow"},
    "sweep": {"absl", "tensorflow"},
    "paper": {"absl", "tensorflow"},
    "nn": {"absl"},
    "backbone": {"tensorflow", "absl"},
    "extraction": {"tensorflow", "absl"},
    "trained": {"tensorflow", "absl"},
    "training_start": {"tensorflow", "absl"},
    "results": {"tensorflow", "absl"},
}


def modules() -> list[pathlib.Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def package(path: pathlib.Path) -> str:
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


def imports(path: pathlib.Path) -> list[tuple[str, str]]:
    """(top-level package, package of ours or "") of every import outside `if TYPE_CHECKING`."""
    pairs = []
    tree = ast.parse(path.read_text())
    guards = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    hidden = {id(child) for guard in guards for child in ast.walk(guard)}
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            pairs.append((top, rest.split(".")[0] if top == PACKAGE else ""))
    return pairs


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    importer = package(path)
    if importer == "__init__":
        return
    assert importer in LAYER, f"{path} is in no layer"
    for top, imported in imports(path):
        assert top not in FORBIDDEN.get(importer, ()), f"{path} imports {top}"
        assert top != "launch", f"{path} imports a script"
        assert top != "absl" or importer == "cli", f"{path} imports absl"
        if not imported or (imported == importer and importer != "stages"):
            continue
        assert imported in LAYER, f"{path} imports {PACKAGE}.{imported}, which is in no layer"
        assert LAYER[imported] < LAYER[importer] or (importer, imported) in MEET, (
            f"{path} imports {imported}, which does not lie below"
        )


def test_types_imports_nothing_at_run_time():
    found = imports(ROOT / PACKAGE / "types.py")
    assert {top for top, _ in found} <= {"__future__", "typing", PACKAGE}
    assert {below for _, below in found if below} == {"errors"}


def test_no_two_modules_share_a_public_name():
    modules_of = collections.defaultdict(list)
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            is_definition = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if not is_definition or node.name.startswith("_"):
                continue
            if package(path) not in PROTOCOLS.get(node.name, ()):
                modules_of[node.name].append(str(path.relative_to(ROOT)))
    for name, paths in modules_of.items():
        assert len(paths) == 1 and name not in PROTOCOLS, f"{name} is defined in {paths}"


def test_every_file_opens_with_a_sentence():
    for path in [*modules(), *(ROOT / "launch").glob("*.py")]:
        text = ast.get_docstring(ast.parse(path.read_text()))
        assert text and text.split("\n\n")[0].rstrip().endswith("."), (
            f"{path} does not open with a sentence"
        )


@pytest.mark.parametrize(
    "statement, absent",
    [
        (
            "import videolstm_jax.localize.tubes, videolstm_jax.measure.video_ap",
            ("jax", "tensorflow", "flax"),
        ),
        (
            "import videolstm_jax.cli.main, videolstm_jax.cli.config_flags",
            ("jax", "tensorflow", "numpy.random"),
        ),
        (
            "import videolstm_jax.features.writer, videolstm_jax.clips.snippets",
            ("jax", "tensorflow"),
        ),
        ("import videolstm_jax.core.model", ("flax", "optax", "tensorflow")),
    ],
)
def test_what_an_import_costs(statement, absent):
    code = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
