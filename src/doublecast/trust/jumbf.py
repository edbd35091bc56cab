"""What the standard's library does not show of credentials: the certificates, and bytes that no hash covers.

Credentials are a tree of boxes (JUMBF, ISO 19566-5): 4 bytes length, 4 bytes kind, content; a `jumb` box begins with a
`jumd` box that holds 16 bytes of type, one of toggles and a label. Input may come from anywhere: every length is
checked, nothing is decoded deeper than needed, and what does not fit raises ValueError.
"""

from collections.abc import Iterator

DEEPEST = 8  #: boxes in boxes
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # type of the box in MP4 that holds credentials


def signature(store: bytes, manifest: str) -> bytes:
    """The COSE signature (CBOR) of the manifest with this label."""
    for label, content in _super(_content(store, b"jumb")):
        if label == manifest.encode():
            for inner, parts in _super(content):
                if inner == b"c2pa.signature":
                    return _content(parts, b"cbor")
    raise ValueError(f"there is no signature of {manifest}")


def certificates(cose: bytes) -> list[bytes]:
    """The certificates (DER, leaf first) in a COSE signature: what follows its ``x5chain``, or 33 (RFC 9360)."""
    for key in (b"gx5chain", b"\x18\x21"):
        at = cose.find(key)
        if at >= 0:
            break
    else:
        raise ValueError("there are no certificates in the signature")
    at += len(key)
    count = 1
    if cose[at] >> 5 == 4:
        count, at = _length(cose, at)
    found = []
    for _ in range(min(count, DEEPEST)):
        if cose[at] >> 5 != 2:
            raise ValueError("the certificates in the signature are damaged")
        size, at = _length(cose, at)
        found.append(cose[at : at + size])
        at += size
    return found


def padded(cose: bytes) -> bool:
    """Whether the padding of a signature of ours is as it was made: zeros, no payload (null), then the signature.

    Padding is what no hash covers.
    """
    try:
        at = cose.rfind(b"cpad") + 4
        size, at = _length(cose, at)
        pad, after = cose[at : at + size], cose[at + size :]
        rest, end = _length(after, 1)
        return pad == bytes(size) and after[0] == 0xF6 and end + rest == len(after)
    except (ValueError, IndexError):
        return False


def mp4_head(data: bytes) -> tuple[bytes, bool]:
    """Of the first bytes of an MP4 file: its first box, and whether the head of the credentials' box is as made.

    Neither is covered by a hash (C2PA specification, "Hashing of BMFF-based assets").
    """
    size = int.from_bytes(data[:4], "big")
    at = size + 8
    made = data[at : at + 16] == _C2PA and data[at + 16 : at + 20] == bytes(4)
    return data[:size], made and data[at + 20 : at + 37] == b"manifest" + bytes(9)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8 or at + size > len(data):
            raise ValueError("a box is longer than what holds it")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _content(data: bytes, kind: bytes) -> bytes:
    found, content = next(_boxes(data), (b"", b""))
    if found != kind:
        raise ValueError(f"no {kind.decode()} box")
    return content


def _super(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Label and content of every `jumb` box in the content of one."""
    for kind, data in _boxes(content):
        if kind == b"jumb":
            description = _content(data, b"jumd")
            yield description[17:].split(b"\0")[0], data[8 + len(description) :]


def _length(cbor: bytes, at: int) -> tuple[int, int]:
    """The length in the head of a CBOR item (RFC 8949, 3), and where its content begins."""
    small = cbor[at] & 31
    if small < 24:
        return small, at + 1
    if small > 26:
        raise ValueError("a length that no certificate has")
    width = 1 << (small - 24)
    return int.from_bytes(cbor[at + 1 : at + 1 + width], "big"), at + 1 + width
