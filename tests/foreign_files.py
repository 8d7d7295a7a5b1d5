"""Every kind of file that may come from a stranger, with its reader."""

from foreign_annotations import ANNOTATIONS
from foreign_inputs import FEATURES
from foreign_scores import SCORES
from foreign_video_lists import LISTS
from foreign_weights import WEIGHTS
from foreign_workdirs import WORK_FOLDERS

FOREIGN_FILES = (*SCORES, *LISTS, *ANNOTATIONS, *WORK_FOLDERS, *FEATURES, *WEIGHTS)
"""All kinds of files whose readers are cheap."""
