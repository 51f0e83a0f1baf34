"""What is made is freed: cores, filters, networks; and a program may end at any moment."""

import gc
import subprocess
import sys
import textwrap
import weakref

import pytest

vs = pytest.importorskip("vapoursynth", reason="VapourSynth has no wheel for this Python")

import alanet_core as alanet
import alanet_vs
from alanet_vs import shared


def python(script, *arguments):
    """Run a script by itself -> its standard output; whatever it says on stderr is a failure."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


FIFTY_CORES = """
    import sys, gc, weakref
    import vapoursynth as vs

    class Policy(vs.EnvironmentPolicy):
        current = None
        def on_policy_registered(self, api): self.api = api
        def get_current_environment(self): return self.current
        def set_environment(self, environment):
            previous, self.current = self.current, environment
            return previous

    vs.register_policy(policy := Policy())
    import alanet_vs
    from alanet_vs import pairs
    alive, makers, levels = 0, weakref.WeakSet(), []
    init = pairs.PairMaker.__init__
    def counted(self, *args):
        init(self, *args)
        makers.add(self)
    pairs.PairMaker.__init__ = counted

    def once():
        environment = policy.api.create_environment()
        with policy.api.wrap_environment(environment).use():
            blank = vs.core.std.BlankClip(format=vs.YUV420P8, width=64, height=48, length=20)
            clip = vs.core.alanet.Enhance(blank, model=sys.argv[1])
            clip = vs.core.alanet.Enhance(clip, model=sys.argv[1], mode="deblur")
            for m in (0, 1, 30, 7):
                clip.get_frame(m)
            assert len(makers) == 2
            del clip, blank
        policy.api.destroy_environment(environment)

    for n in range(50):
        once()
        gc.collect()
        assert not makers, n
        with open("/proc/self/statm") as file:
            levels.append(int(file.read().split()[1]) * 4096 / 2**20)
    print(max(levels[20:]) - levels[19])
"""


def test_fifty_cores_come_and_go_and_leave_nothing(identity):
    growth = float(python(FIFTY_CORES, identity()))
    assert growth < 10, "MB over the last thirty cores"


def test_a_network_is_shared_by_equal_filters_and_goes_with_the_last(noise, tmp_path):
    path = str(tmp_path / "model.safetensors")  # of this test alone: networks of others may not have been collected yet
    alanet.save(path, alanet.identity_model(3))
    clips = [alanet_vs.enhance(noise(), model=path) for _ in range(2)]
    (gone,) = (weakref.ref(network) for key, network in shared._networks.items() if path in key)
    clips.pop()
    gc.collect()
    assert gone() is not None
    clips.pop()
    gc.collect()
    assert gone() is None


def test_a_file_of_weights_that_is_replaced_is_read_again(noise, tmp_path, content):
    path = tmp_path / "model.safetensors"
    alanet.save(path, alanet.identity_model(3))
    first = noise().alanet.Enhance(model=str(path))
    alanet.save(path, alanet.load("fast"))
    second = noise().alanet.Enhance(model=str(path))
    assert content(first.get_frame(2)) != content(second.get_frame(2))


def test_filters_with_different_models_live_in_one_script(noise, identity, content):
    source = noise(vs.YUV420P8, 32, 24, _Matrix=1)
    settings = [
        {"model": identity()},
        {"precision": "fp32"},
        {"model": identity(7)},
        {"mode": "deblur", "precision": "fp32"},
    ]
    alone = [[content(f) for f in source.alanet.Enhance(**s).frames(collect_garbage=False)] for s in settings]
    together = [source.alanet.Enhance(**s) for s in settings]
    for m in range(6):
        assert [content(clip.get_frame(m)) for clip in together] == [frames[m] for frames in alone]


def test_filters_chain(noise, identity):
    clip = noise(length=4).alanet.Enhance(model=identity()).alanet.Enhance(model=identity(), mode="interpolate")
    assert (len(clip), clip.fps) == (16, 120)
    assert len(list(clip.frames(collect_garbage=False))) == 16


IN_FLIGHT = """
    import sys
    import vapoursynth as vs
    clip = vs.core.std.BlankClip(format=vs.YUV420P8, width=320, height=180, length=100)
    clip = clip.alanet.Enhance(scene_threshold=0)
    promises = [clip.get_frame_async(m) for m in range(60)]
    promises[0].result()
    print("leaving")
"""


def test_a_program_may_end_while_frames_are_in_flight():
    assert python(IN_FLIGHT) == "leaving\n"


def test_a_program_may_end_by_an_exception_while_frames_are_in_flight():
    script = textwrap.dedent(IN_FLIGHT) + "raise SystemExit(3)\n"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (3, "leaving\n", "")


def test_a_frame_outlives_its_filter(noise, identity, content):
    clip = noise().alanet.Enhance(model=identity())
    frame, expected = clip.get_frame(2), content(clip.get_frame(2))
    del clip
    gc.collect()
    assert content(frame) == expected
