"""Opens films that may be hostile: of known formats only, and none of them names further files or addresses."""

from pathlib import Path
from typing import Any

import av

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,live_flv,ogg,mxf,gif,nut,"
    "yuv4mpegpipe,h264,hevc,dv,av1,obu,ivf,m4v,vc1,mjpeg,rm,wtv,gxf,apng"
)  #: FFmpeg's names of the formats that are opened; playlists (HLS, DASH, concat, SDP, IMF) are not among them
OPTIONS = {"protocol_whitelist": "file", "format_whitelist": CONTAINERS}


def open_container(path: Path) -> Any:
    """The `av` container of a file. A playlist is refused: its footage would lie in other files, which nobody named,
    whose content no key of the take covers, and which could be changed after the take was checked.

    Raises av.FFmpegError, OSError.
    """
    return av.open(f"file:{path.absolute()}", options=dict(OPTIONS), metadata_errors="replace")
