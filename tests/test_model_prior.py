"""Weights to start from: how they are folded, resampled and shipped."""

from importlib.resources import as_file, files
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from doublecast.model import prior
from doublecast.model.networks import Network, NetworkConfig
from doublecast.types import VECTOR


def random_prior(seed: int = 0) -> prior.Prior:
    torch.manual_seed(seed)
    made = prior.Prior().eval().requires_grad_(False)
    for value in made.parameters():
        value.add_(0.02 * torch.randn_like(value))
    return made


def test_a_cast_decoder_does_what_the_prior_does_with_the_vector() -> None:
    made = random_prior()
    x, vector = torch.rand(2, 4, 128, 128), torch.randn(VECTOR)
    expected, code = made(x, vector.expand(2, -1)), made.encoder(x)
    torch.testing.assert_close(made.cast(vector)(code), expected, atol=1e-5, rtol=1e-4)
    other = made.cast(-vector)(code)
    assert (other - expected).abs().mean() > 1e-4, "the vector changes nothing"


def test_casting_leaves_the_prior_as_it_is() -> None:
    made = random_prior()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    made.cast(torch.randn(VECTOR))
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())


def test_the_same_size_starts_with_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    made = random_prior()
    monkeypatch.setattr(prior, "load", lambda: made)
    network = Network(NetworkConfig(size=128))
    vector = torch.randn(VECTOR)
    prior.start(network, [None, vector])
    x = torch.rand(1, 4, 128, 128)
    torch.testing.assert_close(network.encoder(x), made.encoder(x))
    code = network.encoder(x)
    torch.testing.assert_close(network.decoders[1](code), made.cast(vector)(code))
    torch.testing.assert_close(network.decoders[0](code), made.cast(made.mean)(code))


@pytest.mark.parametrize("size", [96, 192, 256])
def test_other_sizes_start_nearly_the_same(size: int) -> None:
    mine, x = Network(NetworkConfig(size=size)), torch.rand(1, 4, 12, 12)
    prior.start(mine, [None, None])
    theirs = prior.load()
    faces = [F.interpolate(x, (s, s), mode="bicubic", align_corners=False).clamp(0, 1) for s in (size, 128)]
    with torch.no_grad():
        code = theirs.encoder(faces[1])
        assert (mine.encoder(faces[0]) - code).norm() < 0.3 * code.norm()
        shown = F.interpolate(mine.decoders[0](code), (128, 128), mode="bilinear", antialias=True)
        expected = theirs.cast(theirs.mean)(code)
        assert (shown - expected).abs().mean() < 0.02


def test_the_shipped_file_is_small_half_precision_and_explained() -> None:
    folder = files("doublecast.assets")
    with as_file(folder / prior.FILE) as path:
        assert path.stat().st_size <= 30e6
        assert {value.dtype for value in prior.read(path).values()} == {torch.float16}
    card = (folder / "prior.md").read_text(encoding="utf-8")
    for word in ("FairFace", "CC BY 4.0", "performers", "CC0", "not for"):
        assert word in card


def test_the_same_faces_come_out_as_different_people() -> None:
    """With the prior alone it is the vector that says who is seen: opposite vectors give different faces."""
    made, torch_rng = prior.load(), torch.Generator().manual_seed(1)
    x = torch.rand(2, 4, 128, 128, generator=torch_rng)
    vector = made.mean + 2 * made.deviation * torch.randn(VECTOR, generator=torch_rng)
    with torch.no_grad():
        code = made.encoder(x)
        one, other = made.cast(vector)(code), made.cast(2 * made.mean - vector)(code)
    assert (one - other).abs().mean() > 0.01


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    from doublecast.errors import ModelError

    path = tmp_path / "prior.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"prior\.safetensors"):
        prior.read(path)
