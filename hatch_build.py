"""Build hook: compiles what is written in C where that is possible, and leaves a pure wheel where it is not.

Two libraries, neither linked to Python, so one build serves every Python of a platform (tag py3-none-<platform>):
- the kernels for CPUs, alanet_core/native/, which need nothing but a C compiler;
- the VapourSynth plug-in, against VapourSynth4.h, laid where VapourSynth looks by itself:
  vapoursynth/plugins/<folder>/ with a manifest.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
FLAGS = ("-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra")

SOURCES = Path("alanet_vs/native")
TARGET = "vapoursynth/plugins/alanet"
STEM = "libalanet"
PLUGIN_FLAGS = ("-std=c11", "-O2", "-Werror")

KERNELS = Path("alanet_core/native")
KERNELS_TARGET = "alanet_core/native/lib"  # in no package: there, Python would take it for a module
KERNELS_STEM = "libalanetcore"
# Without -ffp-contract=off a compiler may round a product and a sum once: results would differ between processors.
# Nobody reads errno or the processor's exceptions: unless they are kept, loops with a root or a choice become vectors.
KERNEL_FLAGS = ("-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves its own parameter open
    """Adds what was compiled to a wheel, standard or editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel's file list is made; `version` is "standard" or "editable"."""
        compiler = c_compiler() if os.name == "posix" else None
        kernels = self.add_kernels(version, build_data, compiler)
        plugin = self.add_plugin(version, build_data, compiler)
        if kernels or plugin:
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def add_kernels(self, version: str, build_data: dict[str, Any], compiler: list[str] | None) -> bool:
        """Compile the kernels -> True; without them alanet computes the same, slower, in PyTorch."""
        root, name = Path(self.root), KERNELS_STEM + SUFFIX
        # An editable install runs the Python files in the tree; the library lies beside them, and git ignores it.
        library = root / (KERNELS_TARGET if version == "editable" else "build/native") / name
        # One that was built from other sources must not stay; and one that a process has loaded is not written into.
        library.parent.mkdir(parents=True, exist_ok=True)
        library.unlink(missing_ok=True)
        if compiler is None:
            self.app.display_warning("alanet: built without the kernels for CPUs: no C compiler (cc) found")
            return False
        try:
            compile_kernels(library, root / KERNELS, compiler)
        except (subprocess.CalledProcessError, OSError) as error:
            self.app.display_warning(f"alanet: built without the kernels for CPUs: {error}")
            return False
        if version != "editable":
            build_data["force_include"][str(library)] = f"{KERNELS_TARGET}/{name}"
        return True

    def add_plugin(self, version: str, build_data: dict[str, Any], compiler: list[str] | None) -> bool:
        """Compile the VapourSynth plug-in -> True."""
        root = Path(self.root)
        include = vapoursynth_headers()
        if include is None or compiler is None:
            absent = "VapourSynth's headers" if include is None else "a C compiler (cc) for this system"
            self.app.display_warning(f"alanet: built without the VapourSynth plug-in: {absent} not found")
            return False
        folder = root / "build" / "vapoursynth"
        folder.mkdir(parents=True, exist_ok=True)
        library = folder / (STEM + SUFFIX)
        compile_plugin(library, root / SOURCES, include, compiler, self.metadata.version)
        manifest = folder / "manifest.vs"
        manifest.write_text(f"[VapourSynth Manifest V1]\n{STEM}\n", encoding="ascii")
        # An editable wheel ignores "force_include": its Python files stay in the tree, the plug-in must not.
        key = "force_include_editable" if version == "editable" else "force_include"
        for file in (library, manifest):
            build_data[key][str(file)] = f"{TARGET}/{file.name}"
        return True


def compile_kernels(library: Path, sources: Path, compiler: list[str], more: Sequence[str] = ()) -> None:
    """Compile the C files of `sources` into `library`. Raises CalledProcessError when the compiler refuses one."""
    command = [*compiler, *FLAGS, *KERNEL_FLAGS, *more]

    def compiled(source: Path, folder: str) -> str:
        made = str(Path(folder) / f"{source.stem}.o")
        subprocess.run([*command, "-c", str(source), "-o", made], check=True)
        return made

    # Each file is compiled for several processors, which takes a minute in all: side by side, then.
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as workers:
        objects = list(workers.map(lambda source: compiled(source, folder), sorted(sources.glob("*.c"))))
        subprocess.run([*command, *objects, "-o", str(library), "-lm"], check=True)


def compile_plugin(library: Path, sources: Path, include: Path, compiler: list[str], version: str) -> None:
    """Compile the C files of `sources` into `library`. Raises CalledProcessError when the compiler refuses one."""
    major, minor = version.split(".")[:2]
    defines = (f'-DALANET_VERSION="{version}"', f"-DALANET_MAJOR={major}", f"-DALANET_MINOR={minor}")
    files = sorted(map(str, sources.glob("*.c")))
    command = [*compiler, *FLAGS, *PLUGIN_FLAGS, *defines, f"-I{include}", *files, "-o", str(library), "-ldl"]
    subprocess.run(command, check=True)


def vapoursynth_headers() -> Path | None:
    """The folder of VapourSynth4.h in the building environment, or None (VapourSynth has no Python 3.11)."""
    spec = importlib.util.find_spec("vapoursynth")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "include"
        if (folder / "VapourSynth4.h").is_file():
            return folder
    return None


def c_compiler() -> list[str] | None:
    """The C compiler as a command: $CC, or cc, or None."""
    command = shlex.split(os.environ.get("CC", "cc"))
    return command if command and shutil.which(command[0]) else None
