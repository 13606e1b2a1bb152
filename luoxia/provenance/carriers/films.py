"""Films, and sound in Ogg: the label written by FFmpeg's muxers, the packets copied as they are, none encoded anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from luoxia.core.errors import UserError
from luoxia.provenance.carriers import boxes, comments, ebml
from luoxia.provenance.carriers.bounded import MalformedError, Reading
from luoxia.provenance.label import KEY, Label

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".m4a": "ipod",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ogg": "ogg",
    ".oga": "ogg",
    ".ogv": "ogg",
    ".opus": "opus",
}
FORMATS = tuple(MUXERS)
BOXES = ("mp4", "ipod", "mov")
DEMUXERS = {"mp4": "mp4", "ipod": "mp4", "mov": "mov", "opus": "ogg", "webm": "matroska"}
OF_THE_CONTAINER = ("major_brand", "minor_version", "compatible_brands", "encoder")


def labels(file: BinaryIO) -> Iterator[Reading]:
    head = file.read(4)
    file.seek(0)
    if head == b"OggS":
        return comments.ogg_labels(file)
    return ebml.labels(file) if head == ebml.HEAD.to_bytes(4) else boxes.labels(file)


def write(path: Path, label: Label) -> None:
    import av
    from av.error import FFmpegError

    muxer = MUXERS[path.suffix.lower()]
    options = {}
    if muxer in BOXES:
        with path.open("rb") as file:
            streamed = boxes.is_index_first(file)
        options["movflags"] = "use_metadata_tags+faststart" if streamed else "use_metadata_tags"
    # FFmpeg opens what it wrote once more by its name, in which a relative one could read as a protocol's.
    beside = path.absolute().with_name(f"{path.name}.labelled")
    try:
        # Open files and one format each: a name could mean a protocol, and a list of files could mean others.
        with path.open("rb") as old, beside.open("xb+") as new:
            demuxer = DEMUXERS.get(muxer, muxer)
            with (
                av.open(old, "r", format=demuxer, metadata_errors="replace") as source,
                av.open(new, "w", format=muxer, options=options) as made,
            ):
                _copy(source, made, label)
        os.replace(beside, path)
    except (FFmpegError, ValueError) as error:  # ValueError: a stream that FFmpeg cannot make out
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:100]
        raise MalformedError(f"FFmpeg cannot copy it ({reason})", f"FFmpeg 无法复制它（{reason}）") from error
    finally:
        beside.unlink(missing_ok=True)


def _copy(source: InputContainer, made: OutputContainer, label: Label) -> None:
    in_streams = made.format.name in ("ogg", "opus")  # where comments belong to the stream
    streams: dict[int, Any] = {}
    made.metadata.update(_without_label(source.metadata))
    for stream in source.streams:
        if stream.type not in ("video", "audio", "subtitle"):
            raise MalformedError(
                f"it holds a stream of {stream.type or 'an unknown kind'}, which would be lost; take it out first",
                f"它含有 {stream.type or '未知类型'} 流，写入标识会丢失该流；请先将其移除",
            )
        streams[stream.index] = made.add_stream_from_template(stream, opaque=True)
        streams[stream.index].metadata.update(_without_label(stream.metadata))
        if in_streams:
            streams[stream.index].metadata[KEY] = label.to_json()
    if not in_streams:
        made.metadata[KEY] = label.to_json()
    if chapters := source.chapters():
        made.set_chapters(chapters)
    for packet in source.demux():
        if packet.size:  # an empty one ends a stream
            packet.stream = streams[packet.stream.index]
            made.mux(packet)


def _without_label(metadata: dict[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in metadata.items()
        if key.upper() != KEY
        and key.lower() not in OF_THE_CONTAINER
        and not value.lstrip().encode().startswith(boxes.LABELS)
    }
