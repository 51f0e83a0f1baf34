"""What all tests share: one thread for small tensors, and words for what a machine lacks."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

# On tensors as small as these threads wait for each other: on two busy cores the core's tests took 19 s with one
# thread and 233 s with two. Set before torch is imported; child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

ROOT = Path(__file__).resolve().parent.parent


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test in words; with ALANET_NO_SKIPS=1, on a machine that should have everything, fail instead."""
    if os.environ.get("ALANET_NO_SKIPS") == "1":
        pytest.fail(f"{reason} (ALANET_NO_SKIPS=1)", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the project."""
    return ROOT


@pytest.fixture(params=["in C", "in PyTorch"], scope="module")
def in_both_forms(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs a module's tests twice: with the kernels in C, and with what stands for them elsewhere."""
    from alanet_core import native

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALANET_NATIVE", "1" if request.param == "in C" else "0")
        if request.param == "in C" and not native.available():
            skip_or_fail(str(native.absence()))
        yield


@pytest.fixture
def shared_data() -> Path:
    """The folder of photographs and clips: $ALANET_DATA, or ../shared/data beside the project."""
    folder = Path(os.environ.get("ALANET_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "INDEX.md").is_file():
        skip_or_fail(f"no test data at {folder}; ALANET_DATA may name another folder")
    return folder
