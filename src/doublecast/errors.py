"""Every error a user can cause. The command line prints the message and leaves with ``exit_code``.

::

    DoublecastError              anything this package reports on purpose
    ├── InputError               a take, picture or option that cannot be used (exit 2)
    │   ├── NoFaceError          nothing to work with: no face, or too few
    │   └── AmbiguousFaceError   several people are equally present: the user has to choose
    ├── OutputError              the output exists, cannot be written, or the disk is full (exit 2)
    ├── ProductionError          a work folder of another job or another version (exit 2)
    │   └── InUseError           another process works there
    ├── WeightsError             a weights archive is missing, cannot be fetched, or has a wrong hash (exit 2)
    ├── ModelError               a checkpoint that does not fit this version or this job (exit 2)
    ├── ConsentError             an identity without a basis, or a record that does not hold (exit 2)
    ├── KeysError                the user's signing keys or certificates cannot be used (exit 2)
    └── RefusedError             what this tool does not do: sexual imagery (exit 3)
"""


class DoublecastError(Exception):
    """Base of all errors raised on purpose: the text says what was wrong, where, and how to mend it."""

    exit_code = 2


class InputError(DoublecastError):
    """A take, picture or option that cannot be used."""


class NoFaceError(InputError):
    """No face, or too few faces, in the material of one side."""


class AmbiguousFaceError(InputError):
    """Several people are about equally present, so the user has to say whose face is meant."""


class OutputError(DoublecastError):
    """The output exists already, cannot be written, or the disk is full."""


class ProductionError(DoublecastError):
    """A production folder of another job, another version, or in use by another process."""


class InUseError(ProductionError):
    """Another process works in this folder; it is free again when that ends."""


class WeightsError(DoublecastError):
    """Third-party weights are missing, cannot be fetched, or do not match their SHA-256."""


class ModelError(DoublecastError):
    """A checkpoint that is damaged, of another format version, or of another job."""


class ConsentError(DoublecastError):
    """An identity without a recorded basis, or a record that was changed, revoked, or made for somebody else."""


class KeysError(DoublecastError):
    """The user's signing keys or certificates cannot be read, written, or used."""


class RefusedError(DoublecastError):
    """Material that is refused whatever the basis: sexual imagery."""

    exit_code = 3


def words(error: BaseException) -> str:
    """What to tell the user about an error: its text; what to do where access is not allowed; else that it is a bug."""
    if isinstance(error, DoublecastError):
        return str(error)
    if isinstance(error, PermissionError):
        return f"{error.filename or 'a file'}: access is not allowed; choose another place or change its rights"
    return f"unexpected {type(error).__name__}: {error}"
