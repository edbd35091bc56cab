import os
import sys
from pathlib import Path

import pytest

from doublecast.errors import KeysError
from doublecast.trust import keys


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(keys.FOLDER, str(tmp_path / "keys"))
    return tmp_path / "keys"


def test_the_key_is_made_once_and_signs(folder: Path) -> None:
    first, again = keys.personal_key(), keys.personal_key()
    public = keys.public_text(first.public_key())
    assert public == keys.public_text(again.public_key())
    signature = again.sign(b"words").hex()
    assert keys.verified(public, signature, b"words")
    assert not keys.verified(public, signature, b"other words")
    assert not keys.verified(public, "no hex", b"words")
    assert not keys.verified(public[:10], signature, b"words")


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes on Windows")
def test_nobody_else_may_read_it(folder: Path) -> None:
    keys.personal_key()
    path = folder / keys.PERSONAL
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in folder.iterdir()] == [keys.PERSONAL]
    path.chmod(0o644)
    with pytest.raises(KeysError, match="chmod 600"):
        keys.personal_key()


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_named_and_kept(folder: Path, content: bytes) -> None:
    keys.write_secret(folder / keys.PERSONAL, content)
    with pytest.raises(KeysError, match=r"user\.key is damaged"):
        keys.personal_key()
    assert (folder / keys.PERSONAL).read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32" or os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    with pytest.raises(KeysError, match="DOUBLECAST_KEYS"):
        keys.personal_key()


def test_a_file_in_the_folders_place(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(KeysError, match="DOUBLECAST_KEYS"):
        keys.personal_key()


@pytest.mark.parametrize("links", [True, False])
def test_a_key_that_appears_meanwhile_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """Another first run finishes at the last moment; without links, a moment before."""
    path, sync = folder / "x.key", os.fsync

    def appears(*_: object) -> bool:
        path.write_bytes(b"theirs")
        return False

    def unlinked(*_: object) -> None:
        raise PermissionError(1, "no links")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: (sync(handle), appears())[0])
        if links:
            patch.setattr(Path, "exists", appears)  # for who looks first and writes then
        else:
            patch.setattr("os.link", unlinked)
        keys.write_secret(path, b"ours")
    assert path.read_bytes() == b"theirs"
    assert [file.name for file in folder.iterdir()] == ["x.key"]


def test_a_file_system_without_links(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unlinked(*_: object) -> None:
        raise PermissionError(1, "no links")

    monkeypatch.setattr("os.link", unlinked)
    keys.write_secret(folder / "x.key", b"ours")
    assert (folder / "x.key").read_bytes() == b"ours"
    assert [file.name for file in folder.iterdir()] == ["x.key"]
