"""The user's own keys, made on first use and readable by nobody else.

They lie in the user's config folder, or in the one that the environment variable ``DOUBLECAST_KEYS`` names.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

import platformdirs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from doublecast.disk import disk_message
from doublecast.errors import KeysError

FOLDER = "DOUBLECAST_KEYS"  #: environment variable that names another folder
PERSONAL = "user.key"  #: signs consent records


def keys_folder() -> Path:
    """Where the user's keys lie; it need not exist yet."""
    given = os.environ.get(FOLDER)
    return Path(given).expanduser().absolute() if given else platformdirs.user_config_path("doublecast")


def personal_key() -> Ed25519PrivateKey:
    """The key that signs this user's records (Ed25519, RFC 8032), made on first use.

    Raises KeysError where it cannot be read or written, is damaged, or where others may read it.
    """
    path = keys_folder() / PERSONAL
    if not path.exists():
        secret = Ed25519PrivateKey.generate()
        pem = secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_secret(path, pem)
    try:
        found = serialization.load_pem_private_key(read_secret(path), password=None)
    except (ValueError, TypeError) as error:
        raise KeysError(f"{path} is damaged; restore it from a backup, or move it away to get a new key") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise KeysError(f"{path} is no Ed25519 key; restore it from a backup, or move it away to get a new key")
    return found


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as 64 hex digits."""
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def verified(public: str, signature: str, data: bytes) -> bool:
    """Whether this signature (hex) of ``data`` was made with the key of this `public_text`."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_secret(path: Path) -> bytes:
    """The content of a secret file. Raises KeysError where it cannot be read, or where others may read it."""
    try:
        if sys.platform != "win32" and path.stat().st_mode & 0o077:
            raise KeysError(f"{path} can be read by others; run: chmod 600 {path}")
        return path.read_bytes()
    except OSError as error:
        raise KeysError(f"{path}: cannot be read ({error.strerror})") from error


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that only the user can read, whole or not at all; one that appeared meanwhile is kept.

    Raises KeysError where it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _name(temporary, path)
    except OSError as error:
        raise KeysError(f"{disk_message(path, error)}; set {FOLDER} to another folder") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _name(temporary: Path, path: Path) -> None:
    """Give a finished file its name, unless that is taken: at once, where the file system has links."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except (OSError, NotImplementedError):  # no links there, as on FAT
        if not path.exists():
            temporary.replace(path)
