"""The wheel: what is in it, with and without a C compiler."""

import os
import subprocess
import sys
import zipfile

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

PLUGIN = {"vapoursynth/plugins/alanet/libalanet.so", "vapoursynth/plugins/alanet/manifest.vs"}


@pytest.fixture
def build(root, tmp_path):
    """build(CC=...): the wheel of the tree, built with that environment -> its path, and what was said."""

    def run(**env):
        out = tmp_path / "dist"
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        done = subprocess.run(command, cwd=root, env=os.environ | env, capture_output=True, text=True, check=True)
        (wheel,) = out.glob("*.whl")
        return wheel, done.stdout + done.stderr

    return run


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_brings_the_plugin_in_a_folder_of_its_own_for_any_python(c_compiler, build):
    wheel, _ = build(CC=c_compiler)
    found = names(wheel)
    assert {name for name in found if name.startswith("vapoursynth/")} == PLUGIN
    assert {"alanet_vs/__init__.py", "alanet_vs/py.typed", "alanet_core/weights/fast.safetensors"} <= found
    assert "alanet_core/native/lib/libalanetcore.so" in found
    assert not [name for name in found if name.endswith((".c", ".h", ".pyc"))]
    assert "-py3-none-linux_" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("vapoursynth/plugins/alanet/manifest.vs") == b"[VapourSynth Manifest V1]\nlibalanet\n"


@pytest.mark.parametrize("name", ["vapoursynth/plugins/alanet/libalanet.so", "alanet_core/native/lib/libalanetcore.so"])
def test_what_is_compiled_is_linked_to_no_python(c_compiler, build, tmp_path, name):
    wheel, _ = build(CC=c_compiler)
    with zipfile.ZipFile(wheel) as archive:
        library = archive.extract(name, tmp_path)
    needed = subprocess.run(["readelf", "-d", library], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" in needed
    assert not [
        line for line in needed.splitlines() if "NEEDED" in line and ("python" in line or "vapoursynth" in line)
    ]


def test_without_a_compiler_the_rest_installs_and_the_build_says_what_is_missing(build):
    wheel, said = build(CC="no-such-compiler")
    found = names(wheel)
    assert not [name for name in found if name.startswith("vapoursynth/")]
    assert {"alanet_vs/filter.py", "alanet_core/native/__init__.py"} <= found
    assert not [name for name in found if name.endswith((".so", ".dylib"))]
    assert wheel.name.endswith("-py3-none-any.whl")
    assert "built without the VapourSynth plug-in: a C compiler (cc) for this system not found" in said
    assert "built without the kernels for CPUs: no C compiler (cc) found" in said


def test_a_compiler_that_fails_leaves_the_kernels_out_and_the_build_says_so(build, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\ncase "$*" in *libalanetcore*) exit 1;; esac\nexec cc "$@"\n')
    compiler.chmod(0o755)
    wheel, said = build(CC=str(compiler))
    found = names(wheel)
    assert "alanet_core/native/lib/libalanetcore.so" not in found
    assert found >= PLUGIN
    assert "built without the kernels for CPUs" in said
