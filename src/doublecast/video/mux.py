"""Segments and the take's sound become one film file."""

import heapq
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from doublecast.video.container import open_container
from doublecast.video.orient import Orientation
from doublecast.video.segments import Picture, Segment, read_packets

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}  #: suffix to FFmpeg's muxer
PLAYED = {"aac", "mp3", "mp2", "ac3", "eac3", "alac", "flac", "opus"}
COPIED = {"mp4": PLAYED, "mov": PLAYED - {"flac", "opus"}}  #: sound that players expect there
AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}  #: by number of channels
AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)


def assemble(
    path: Path,
    form: str,
    picture: Picture,
    segments: list[Segment],
    *,
    orientation: Orientation,
    sound: Path | None,
    start: Fraction,
    metadata: Mapping[str, str],
) -> list[str]:
    """Write the film. start: seconds taken off all times. Returns what was wrong with the sound.

    Sound packets are copied where players know the codec in this container, otherwise (or where the container refuses)
    encoded as AAC; either way they keep their times. Raises OSError or av.FFmpegError if the file cannot be written.
    """
    try:
        return _assemble(path, form, picture, segments, orientation, sound, start, metadata, copy=True)
    except (av.error.InvalidDataError, av.error.ArgumentError):
        return _assemble(path, form, picture, segments, orientation, sound, start, metadata, copy=False)


def _assemble(
    path: Path,
    form: str,
    picture: Picture,
    segments: list[Segment],
    orientation: Orientation,
    sound: Path | None,
    start: Fraction,
    metadata: Mapping[str, str],
    *,
    copy: bool,
) -> list[str]:
    options: dict[str, str] = {}
    if form in COPIED:  # edit lists count in the movie's timescale: with the take's own, a late start stays exact
        ticks = picture.time_base.denominator
        options = {"movflags": "faststart", "movie_timescale": str(ticks * -(-1000 // ticks))}
    problems: list[str] = []
    with av.open(str(path), "w", format=form, container_options=options) as out:
        out.metadata.update(metadata)
        video = out.add_stream("libx264", rate=picture.rate)
        picture.configure(video.codec_context)
        video.time_base = picture.time_base
        video.metadata["encoder"] = metadata.get("encoder", "libx264")
        if orientation.matrix is not None:
            video.set_display_matrix(orientation.matrix)
        shift = round(start / picture.time_base)
        streams = [_video(video, picture, segments, shift)]
        source = open_container(sound) if sound else None
        try:
            if source is not None:
                audio = {s.index: _audio_stream(out, s, form, copy) for s in source.streams.audio if s.codec_context}
                streams.append(_audio(source, audio, start, problems))
            out.start_encoding()
            for _, _, packet in heapq.merge(*(_timed(stream, place) for place, stream in enumerate(streams))):
                out.mux_one(packet)
        finally:
            if source is not None:
                source.close()
    return problems


def _timed(packets: Iterator[Any], place: int) -> Iterator[tuple[Fraction, tuple[int, int], Any]]:
    """Packets with their decoding time in seconds and a number that makes every tuple different."""
    for count, packet in enumerate(packets):
        yield (packet.dts if packet.dts is not None else 0) * packet.time_base, (place, count), packet


def _video(stream: Any, picture: Picture, segments: list[Segment], shift: int) -> Iterator[Any]:
    for data, pts, dts, key, duration in read_packets(segments):
        packet: Any = av.Packet(data)
        packet.stream, packet.time_base = stream, picture.time_base
        packet.pts, packet.dts, packet.duration, packet.is_keyframe = pts - shift, dts - shift, duration, key
        yield packet


def _audio_stream(out: Any, source: Any, form: str, copy: bool) -> Any:
    """The output's stream for a stream of sound, and whether its packets are copied."""
    codec = source.codec_context.codec.canonical_name
    copied = copy and (form not in COPIED or codec in COPIED[form] or (form == "mov" and codec.startswith("pcm_")))
    if copied:
        stream = out.add_stream_from_template(source)
    else:
        rate = next((r for r in AAC_RATES if r <= source.rate), 8000)
        channels = source.layout.nb_channels if source.layout.nb_channels in AAC_LAYOUTS else 2
        stream = out.add_stream("aac", rate=rate, layout=AAC_LAYOUTS[channels])
        stream.bit_rate = 96000 * channels
    stream.metadata.update({key: value for key, value in source.metadata.items() if key == "language"})
    return stream, copied


def _audio(source: Any, streams: dict[int, Any], start: Fraction, problems: list[str]) -> Iterator[Any]:
    """Packets of the sound with their own times less ``start``; damaged ones are left out."""
    last: dict[int, int] = {}
    lost = 0
    packets = source.demux([source.streams[index] for index in streams])
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            lost += 1
            break
        if packet is None:
            break
        index, (out, copied) = packet.stream.index, streams[packet.stream.index]
        if not copied:
            try:
                frames = packet.decode()
            except av.FFmpegError:
                lost += 1
                continue
            for frame in frames:
                if frame.pts is not None:
                    frame.pts -= round(start / frame.time_base)
                    yield from out.encode(frame)
        elif packet.dts is not None and packet.dts > last.get(index, packet.dts - 1):
            last[index] = packet.dts
            ticks = round(start / packet.time_base)
            shown = packet.dts if packet.pts is None else packet.pts
            packet.pts, packet.dts, packet.stream = shown - ticks, packet.dts - ticks, out
            yield packet
    for out, copied in streams.values():
        if not copied:
            yield from out.encode(None)
    if lost:
        problems.append(f"the sound is damaged in {lost} places.")
