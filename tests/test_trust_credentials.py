"""Claims, and what is signed into files."""

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import c2pa
import pytest
from cryptography.hazmat.primitives import hashes
from pipeline_clips import environment
from trust_certificates import P256, files, issue, pem
from trust_films import FILM, claim, film, remux, signed_film, signed_picture
from video_clips import make_clip

from doublecast.errors import OutputError
from doublecast.trust import Claim, ClaimedIdentity, ClaimedTake, Signer, offline
from doublecast.trust.credentials import ASSERTION, SOURCE_TYPE, sidecar, sign
from doublecast.trust.inspection import read_credentials
from doublecast.video import Take

# -- claims ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"takes": ()},
        {"takes": (ClaimedTake("target", "b" * 64),)},
        {"model": "e" * 63},
        {"model": "E" * 64},
        {"replaced": ((1.0, 1.0),)},
        {"replaced": ((1.0, 2.0), (1.5, 3.0))},
        {"replaced": ((0.0, float("inf")),)},
        {"replaced": ((float("nan"), 1.0),)},
        {"film": "0123"},
        {"label": {"style": 3}},
    ],
)
def test_claims_are_checked(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Claim"):
        claim(**change)
    with pytest.raises(ValueError, match=r"role|sha256"):
        ClaimedTake("nobody", "x")  # type: ignore[arg-type]
    for pseudonym, basis, record in (("Ana Müller", "self", ""), ("a", "", ""), ("a", "self", "no hash")):
        with pytest.raises(ValueError, match="ClaimedIdentity"):
            ClaimedIdentity("actor", pseudonym, basis, record)


def test_a_claim_is_read_as_it_was_written() -> None:
    said = claim(film="0123456789", label={"style": "corner", "text": "AI-altered"})
    document = json.loads(json.dumps(said.document()))
    assert Claim.read(document) == said
    changes: list[dict[str, Any]] = [{"version": 2}, {"takes": {}}, {"replaced": [1]}, {"label": []}]
    wrong: list[Any] = [None, [], {}, *({**document, **change} for change in changes)]
    for broken in wrong:
        with pytest.raises(ValueError, match="claim"):
            Claim.read(broken)


def test_hashes_are_those_of_other_tools(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert Take("a", (tmp_path / "a",), "video").sha256() == abc
    both = Take("a", (tmp_path / "a", tmp_path / "b"), "pictures").sha256()
    lines = f"{abc}  a\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
    digest = hashes.Hash(hashes.SHA256())
    digest.update(lines.encode())
    assert both == digest.finalize().hex()


# -- what is in the file ---------------------------------------------------------------------------------------------


def store(path: Path) -> dict[str, Any]:
    reader = c2pa.Reader(str(path), context=offline.context())
    found: dict[str, Any] = json.loads(reader.json())
    return found


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv"])
def test_films_are_signed(tmp_path: Path, suffix: str) -> None:
    path = film(tmp_path, f"film{suffix}")
    assert sidecar(path).exists() == (suffix == ".mkv")
    found = read_credentials(path)
    assert (found.state, found.ours, found.reasons) == ("valid", True, ())
    assert found.place == ("sidecar" if suffix == ".mkv" else "embedded")
    assert found.certificate is not None
    assert found.certificate.self_made and found.certificate.this_machine
    read = Claim.read(found.claim)
    assert {**vars(read), "label": {}} == vars(claim(film=FILM))
    assert read.label["text"] == "AI-altered"
    assert found.claim is not None
    assert (found.claim["kind"], found.claim["software"]) == ("film", "doublecast 0.1.0")


def test_the_manifest_tells_what_was_done(tmp_path: Path) -> None:
    path = film(tmp_path)
    report = store(path)
    active = report["manifests"][report["active_manifest"]]
    assert "thumbnail" not in json.dumps(report)
    assert [i["relationship"] for i in active["ingredients"]] == ["parentOf", "componentOf", "inputTo"]
    actions = next(a for a in active["assertions"] if a["label"].startswith("c2pa.actions"))["data"]["actions"]
    assert [a["action"] for a in actions] == ["c2pa.opened", "c2pa.placed", "c2pa.edited"]
    assert actions[-1]["digitalSourceType"] == SOURCE_TYPE
    assert any(a["label"] == ASSERTION for a in active["assertions"])
    data = path.read_bytes()
    for private in (str(tmp_path), "take-of-film", Path.home().name.encode().decode()):
        if private not in ("", "root"):
            assert private.encode() not in data


def test_pictures_are_signed(tmp_path: Path) -> None:
    assert read_credentials(signed_picture(tmp_path)).state == "valid"
    source = make_clip(tmp_path / "in.mp4", size=(96, 64), count=3)
    found = [read_credentials(path) for path in sorted(signed_film(source, tmp_path / "out").iterdir())]
    assert [(one.state, one.ours) for one in found] == [("valid", True)] * 3
    assert all(one.claim is not None and one.claim["kind"] == "picture" for one in found)


@pytest.mark.parametrize("last", ["out.mp4", "out.mkv"])
def test_credentials_of_an_input_are_kept(tmp_path: Path, last: str) -> None:
    first = film(tmp_path)
    second = read_credentials(signed_film(first, tmp_path / last, said=claim(model="f" * 64)))
    assert second.state == "valid"
    assert second.claim is not None and second.claim["model"] == "f" * 64
    parent = next(source for source in second.sources if source.relation == "parentOf")
    assert (parent.generator, parent.ours, parent.sound) == ("doublecast 0.1.0", True, True)
    damaged = bytearray(first.read_bytes())
    damaged[-1000] ^= 1
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    third = read_credentials(signed_film(tmp_path / "damaged.mp4", tmp_path / "third.mp4"))
    assert third.state == "valid"
    assert not next(source for source in third.sources if source.relation == "parentOf").sound


def test_pictures_keep_each_its_own(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("1.png", "2.png"):
        signed_picture(tmp_path / "in", name)
        (tmp_path / "in" / f"take-of-{name}").unlink()
    ids = []
    for path in sorted(signed_film(tmp_path / "in", tmp_path / "out").iterdir()):
        report = store(path)
        active = report["manifests"][report["active_manifest"]]
        ids.append(next(i for i in active["ingredients"] if i["relationship"] == "parentOf")["active_manifest"])
    sources = [store(tmp_path / "in" / name)["active_manifest"] for name in ("1.png", "2.png")]
    assert ids == sources


# -- put in place at once --------------------------------------------------------------------------------------------


def test_an_error_leaves_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise c2pa.C2paError("nothing works")

    with monkeypatch.context() as patch:
        patch.setattr("doublecast.trust.offline.native_signer", fails)
        with pytest.raises(OutputError, match=r"film\.mp4: its Content Credentials cannot be made \(nothing works\)"):
            film(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4.parts", "take-of-film.mp4"]
    assert read_credentials(film(tmp_path)).state == "valid"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "take-of-film.mp4"]


MOMENTS = [
    "doublecast.trust.credentials._builder",
    "doublecast.trust.offline.native_signer",
    "os.fsync",
    "doublecast.video.encode.sync_file",
    "doublecast.video.segments.SegmentStore.place",
    "doublecast.video.encode.sync_folder",
    "doublecast.video.segments.SegmentStore.remove",
]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_it_is_signed(tmp_path: Path, moment: str, name: str) -> None:
    """SIGKILL at the moment's first call after the film is assembled: no unsigned film, and the rerun finishes."""
    script = (
        "import sys, os, signal; sys.path[:0] = sys.argv[1:2]; import trust_films, doublecast.video.encode as encode;"
        "from pathlib import Path; from unittest.mock import patch; target = sys.argv[3]; real = encode.assemble\n"
        "def assemble(*a, **k):\n"
        "    done = real(*a, **k); patch(target, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)).start()\n"
        "    return done\n"
        "encode.assemble = assemble; trust_films.film(Path(sys.argv[2]), sys.argv[4])"
    )
    command = [sys.executable, "-c", script, str(Path(__file__).parent), str(tmp_path), moment, name]
    done = subprocess.run(command, env=environment(), check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    path = tmp_path / name
    assert not path.exists() or read_credentials(path).state == "valid"
    assert read_credentials(signed_film(tmp_path / "take-of-film.mp4", path)).state == "valid"
    beside = [f"{name}.c2pa"] if name.endswith("mkv") else []
    temporary = {p.name for p in tmp_path.iterdir() if p.name.endswith(".tmp")}  # of the killed process
    assert {p.name for p in tmp_path.iterdir()} - temporary == {name, "take-of-film.mp4", *beside}


def test_no_old_film_lies_beside_a_new_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every moment from when the new film is assembled until it has its name, whether it is made or not."""
    path, seen = film(tmp_path, "film.mkv"), list[str]()

    def look(*_: object) -> None:
        if path.exists() and path.suffix == ".mkv":
            seen.append(read_credentials(path).state)

    def looked(real: Callable[..., Any], *given: Any) -> Any:
        look()
        return real(*given)

    for failing in ("doublecast.trust.offline.native_signer", "doublecast.video.encode.sync_file", ""):
        with monkeypatch.context() as patch:
            for name in ("credentials._builder", "credentials.sync_folder"):
                module, _, function = name.rpartition(".")
                real = getattr(sys.modules[f"doublecast.trust.{module}"], function)
                patch.setattr(f"doublecast.trust.{name}", partial(looked, real))
            if not failing:
                signed_film(tmp_path / "take-of-film.mp4", path, film="f" * 10, overwrite=True)
                continue

            def fails(*_: object) -> None:
                look()
                raise c2pa.C2paError("nothing works")

            patch.setattr(failing, fails)
            with pytest.raises((OutputError, c2pa.C2paError)):
                signed_film(tmp_path / "take-of-film.mp4", path, film="f" * 10, overwrite=True)
        look()
        assert path.exists() == sidecar(path).exists() == ("native_signer" in failing)
    assert set(seen) <= {"valid"} and read_credentials(path).state == "valid"
    assert Claim.read(read_credentials(path).claim).film == "f" * 10


# -- no network ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}", asked
        http_server.shutdown()
        thread.join()


def test_no_network_is_asked(tmp_path: Path, server: tuple[str, list[str]]) -> None:
    url, asked = server
    signer = Signer.from_files(*files(tmp_path, issue(P256, ocsp=f"{url}/ocsp"), pem(P256)))
    assert read_credentials(film(tmp_path, signer=signer)).state == "valid"
    plain = signed_picture(tmp_path)
    native = offline.native_signer(signer.certificates, signer.key, signer.algorithm)
    made = {"actions": [{"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}]}
    builder = c2pa.Builder({"assertions": [{"label": "c2pa.actions.v2", "data": made}]}, offline.context())
    builder.set_no_embed()
    builder.set_remote_url(f"{url}/manifest.c2pa")
    with (tmp_path / "take-of-film.png").open("rb") as source, (tmp_path / "remote.png").open("w+b") as target:
        builder.sign(native, "image/png", source, target)
    assert read_credentials(tmp_path / "remote.png").state == "absent"
    signed_film(tmp_path / "remote.png", tmp_path / "of-remote.png")
    assert plain.exists() and asked == []
    with pytest.raises(c2pa.C2paError):  # the same file makes the library ask, were it not told otherwise
        c2pa.Reader("image/png", io.BytesIO((tmp_path / "remote.png").read_bytes()), context=c2pa.Context())
    assert asked == ["/manifest.c2pa"]


def test_remuxing_takes_them_off(tmp_path: Path) -> None:
    assert read_credentials(remux(film(tmp_path), tmp_path / "remuxed.mp4")).state == "absent"


def test_signing_leaves_the_file_on_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"no film at all" + os.urandom(100))
    before = path.read_bytes()
    with pytest.raises(OutputError, match="cannot be made"):
        sign(path, path, claim(), Signer.own(), source=None)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.mp4"]
