import numpy as np
import pytest

from doublecast.pipeline.measure import runs


@pytest.mark.parametrize(
    ("indices", "count", "length", "wanted"),
    [
        ([], 4, 3, []),
        ([1, 2], 4, 3, []),
        ([1, 3, 5, 7], 4, 3, []),
        ([4, 5, 6], 4, 3, [4, 5, 6]),
        ([1, 2, 3, 9, 10, 11, 12], 1, 3, [1, 2, 3]),
        ([1, 2, 3, 9, 10, 11, 12], 2, 3, [1, 2, 3, 10, 11, 12]),
        ([5, 5, 6, 7], 9, 3, [5, 6, 7]),
    ],
)
def test_runs(indices: list[int], count: int, length: int, wanted: list[int]) -> None:
    assert runs(np.array(indices, np.int64), count, length).tolist() == wanted
