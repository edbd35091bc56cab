"""The invisible mark: 64 bits in every picture of a film, that cuts, compression, scaling and turning leave readable.

`Marker` puts it in, `Detector`, `detect`, `detect_film` and `detect_picture` find it without the original.
"""

from doublecast.trust.watermark.detector import Detector, Found, detect, detect_picture
from doublecast.trust.watermark.embed import Marker
from doublecast.trust.watermark.film import detect_film
from doublecast.trust.watermark.payload import VERSION, FilmId

__all__ = ["VERSION", "Detector", "FilmId", "Found", "Marker", "detect", "detect_film", "detect_picture"]
