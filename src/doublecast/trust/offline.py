"""The standard's library (c2pa) as it is used here: it never asks a network, and it makes no thumbnails."""

import io
from functools import lru_cache
from typing import Any

import c2pa
import numpy as np

from doublecast.video import encode_png

SETTINGS: dict[str, Any] = {
    "verify": {"ocsp_fetch": False, "remote_manifest_fetch": False, "verify_after_sign": True},
    "builder": {"thumbnail": {"enabled": False}},
    "core": {
        "allowed_network_hosts": [],
        "allow_redirects": False,
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 32,
    },
}
Failure = c2pa.C2paError  #: what the library raises


@lru_cache(maxsize=1)
def context() -> Any:
    """Settings for everything that is signed or read."""
    return c2pa.Context(c2pa.Settings.from_dict(SETTINGS))


def native_signer(certificates: bytes, key: bytes, algorithm: str) -> Any:
    """The library's signer, without a server for time stamps. Raises `Failure` for what it does not take."""
    kind = c2pa.C2paSigningAlg[algorithm]
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(kind, certificates, key, None))


def try_signer(certificates: bytes, key: bytes, algorithm: str) -> None:
    """Sign a picture of one pixel. Raises `Failure` where the certificate does not suit (see the C2PA specification,
    "Certificate profile")."""
    made = {"actions": [{"action": "c2pa.created", "digitalSourceType": "http://c2pa.org/digitalsourcetype/empty"}]}
    definition = {
        "claim_generator_info": [{"name": "doublecast"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": made}],
    }
    picture = encode_png(np.zeros((1, 1, 3), np.uint8))
    c2pa.Builder(definition, context()).sign(
        native_signer(certificates, key, algorithm), "image/png", io.BytesIO(picture), io.BytesIO()
    )
