"""Patch search against displacements that are known; the kernels in C against PyTorch, bit for bit."""

import ctypes
import importlib.util
import math
import os
import shutil
import subprocess
import threading
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from alanet_core import native
from alanet_core.model import light
from alanet_core.model.search import _search, search, search_twice

LEVELS = 6
Pyramid = tuple[Tensor, ...]


@pytest.fixture(params=["native", "torch"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the two forms `search` uses."""
    if request.param == "torch":
        monkeypatch.setenv("ALANET_NATIVE", "0")
    elif not native.available():
        pytest.skip(str(native.absence()))
    return str(request.param)


@pytest.fixture
def kernels() -> None:
    if not native.available():
        pytest.skip(str(native.absence()))


def texture(dx: float = 0.0, dy: float = 0.0, height: int = 160, width: int = 224) -> Tensor:
    """Waves of many lengths and directions, moved right by dx and down by dy: [1, 3, h, w], 0..1."""
    y, x = torch.arange(height)[:, None] - dy, torch.arange(width) - dx
    total = torch.zeros(height, width)
    for i in range(24):
        angle, length = 2.4 * i, 7 * 1.16**i
        total += torch.sin((x * math.cos(angle) + y * math.sin(angle)) * 2 * math.pi / length + 1.7 * i)
    return (total / 30 + 0.5).expand(1, 3, -1, -1)


def pyramid(pixels: Tensor) -> Pyramid:
    return light.pyramid(pixels, LEVELS)


def noise(height: int, width: int, batch: int = 1, seed: int = 0) -> tuple[Pyramid, Pyramid]:
    """Coarse and fine noise in two frames that have some of it in common."""
    generator = torch.Generator().manual_seed(seed)
    fine = torch.rand(batch, 3, height, width, generator=generator)
    coarse = torch.rand(batch, 3, -(-height // 8), -(-width // 8), generator=generator)
    coarse = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    first = coarse + 0.1 * fine
    second = first.roll((2, -3), (2, 3)) + 0.03 * torch.rand(fine.shape, generator=generator)
    return pyramid(first), pyramid(second)


def test_the_kernels_are_there_where_a_compiler_is() -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    assert native.path().is_file(), "scripts/setup.sh compiles them"


@pytest.mark.parametrize(("dx", "dy"), [(0.25, 0.0), (3.3, -1.7), (20.0, 0.0), (-12.0, 16.0)])
def test_a_shift_is_found_to_a_tenth_of_a_pixel_both_ways(form: str, dx: float, dy: float) -> None:
    flow = search(pyramid(texture()), pyramid(texture(dx, dy)))[0]
    expected = torch.tensor([dx, dy, -dx, -dy])[:, None, None]
    assert float((flow - expected)[:, 32:-32, 32:-32].abs().max()) < 0.1


def test_equal_frames_do_not_move_at_all(form: str) -> None:
    earlier, _ = noise(75, 101)
    assert not search(earlier, earlier).any()


def test_a_change_of_brightness_hides_no_motion(form: str) -> None:
    flow = search(pyramid(texture()), pyramid(texture(7.0, -3.0) + 0.25))[0]
    expected = torch.tensor([7.0, -3.0, -7.0, 3.0])[:, None, None]
    assert float((flow - expected)[:, 32:-32, 32:-32].abs().max()) < 0.1


def test_the_two_directions_change_places_with_the_frames(form: str) -> None:
    earlier, later = noise(61, 90)
    assert torch.equal(search(earlier, later), search(later, earlier).roll(2, 1))


@pytest.mark.usefixtures("kernels")
@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 130), width=st.integers(1, 130), batch=st.integers(1, 3), levels=st.integers(1, LEVELS + 1)
)
def test_both_forms_give_the_same_bits_at_any_size(height: int, width: int, batch: int, levels: int) -> None:
    earlier, later = (p[:levels] for p in noise(height, width, batch))
    flow = search(earlier, later)
    assert flow.shape == (batch, 4, height, width)
    assert torch.isfinite(flow).all()
    assert torch.equal(flow, *_search(earlier, later))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 130), (130, 1), (4, 4), (5, 8), (96, 130)])
def test_both_forms_give_the_same_bits_at_awkward_sizes(size: tuple[int, int]) -> None:
    earlier, later = noise(*size, batch=2)
    assert torch.equal(search(earlier, later), *_search(earlier, later))


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 130), (5, 8), (97, 130)])
def test_both_forms_give_the_same_bits_at_two_levels(size: tuple[int, int]) -> None:
    earlier, later = noise(*size, batch=2)
    flows = search_twice(earlier, later)
    assert [flow.shape[2:] for flow in flows] == [plane.shape[2:] for plane in earlier[:2]]
    for fast, plain in zip(flows, _search(earlier, later, 2), strict=True):
        assert torch.equal(fast, plain)


def test_the_second_level_is_what_a_search_that_ends_there_gives(form: str) -> None:
    earlier, later = pyramid(texture()), pyramid(texture(3.3, -1.7))
    finer, found = search_twice(earlier, later)
    assert torch.equal(found, search(earlier[1:], later[1:]))
    assert finer.shape == earlier[0].expand(1, 4, -1, -1).shape
    assert not torch.equal(finer, search(earlier, later))  # it trusts its own slopes less


@pytest.mark.parametrize(("dx", "dy"), [(0.25, 0.0), (-12.0, 16.0)])
def test_a_shift_is_found_at_both_levels(form: str, dx: float, dy: float) -> None:
    expected = torch.tensor([dx, dy, -dx, -dy])[:, None, None]
    finer, found = search_twice(pyramid(texture()), pyramid(texture(dx, dy)))
    assert float((finer[0] - expected)[:, 32:-32, 32:-32].abs().max()) < 0.1
    assert float((2 * found[0] - expected)[:, 16:-16, 16:-16].abs().max()) < 0.2


def test_a_pair_does_not_depend_on_what_else_is_in_the_batch(form: str) -> None:
    earlier, later = noise(70, 83, batch=3)
    together = search(earlier, later)
    for i in range(3):
        alone = search([x[i : i + 1] for x in earlier], [x[i : i + 1] for x in later])
        assert torch.equal(together[i : i + 1], alone)


def test_the_number_of_threads_changes_nothing(form: str) -> None:
    earlier, later = noise(150, 131, batch=2)
    before = torch.get_num_threads()
    try:
        flows = []
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            flows.append(search(earlier, later))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(flow, flows[0]) for flow in flows)


def test_calls_at_the_same_time_do_not_disturb_each_other(form: str) -> None:
    earlier, later = noise(100, 90)
    alone = search(earlier, later)
    found: list[Tensor] = []
    threads = [threading.Thread(target=lambda: found.append(search(earlier, later))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(torch.equal(flow, alone) for flow in found)


def test_planes_that_do_not_lie_one_after_the_other_are_read_right(form: str) -> None:
    earlier, later = noise(50, 64)
    expected = search(earlier, later)
    apart = [torch.stack((x, x), -1)[..., 0] for x in earlier]
    turned = [x.transpose(2, 3).contiguous().transpose(2, 3) for x in later]
    assert not any(x.is_contiguous() for x in apart if x.numel() > 1)
    assert torch.equal(search(apart, turned), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e38, -9999.0, 1e-40])
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_the_flow_is_finite_whatever_comes_in(form: str, value: float, share: float) -> None:
    earlier, later = noise(45, 52)
    for number, plane in enumerate((*earlier, *later)):
        hit = torch.rand(plane.shape, generator=torch.Generator().manual_seed(number)) < share
        plane[hit] = value
    flow = search(earlier, later)
    assert torch.isfinite(flow).all()
    assert torch.equal(flow, *_search(earlier, later))


def test_a_pixel_that_is_no_number_disturbs_its_surroundings_only(form: str) -> None:
    earlier, later = pyramid(texture()), pyramid(texture(2.0, 1.0))
    earlier[0][0, 0, 80, 40] = math.nan
    error = (search(earlier, later)[0] - torch.tensor([2.0, 1.0, -2.0, -1.0])[:, None, None]).abs()
    assert float(error[:, 32:-32, 80:-32].max()) < 0.1


def test_no_pairs_give_no_flow(form: str) -> None:
    empty = [torch.zeros(0, 1, 8, 6), torch.zeros(0, 1, 4, 3)]
    assert search(empty, empty).shape == (0, 4, 8, 6)


def test_nothing_is_recorded_for_gradients(form: str) -> None:
    earlier, later = noise(20, 20)
    assert not search([x.requires_grad_() for x in earlier], later).requires_grad


def test_levels_that_do_not_match_are_refused() -> None:
    earlier, later = noise(20, 21)
    with pytest.raises(ValueError, match="same number of levels, at least 1, got 0 and 0"):
        search([], [])
    with pytest.raises(ValueError, match="got 7 and 6"):
        search(earlier, later[:-1])
    with pytest.raises(ValueError, match=r"must be \[1, 1, 10, 11\] float32, got \[1, 1, 5, 6\]"):
        search([earlier[0], earlier[2]], [later[0], later[2]])
    with pytest.raises(ValueError, match="two levels or more are needed, got 1"):
        search_twice(earlier[:1], later[:1])
    with pytest.raises(ValueError, match="float64"):
        search([x.double() for x in earlier], later)


@pytest.mark.usefixtures("kernels")
def test_the_switch_in_the_environment_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[bool] = []
    earlier, later = noise(16, 16)
    monkeypatch.setattr(native, "search", lambda *_: called.append(True) or (torch.zeros(()),))
    search(earlier, later)
    monkeypatch.setenv("ALANET_NATIVE", "0")
    assert not native.available()
    search(earlier, later)
    assert called == [True]


@pytest.mark.usefixtures("kernels")
def test_no_memory_is_an_error_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        alanet_search = staticmethod(lambda *_: 12)

    earlier, later = noise(16, 16)
    monkeypatch.setattr(native, "_loaded", Full)
    with pytest.raises(MemoryError, match="no memory to search motion in 1 pairs of 16x16 pixels"):
        search(earlier, later)


@pytest.mark.usefixtures("kernels")
def test_a_call_lets_go_of_the_gil() -> None:
    library = native._loaded()
    assert type(library) is ctypes.CDLL  # PyDLL would hold it


@pytest.fixture(scope="module")
def build(root: Path) -> ModuleType:
    """The module hatch_build, and a C compiler for it."""
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", root / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.c_compiler() is None:
        pytest.skip("no C compiler")
    return module


def test_the_sources_compile_without_a_warning(build: ModuleType, root: Path, tmp_path: Path) -> None:
    library = tmp_path / native.NAME
    build.compile_kernels(library, root / build.KERNELS, build.c_compiler(), ["-Werror"])
    assert library.stat().st_size > 0


CALLER = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { int rounds, steps; float damping, firmness, doubt, near, longest, settled, good, brightest; } Settings;
int alanet_search(int, int, const int *, const int *, const float *const *, const float *const *, float *,
                  float *, const Settings *, int);

static float value(int odd) {
    static const float strange[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 9999, -9999, 0};
    int number = rand();
    return odd && number % 3 == 0 ? strange[number / 3 % 8] : (float)(number % 1000) / 1000;
}

static void once(int height, int width, int pairs, int levels, int odd, int threads) {
    const Settings settings = {2, 4, 1e-3f, 4, 1 / 255.0f, 0.05f, 2, 0.01f, 1e-3f, 1e4f};
    int heights[8], widths[8];
    const float *planes[2][8];
    for (int i = 0; i < levels; i++) {
        heights[i] = i ? (heights[i - 1] + 1) / 2 : height;
        widths[i] = i ? (widths[i - 1] + 1) / 2 : width;
        for (int k = 0; k < 2; k++) {
            long size = (long)pairs * heights[i] * widths[i];
            float *plane = malloc(size * sizeof *plane); /* as large as it must be, so that a step beyond is seen */
            for (long p = 0; p < size; p++)
                plane[p] = value(odd);
            planes[k][i] = plane;
        }
    }
    float *flows[2] = {NULL, NULL}; /* the second is asked for where there is one, and the width is even */
    for (int k = 0; k < (levels > 1 && width % 2 == 0 ? 2 : 1); k++)
        flows[k] = malloc(4L * pairs * heights[k] * widths[k] * sizeof *flows[k]);
    if (alanet_search(pairs, levels, heights, widths, planes[0], planes[1], flows[0], flows[1], &settings, threads))
        exit(2);
    for (int k = 0; k < 2; k++)
        for (long p = 0; flows[k] && p < 4L * pairs * heights[k] * widths[k]; p++)
            if (!isfinite(flows[k][p]))
                exit(3);
    free(flows[0]);
    free(flows[1]);
    for (int i = 0; i < levels; i++)
        for (int k = 0; k < 2; k++)
            free((float *)planes[k][i]);
}

int main(int count, char **arguments) {
    int stride = count > 1 ? atoi(arguments[1]) : 1;
    for (int height = 1; height <= 40; height += stride)
        for (int width = 1; width <= 40; width += stride)
            once(height, width, 1 + (height + width) % 2, 1 + (height * width) % 7, width % 2, 1);
    for (int odd = 0; odd < 2; odd++)
        once(150, 131, 2, 6, odd, 3);
    puts("all");
    return 0;
}
"""


@pytest.mark.parametrize(("sanitizers", "stride"), [("address,undefined", "1"), ("thread", "13")])
def test_no_memory_is_touched_that_is_not_ours(
    build: ModuleType, root: Path, tmp_path: Path, sanitizers: str, stride: str
) -> None:
    """Sizes 1 to 40 (every 13th for threads) and values that are no number, watched by the compiler's sanitizers."""
    caller, program = tmp_path / "caller.c", tmp_path / "caller"
    caller.write_text(CALLER)
    flags = ["-O1", "-g", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-DCLONED="]
    files = [str(caller), *map(str, sorted((root / build.KERNELS).glob("*.c")))]
    command = [*build.c_compiler(), *build.KERNEL_FLAGS, *flags, *files, "-o", str(program), "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and "san" in built.stderr.splitlines()[-2]:
        pytest.skip("this compiler brings no sanitizers")
    assert built.returncode == 0, built.stderr
    environment = {name: text for name, text in os.environ.items() if name != "LD_PRELOAD"}
    environment["ASAN_OPTIONS"] = "detect_leaks=0"  # leaks cannot be looked for in some containers
    done = subprocess.run([str(program), stride], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "all\n"), done.stderr[-3000:]
