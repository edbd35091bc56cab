"""The only way out to a file: everything that shows an altered face is labelled here."""

from doublecast.trust.label import SEEN, Label, declared_label, labelled, seen
from doublecast.trust.statement import PREFIX, Statement, software
from doublecast.trust.writer import FilmWriter, check_output, save_picture

__all__ = [
    "PREFIX",
    "SEEN",
    "FilmWriter",
    "Label",
    "Statement",
    "check_output",
    "declared_label",
    "labelled",
    "save_picture",
    "seen",
    "software",
]
