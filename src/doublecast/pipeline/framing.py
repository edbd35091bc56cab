"""Messages between two processes of this package: a JSON object and blobs of bytes, each with its length before it."""

import json
import struct
from collections.abc import Mapping, Sequence
from io import RawIOBase
from typing import IO, Any

MOST = 1 << 28  #: bytes of one part; what claims more is no message
_LENGTH = struct.Struct(">I")


def send(pipe: IO[bytes], document: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Write one message."""
    parts = [json.dumps({"document": document, "blobs": len(blobs)}).encode(), *blobs]
    pipe.write(b"".join(_LENGTH.pack(len(part)) + part for part in parts))
    pipe.flush()


def receive(pipe: IO[bytes] | RawIOBase) -> tuple[dict[str, Any], list[bytes]] | None:
    """The next message, None at the end. pipe: may give less than was asked for.

    Raises ValueError for what is none, EOFError where it breaks off.
    """
    head = _part(pipe, first=True)
    if head is None:
        return None
    data = json.loads(head)
    blobs = [_part(pipe) or b"" for _ in range(data["blobs"])]
    document: dict[str, Any] = data["document"]
    return document, blobs


def _part(pipe: IO[bytes] | RawIOBase, *, first: bool = False) -> bytes | None:
    length = _exactly(pipe, _LENGTH.size, first=first)
    if length is None:
        return None
    (size,) = _LENGTH.unpack(length)
    if size > MOST:
        raise ValueError(f"a part of {size} bytes is no message")
    return _exactly(pipe, size)


def _exactly(pipe: IO[bytes] | RawIOBase, size: int, *, first: bool = False) -> bytes | None:
    """Exactly so many bytes; None where it is the end before a message."""
    got = bytearray()
    while len(got) < size:
        more = pipe.read(size - len(got))
        if not more:
            if first and not got:
                return None
            raise EOFError("the message breaks off")
        got += more
    return bytes(got)
