"""The report of a production: one HTML file that holds everything and loads nothing."""

from doublecast.report.content import (
    Comparison,
    FacesetPart,
    FilmPart,
    Picture,
    PoseMap,
    Preview,
    Report,
    StageTime,
)
from doublecast.report.page import render, write_report

__all__ = [
    "Comparison",
    "FacesetPart",
    "FilmPart",
    "Picture",
    "PoseMap",
    "Preview",
    "Report",
    "StageTime",
    "render",
    "write_report",
]
