"""The only way out to a file: everything that shows an altered face is labelled here."""

from doublecast.trust.label import Label
from doublecast.trust.statement import PREFIX, Statement, software
from doublecast.trust.watermark import FilmId
from doublecast.trust.writer import FilmWriter, check_output, save_picture

__all__ = ["PREFIX", "FilmId", "FilmWriter", "Label", "Statement", "check_output", "save_picture", "software"]
