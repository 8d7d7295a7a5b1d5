"""Plans of the paper's rows at the paper's size, whose data nobody has to have."""

import jax

from videolstm_jax.core.model import make_model
from videolstm_jax.paper.plan import plan_paper_rows
from videolstm_jax.paper.request import paper_request_of
from videolstm_jax.paper.row_names import find_paper_rows
from videolstm_jax.presets import configured
from videolstm_jax.train.graft import named_param_leaves

EXTERNAL = {name: f"scores/{name}-{{dataset}}-{{split}}.npz" for name in ("idt", "objects")}
VIDEOS = {"ucf101": "UCF-101", "hmdb51": "hmdb51_org"}


def request(preset="paper", settings=None, **options):
    cfg = configured(
        preset, workdir="work", data__videos="UCF-101", data__boxes="b.pkl", **(settings or {})
    )
    options = {"videos": VIDEOS, "external": EXTERNAL, **options}
    return paper_request_of(cfg, **options)


def plan(*names, **options):
    return plan_paper_rows(find_paper_rows(names), request(**options))


def shapes(sizes):
    """The shape of each parameter of a model by its name."""
    tree = jax.eval_shape(make_model(sizes).init, jax.random.key(0))
    return {name: leaf.shape for name, leaf in named_param_leaves(tree).items()}
