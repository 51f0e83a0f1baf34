"""Build hook: compiles the VapourSynth plug-in where that is possible, and leaves a pure wheel where it is not.

The plug-in is plain C against VapourSynth4.h, linked to nothing, so one build serves every Python of a platform
(tag py3-none-<platform>). It is laid where VapourSynth looks by itself: vapoursynth/plugins/<folder>/ with a manifest.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = Path("alanet_vs/native")
TARGET = "vapoursynth/plugins/alanet"
STEM = "libalanet"
SUFFIX = ".dylib" if sys.platform == "darwin" else ".so"
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves its own parameter open
    """Adds the compiled plug-in to a wheel, standard or editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel's file list is made; `version` is "standard" or "editable"."""
        root = Path(self.root)
        include, compiler = vapoursynth_headers(), c_compiler()
        if include is None or compiler is None or os.name != "posix":
            absent = "VapourSynth's headers" if include is None else "a C compiler (cc) for this system"
            self.app.display_warning(f"alanet: built without the VapourSynth plug-in: {absent} not found")
            return
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
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def compile_plugin(library: Path, sources: Path, include: Path, compiler: list[str], version: str) -> None:
    """Compile the C files of `sources` into `library`. Raises CalledProcessError when the compiler refuses one."""
    major, minor = version.split(".")[:2]
    defines = (f'-DALANET_VERSION="{version}"', f"-DALANET_MAJOR={major}", f"-DALANET_MINOR={minor}")
    files = sorted(map(str, sources.glob("*.c")))
    command = [*compiler, *FLAGS, *defines, f"-I{include}", *files, "-o", str(library), "-ldl"]
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
