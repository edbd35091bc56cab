"""The only way out to a file: everything that shows an altered face is labelled here."""

from doublecast.trust.certificates import Signer
from doublecast.trust.claim import Claim, ClaimedIdentity, ClaimedTake
from doublecast.trust.label import Label
from doublecast.trust.statement import PREFIX, Statement, software
from doublecast.trust.watermark import FilmId
from doublecast.trust.writer import FilmWriter, check_output, save_picture

__all__ = [
    "PREFIX",
    "Claim",
    "ClaimedIdentity",
    "ClaimedTake",
    "FilmId",
    "FilmWriter",
    "Label",
    "Signer",
    "Statement",
    "check_output",
    "save_picture",
    "software",
]
