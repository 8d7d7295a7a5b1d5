"""At the paper's size the plan of every row has sizes that fit, parameters, disk and hours."""

import functools
import math

import pytest
from paper_plans import plan, request, shapes

from videolstm_jax.nn.backbones import image_network
from videolstm_jax.nn.preprocessing import STREAM_CHANNELS
from videolstm_jax.paper.costs import dataset_of_paper_place, paper_cost_text, paper_task_costs
from videolstm_jax.paper.plan import plan_paper_rows
from videolstm_jax.paper.rates import measured_paper_stage_cost
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.presets import configured
from videolstm_jax.quantities import duration_text
from videolstm_jax.train.cost import sizes_of_training_features

TERAFLOPS = 100
# Thousands of videos, the same for every row.
published = functools.cache(dataset_of_paper_place)
# Side and depth of the map that each cell reads, and of its motion. A vector is a 1 x 1 map.
POOL5, FC7 = (7, 512), (1, 4096)
INPUTS = {
    "lstm": (FC7, None),
    "alstm": (POOL5, None),
    "convlstm": (POOL5, None),
    "convalstm": (POOL5, None),
    "motion_alstm": (POOL5, FC7),
    "videolstm": (POOL5, POOL5),
}
VECTOR_CELLS = {"lstm", "alstm", "motion_alstm"}
HIDDEN, HEAD, CLASSES = 512, 1024, {"ucf101": 101, "hmdb51": 51}
FRAMES = {"ucf101": 13_320 * 188, "hmdb51": 5100 * 188}


def lstm_count(window, depths):
    """W of four gates for each input of one LSTM, and b: Eqs. (1)-(4) or (10)-(13)."""
    return 4 * HIDDEN * (window * sum(depths) + 1)


def group_counts(cell, classes):
    """The parameters of the LSTMs, the attention and the classifier, counted from the equations."""
    (_, depth), motion = INPUTS[cell]
    window = 1 if cell in VECTOR_CELLS else 3 * 3
    lstms = lstm_count(window, [depth, HIDDEN])
    if motion:
        # Eqs. (10)-(13): M_t, H^m of the frame before, and through W_e the top layer's H.
        lstms += lstm_count(window, [motion[1], HIDDEN, HIDDEN])
    attention = 0
    if cell not in ("lstm", "convlstm"):
        # Eq. (7): W_xa, W_ha, b_a and W_z, of 512 channels.
        attention = (depth + HIDDEN + 1 + 1) * 512
    head = (state_places(cell) * HIDDEN + 1) * HEAD + (HEAD + 1) * classes
    return lstms, attention, head


def state_places(cell):
    return 1 if cell in VECTOR_CELLS else 7 * 7


def parameter_count(cell, classes):
    return sum(group_counts(cell, classes))


def operation_count(cell, classes):
    """A product and a sum for each weight: of the LSTMs at each place, of the classifier once."""
    lstms, attention, head = group_counts(cell, classes)
    # The attention of every cell reads 7 x 7 places; a vector state is multiplied only once.
    attended = attention * 7 * 7
    if attention and cell in VECTOR_CELLS:
        attended -= HIDDEN * 512 * (7 * 7 - 1)
    return 2 * (lstms * state_places(cell) + attended + head)


@pytest.mark.parametrize("dataset", CLASSES)
@pytest.mark.parametrize("cell", INPUTS)
def test_the_parameters_of_a_cell_are_those_of_the_equations(cell, dataset):
    videos, _ = published(f"work/{dataset}-1")
    leaves = shapes(sizes_of_training_features(configured("paper", cell), videos))
    total = sum(math.prod(shape) for shape in leaves.values())
    assert total == parameter_count(cell, CLASSES[dataset])


@pytest.fixture(scope="module")
def costs():
    """The cost of every stage of all rows, by its name; nothing is timed."""
    tasks = plan(settings={"convnet__weights": "vgg16.h5"}, external={})
    return {cost.task.name: cost for cost in paper_task_costs(tasks, TERAFLOPS)}


@pytest.mark.parametrize("row", find_paper_rows([]), ids=lambda row: row.name)
def test_the_plan_of_a_row_is_consistent(row, costs):
    tasks = plan_paper_rows([row], request(settings={"convnet__weights": "vgg16.h5"}, external={}))
    for task in tasks:
        cost, cfg = costs[task.name], task.step.cfg
        dataset = task.name.partition("-")[0]
        assert cost.seconds > 0 and cost.disk > 0 and not cost.finished, task.name
        assert cost.frames == FRAMES[dataset]
        if task.step.stage == "train":
            _check_training(cost, cfg, dataset)
        if task.step.stage == "extract":
            _check_features(cost, cfg, dataset)
    # The cell of the row is trained on each split, from features that its backbones have.
    trained = [task.step.cfg for task in tasks if task.step.stage == "train"]
    if row.cell in INPUTS:
        assert row.cell in {cfg.model.cell for cfg in trained}
        assert row.features == ("fc7" if INPUTS[row.cell][0] == FC7 else "pool5")
    extracted = {cfg.data.stream for cfg in _configs(tasks, "extract")}
    assert extracted == set(row.backbones)


def _configs(tasks, stage):
    return [task.step.cfg for task in tasks if task.step.stage == stage]


def _check_training(cost, cfg, dataset):
    """Shapes of the features, and time and disk that follow from the number of parameters."""
    videos, _ = published(cfg.workdir)
    sizes, cell = sizes_of_training_features(cfg, videos), cfg.model.cell
    features, motion = INPUTS[cell]
    assert (sizes.map_size, sizes.depth) == features
    if motion:
        assert (sizes.motion_size, sizes.motion_depth) == motion
    count = parameter_count(cell, CLASSES[dataset])
    # Checkpoints have each parameter and its RMSprop average, float32, and some numbers more.
    assert cost.disk / (2 * count * 4) == pytest.approx(round(cost.disk / (2 * count * 4)), 1e-3)
    frames = cfg.train.steps * cfg.data.batch * cfg.data.frames
    expected = 4 * frames * operation_count(cell, CLASSES[dataset]) / (1e12 * TERAFLOPS)
    assert cost.seconds == pytest.approx(expected, rel=0.2), cost.seconds / expected


def _check_features(cost, cfg, dataset):
    """float16 of pool5, fc7 and logits of every frame but the last of each video."""
    channels = STREAM_CHANNELS[cfg.data.stream]
    network = image_network(cfg.convnet, channels, CLASSES[dataset])
    assert dict(network.layers) == {
        "pool5": (7, 7, 512),
        "fc7": (4096,),
        "logits": (CLASSES[dataset],),
    }
    frames = FRAMES[dataset] * 187 // 188
    assert cost.disk == frames * 2 * (7 * 7 * 512 + 4096 + CLASSES[dataset])


def test_the_cost_of_a_table_has_disk_and_hours(costs):
    extracted = costs["ucf101-1/extract rgb"]
    # docs/costs.md: 124.8 + 20.4 GB a stream, from frames that were counted there.
    assert 140e9 < extracted.disk < 150e9
    # 13.7 GFLOP a frame, forwards and backwards, would be 2.9 hours; an update counts as 4 passes.
    assert 3600 * 2.9 < costs["ucf101-1/train videolstm-rgb"].seconds < 3600 * 4.5
    assert costs["hmdb51-3/train videolstm-rgb"].disk > 1e9
    text = paper_cost_text(list(costs.values()), TERAFLOPS)
    assert "work/ucf101-1: 13320 videos, 2,504,160 frames" in text
    assert f"one device that sustains {TERAFLOPS} TFLOP/s" in text
    # The sum has every stage, those with measured rates too.
    (together,) = [line for line in text.splitlines() if line.startswith("together")]
    assert duration_text(sum(cost.seconds for cost in costs.values())) in together
    assert " - " not in text


def test_stages_on_a_processor_have_measured_rates(costs):
    # docs/costs.md has 31.2 h and 19.4 GB, docs/trajectories.md 80 to 850 GB.
    assert costs["ucf101-1/prepare"].seconds == pytest.approx(31.2 * 3600, rel=0.02)
    assert costs["ucf101-1/prepare"].disk == pytest.approx(19.4e9, rel=0.02)
    assert 80e9 < costs["ucf101-1/idt"].disk < 850e9
    assert costs["ucf101-1/idt"].seconds == pytest.approx(FRAMES["ucf101"] / 4.3)
    dataset, _ = published("work/ucf101-1")
    # Below 190 GB and 5.8 GB of Fisher vectors with this limit, says docs/trajectories.md.
    limited = measured_paper_stage_cost("idt", configured("paper", idt__limit=10_000), dataset)
    assert limited.disk == pytest.approx(192e9, rel=0.02)
    given = measured_paper_stage_cost("idt", configured("paper", idt__files="tracks"), dataset)
    assert given.seconds == 0 and given.disk == pytest.approx(5.8e9, rel=0.01)
    online = measured_paper_stage_cost("prepare", configured("paper", flow__online=True), dataset)
    assert online.seconds == pytest.approx(24 * 60, rel=0.03) and online.disk == 0
    every, fourth = (
        measured_paper_stage_cost("objects", configured("paper", objects__stride=stride), dataset)
        for stride in (1, 4)
    )
    assert fourth.seconds < every.seconds / 3 and fourth.disk == every.disk
    assert measured_paper_stage_cost("train", configured("paper"), dataset) is None
