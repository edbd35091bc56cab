"""The only way out to a file: labelled, marked and signed. And who is used on what basis."""

from doublecast.trust.basis import Basis
from doublecast.trust.certificates import Signer
from doublecast.trust.claim import Claim, ClaimedIdentity, ClaimedTake
from doublecast.trust.consent import ConsentRecord, claimed, record_hash
from doublecast.trust.guard import Guard
from doublecast.trust.label import SEEN, Label, declared_label, labelled, seen
from doublecast.trust.statement import PREFIX, Statement, software
from doublecast.trust.watermark import FilmId
from doublecast.trust.writer import FilmWriter, check_output, save_picture

__all__ = [
    "PREFIX",
    "SEEN",
    "Basis",
    "Claim",
    "ClaimedIdentity",
    "ClaimedTake",
    "ConsentRecord",
    "FilmId",
    "FilmWriter",
    "Guard",
    "Label",
    "Signer",
    "Statement",
    "check_output",
    "claimed",
    "declared_label",
    "labelled",
    "record_hash",
    "save_picture",
    "seen",
    "software",
]
