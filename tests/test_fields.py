"""H.264 whose pictures are fields: two packets may make one frame."""

import fractions

import av
import h264_fields
import numpy as np
import pytest
from sound_files import (
    RATE,
    assert_refused,
    assert_taken,
    ended_crew,  # noqa: F401
    ffmpegs_frames,
)

from videolstm_jax.video import decode


def coded_frames(kind):
    """The units of each of 12 frames, and the parameter sets before them."""
    height, width = 32, 48
    shade = np.add.outer(2 * np.arange(height), np.arange(width))
    frames = []
    for number in range(12):
        luma = (40 + (shade + 5 * number) % 150).astype(np.uint8)
        if kind == "some frames are not split" and number % 3 == 1:
            frames.append((h264_fields.frame(number, luma),))
            continue
        frames.append(
            h264_fields.fields(
                number,
                luma,
                bottom_first=kind == "bottom field first",
                skipped=kind == "second field predicted",
            )
        )
    return frames, h264_fields.parameters(height, width, high=kind == "High profile")


@pytest.fixture(scope="module")
def fields_muxed(tmp_path_factory):
    """Makes files of fields: a raw stream, or a container with a packet a field or a frame."""
    folder = tmp_path_factory.mktemp("fields")

    def make(kind, suffix, packets_of):
        frames, parameters = coded_frames(kind)
        tick = fractions.Fraction(1, 2 * RATE)
        raw = folder / "raw.h264"
        raw.write_bytes(parameters + b"".join(b"".join(units) for units in frames))
        if suffix == ".h264":
            return raw
        path = folder / f"a{suffix}"
        container_format = "mpegts" if suffix == ".mts" else None
        with (
            av.open(str(raw)) as source,
            av.open(str(path), "w", format=container_format) as container,
        ):
            stream = container.add_stream_from_template(source.streams.video[0])
            stream.time_base = tick
            for number, units in enumerate(frames):
                parts = units if packets_of == "fields" else (b"".join(units),)
                for place, data in enumerate(parts):
                    packet = av.Packet(data if number or place else parameters + data)
                    packet.stream, packet.time_base = stream, tick
                    packet.duration = 2 // len(parts)
                    packet.pts = packet.dts = 2 * number + place
                    packet.is_keyframe = not number and not place
                    container.mux(packet)
        return path

    return make


FIELD_KINDS = (
    "top field first",
    "bottom field first",
    "some frames are not split",
    "second field predicted",
    "High profile",
)


@pytest.mark.parametrize("kind", FIELD_KINDS)
@pytest.mark.parametrize("suffix", [".h264", ".mts"])
def test_fields_in_packets_of_their_own(fields_muxed, kind, suffix):
    path = fields_muxed(kind, suffix, "fields")
    assert_taken(path, 12)
    assert decode.probe_video(path) == (12, 48, 32, RATE)


@pytest.mark.parametrize("packets_of", ["fields", "frames"])
@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4", ".mov", ".avi", ".flv"])
def test_fields_in_containers(fields_muxed, suffix, packets_of):
    path = fields_muxed("some frames are not split", suffix, packets_of)
    assert_taken(path, 12)
    assert decode.probe_video(path) == (12, 48, 32, RATE)
    frames = decode.read_video(path, fps=RATE)
    assert len(frames) == decode.probe_video(path, fps=RATE).frames
    np.testing.assert_array_equal(frames[:12], decode.read_video(path))


@pytest.mark.parametrize("place", [0, 1])
def test_lost_fields_are_damage(tmp_path, place):
    """FFmpeg passes over a frame whose fields do not fit, without an error."""
    frames, parameters = coded_frames("top field first")
    units = [parameters]
    for number, fields in enumerate(frames):
        for field, data in enumerate(fields):
            if number not in (3, 6, 9) or field != place:
                units.append(data)
    path = tmp_path / "a.h264"
    path.write_bytes(b"".join(units))
    assert len(ffmpegs_frames(path)) < 12
    assert_refused(path, "damaged")
