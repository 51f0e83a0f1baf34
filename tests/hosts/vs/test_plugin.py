"""The native plug-in: its functions, their Python twins, and what it says where Python is missing."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_core as alanet
import alanet_vs
from alanet_vs import plugin

TYPES = {"str": "data", "float": "float", "Mode": "data", "SceneMode": "data"} | dict.fromkeys(
    ("bool", "int", "int | None"), "int"
)
LIBRARY = Path(vs.core.alanet.plugin_path)


def test_both_ways_in_take_the_same_arguments_in_the_same_order():
    native = [part.split(":") for part in vs.core.alanet.Enhance.signature.split(";") if part]
    python = inspect.signature(alanet_vs.enhance).parameters
    assert [part[0] for part in native] == list(python)
    assert native[0] == ["clip", "vnode"]
    for name, kind, optional in native[1:]:
        annotation = python[name].annotation
        known = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
        assert (TYPES.get(known, "data"), optional) == (kind, "opt"), name


def test_version_is_that_of_the_package():
    assert vs.core.alanet.Version() == alanet.__version__


def test_models_lists_the_presets():
    models, presets = vs.core.alanet.Models(), alanet.presets()
    assert models["name"] == list(presets)
    assert models["trained"] == [int(preset.trained) for preset in presets.values()]
    assert all(models["summary"])
    assert set(models["window"]) == {3}


def test_a_file_name_may_come_as_bytes(noise, identity):
    assert len(noise().alanet.Enhance(model=identity().encode())) == 12


def test_bind_is_for_the_plugin_itself():
    with pytest.raises(vs.Error, match="alanet: Bind must be called by alanet itself"):
        vs.core.alanet.Bind(func=print)


@pytest.mark.parametrize("reach", [{"back": -1}, {"ahead": -1}, {"back": 1025}, {"ahead": 2**40}])
def test_render_refuses_a_reach_that_no_model_has(reach, noise):
    settings = {"back": 0, "ahead": 0, "split": 0} | reach
    with pytest.raises(vs.Error, match="alanet: back and ahead must be between 0 and 1024"):
        vs.core.alanet.Render(noise(), make=print, **settings)


def test_a_plugin_of_another_version_is_refused(noise, monkeypatch):
    monkeypatch.setattr(alanet, "__version__", "9.9")
    with pytest.raises(vs.Error) as caught:
        noise().alanet.Enhance()
    assert str(caught.value).startswith("alanet: core.alanet must be of version 9.9, as alanet_vs is, got '")


def test_without_the_plugin_alanet_vs_says_so(noise, identity):
    script = f"""
import vapoursynth as vs, alanet_vs
class Without:
    def __getattr__(self, name):
        if name == "alanet":
            raise AttributeError(name)
        return getattr(real, name)
real = vs.core
import alanet_vs.filter
alanet_vs.filter.vs = type("vs", (), dict(vars(vs), core=Without()))
try:
    alanet_vs.enhance(real.std.BlankClip(), model={identity()!r})
except vs.Error as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.startswith("alanet: core.alanet must be there, got VapourSynth without the plug-in; reinstall")


def test_python_without_alanet_vs_gets_one_line(tmp_path):
    """VapourSynth in one folder, the plug-in loaded by its path, and no alanet_vs to be found."""
    (tmp_path / "vapoursynth").symlink_to(Path(vs.__file__).parent)
    script = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import vapoursynth as vs
if not hasattr(vs.core, "alanet"):
    vs.core.std.LoadPlugin({str(LIBRARY)!r})
try:
    vs.core.alanet.Enhance(vs.core.std.BlankClip())
except vs.Error as error:
    print(error)
print(sorted(name for name in globals() if not name.startswith("__")))
"""
    run = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    line, names = run.stdout.splitlines()
    assert line.startswith("alanet: Python must be one with a working alanet_vs, got ")
    assert "ModuleNotFoundError: No module named 'alanet_vs'" in line
    assert names == "['sys', 'vs']"  # the plug-in leaves nothing in the script
    assert run.stderr == ""


def test_the_first_use_may_be_from_many_threads_at_once(identity):
    script = """
import sys, threading
import vapoursynth as vs
blank = vs.core.std.BlankClip(width=16, height=16, length=3)
start, made = threading.Barrier(8), []
def use():
    start.wait()
    made.append(blank.alanet.Enhance(model=sys.argv[1]).get_frame(5).props["AlanetSource"])
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(made)
"""
    run = subprocess.run([sys.executable, "-c", script, identity()], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == (f"{['repeat'] * 8}\n", "")


NO_PYTHON = (
    "alanet: the program must run VapourSynth from Python, got a process without Python; "
    "use vspipe, or a player that reads .vpy scripts"
)
HOST = r"""
#include "VapourSynth4.h"
#include <stdio.h>
int main(int count, char **arguments) {
    const VSAPI *api = getVapourSynthAPI(VAPOURSYNTH_API_VERSION);
    VSCore *core = api->createCore(ccfDisableAutoLoading);
    VSMap *in = api->createMap();
    api->mapSetData(in, "path", arguments[count - 1], -1, dtUtf8, maReplace);
    api->freeMap(api->invoke(api->getPluginByID("com.vapoursynth.std", core), "LoadPlugin", in));
    api->clearMap(in);
    VSMap *blank = api->invoke(api->getPluginByID("com.vapoursynth.std", core), "BlankClip", in);
    VSPlugin *alanet = api->getPluginByNamespace("alanet", core);
    VSMap *version = api->invoke(alanet, "Version", in);
    VSMap *out = api->invoke(alanet, "Enhance", blank);
    int absent;
    puts(api->mapGetData(version, "version", 0, &absent));
    puts(api->mapGetError(out));
    api->freeMap(version), api->freeMap(out), api->freeMap(blank), api->freeMap(in);
    api->freeCore(core);
}
"""


def test_a_process_without_python_gets_one_line(c_compiler, tmp_path):
    package = Path(vs.__file__).parent
    (tmp_path / "host.c").write_text(HOST)
    library = next(package.glob("libvapoursynth.so*"))
    build = [c_compiler, "host.c", "-o", "host", f"-I{package / 'include'}", str(library), f"-Wl,-rpath,{package}"]
    subprocess.run(build, cwd=tmp_path, check=True)
    run = subprocess.run([tmp_path / "host", LIBRARY], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [alanet.__version__, NO_PYTHON]
    assert run.stderr == ""


def test_a_call_leaves_no_reference_to_its_function_behind(noise, identity):
    function, clip = plugin.FUNCTIONS["enhance"], noise()
    before = sys.getrefcount(function)
    for _ in range(3):
        clip.alanet.Enhance(model=identity())
        with pytest.raises(vs.Error):
            clip.alanet.Enhance(mode="both")
    assert sys.getrefcount(function) == before


def test_the_functions_that_the_plugin_asks_for_exist():
    assert set(plugin.FUNCTIONS) == {"enhance", "models"}
