"""Frames in and out: exact times, rotation, colour tags, sound, picture series."""

from doublecast.video.access import FrameAccess
from doublecast.video.colour import Colour
from doublecast.video.encode import FilmEncoder, check_path, is_film, picture_names
from doublecast.video.pictures import encode_jpeg, encode_png, read_picture, read_png_text
from doublecast.video.planes import composite
from doublecast.video.read import Reader, TakeInfo, probe
from doublecast.video.takes import PICTURES, VIDEOS, Take, find_takes

__all__ = [
    "PICTURES",
    "VIDEOS",
    "Colour",
    "FilmEncoder",
    "FrameAccess",
    "Reader",
    "Take",
    "TakeInfo",
    "check_path",
    "composite",
    "encode_jpeg",
    "encode_png",
    "find_takes",
    "is_film",
    "picture_names",
    "probe",
    "read_picture",
    "read_png_text",
]
