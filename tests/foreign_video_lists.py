"""labels.csv, and the lists of UCF101 and HMDB51, beside empty videos."""

from foreign_file import ForeignFile

from videolstm_jax.config import DataConfig
from videolstm_jax.dataset.listing import list_videos

_CLIPS = {
    f"videos/{name}/v_{name}_g0{group}_c01.avi": b""
    for name in ("Archery", "Biking")
    for group in (1, 2)
}
_LISTS = {
    "classInd.txt": b"1 Archery\n2 Biking\n",
    "trainlist01.txt": b"Archery/v_Archery_g01_c01.avi 1\nBiking/v_Biking_g01_c01.avi 2\n",
    "testlist01.txt": b"Archery/v_Archery_g02_c01.avi\nBiking/v_Biking_g02_c01.avi\n",
}
_HMDB51 = {
    "Archery_test_split1.txt": b"v_Archery_g01_c01.avi 1 \nv_Archery_g02_c01.avi 2 \n",
    "Biking_test_split1.txt": b"v_Biking_g01_c01.avi 1 \nv_Biking_g02_c01.avi 2 \n",
}
_LABELS = (
    b"path,label,group,part\n"
    b"Archery/v_Archery_g01_c01.avi,Archery,a,train\n"
    b"Archery/v_Archery_g02_c01.avi,Archery,b,test\n"
    b"Biking/v_Biking_g01_c01.avi,Biking,c,train\n"
    b'"Biking/v_Biking_g02_c01.avi",Biking,d,test\n'
)


def _listed(folder):
    return list_videos(DataConfig(videos=str(folder / "videos"), lists=str(folder / "lists")))


def _list_file(name, content, beside):
    lists = {f"lists/{other}": text for other, text in beside.items() if other != name}
    return ForeignFile(
        f"official list {name}",
        f"lists/{name}",
        (content,),
        _listed,
        is_text=True,
        beside={**_CLIPS, **lists},
        named="lists",
    )


LISTS = (
    ForeignFile(
        "labels.csv",
        "videos/labels.csv",
        (_LABELS,),
        lambda folder: list_videos(DataConfig(videos=str(folder / "videos"))),
        is_text=True,
        beside=_CLIPS,
        named="labels.csv",
    ),
    *(_list_file(name, content, _LISTS) for name, content in _LISTS.items()),
    _list_file("Biking_test_split1.txt", _HMDB51["Biking_test_split1.txt"], _HMDB51),
)
