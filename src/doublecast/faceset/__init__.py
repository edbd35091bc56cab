"""Faces on disk: storing, curating, looking at them, and exchanging them with folders of pictures."""

from doublecast.faceset.coverage import Coverage, coverage, gaps, missing
from doublecast.faceset.curate import Curation, Person, curate
from doublecast.faceset.exchange import Imported, export_faces, import_faces
from doublecast.faceset.record import FaceTable, StoredFace, TakeRecord, cut, face_id
from doublecast.faceset.screening import Limits
from doublecast.faceset.sheet import contact_sheet, person_sheet, save_sheet
from doublecast.faceset.store import FaceStore
from doublecast.faceset.versions import VersionInfo

__all__ = [
    "Coverage",
    "Curation",
    "FaceStore",
    "FaceTable",
    "Imported",
    "Limits",
    "Person",
    "StoredFace",
    "TakeRecord",
    "VersionInfo",
    "contact_sheet",
    "coverage",
    "curate",
    "cut",
    "export_faces",
    "face_id",
    "gaps",
    "import_faces",
    "missing",
    "person_sheet",
    "save_sheet",
]
