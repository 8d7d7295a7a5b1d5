"""A file that only names other files is no video, whatever it is called."""

import pytest
from small_films import smooth

from videolstm_jax.errors import VideoError
from videolstm_jax.video import decode, encode, live

CONCAT = "ffconcat version 1.0\nfile {}\n"
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
DASH = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT9S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>"
)
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"


@pytest.fixture(scope="module")
def private_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("private") / "private.mp4"
    encode.write_video(path, smooth(4, 24, 32))
    return path


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "list.ffconcat", "clip.m3u8", "clip.sdp"])
@pytest.mark.parametrize("content", [CONCAT, HLS, DASH, SDP])
@pytest.mark.parametrize("reference", ["{0.name}", "{0}", "file://{0}", "http://127.0.0.1:9/{0}"])
def test_a_list_of_other_files_is_refused(private_video, name, content, reference):
    path = private_video.parent / name
    path.write_text(content.format(reference.format(private_video)))
    with pytest.raises(VideoError, match=rf"{name}: damaged"):
        decode.probe_video(path)
    with pytest.raises(VideoError, match=rf"{name}: damaged"), live.open_live_video(path) as source:
        next(source.frames)


def test_a_list_that_comes_through_a_pipe_is_refused(private_video):
    path = private_video.parent / "piped"
    path.write_text(CONCAT.format(private_video.name))
    with (
        path.open("rb") as pipe,
        pytest.raises(VideoError, match="a list of other files"),
        live.open_live_video("-", pipe=pipe) as source,
    ):
        next(source.frames)
