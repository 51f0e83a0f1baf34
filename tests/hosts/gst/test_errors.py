"""What a user sees when something is wrong: the right domain, and one line with the remedy."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gi.repository import GLib, Gst
from gstharness import CAPS, Harness, frame

import alanet_core as alanet
from alanet_gst import element as module

Make = Callable[..., Harness]
LIBRARY, RESOURCE, STREAM = Gst.LibraryError, Gst.ResourceError, Gst.StreamError


def refused(**properties: object) -> GLib.Error:
    """The error that the element posts on its way to READY."""
    element = Gst.ElementFactory.make("alanet", None)
    bus = Gst.Bus.new()
    element.set_bus(bus)
    for name, value in properties.items():
        element.set_property(name.replace("_", "-"), value)
    assert element.set_state(Gst.State.READY) == Gst.StateChangeReturn.FAILURE
    error, _ = bus.pop_filtered(Gst.MessageType.ERROR).parse_error()
    assert element.set_state(Gst.State.NULL) == Gst.StateChangeReturn.SUCCESS
    return error


@pytest.mark.parametrize(
    ("properties", "code", "words"),
    [
        ({"model": "nothere"}, LIBRARY.SETTINGS, "model must be one of default, fine, fast, paper, or the path of a"),
        ({"model": "gone.safetensors"}, RESOURCE.OPEN_READ, "model must be a preset or a readable .safetensors file"),
        ({"model": "paper"}, RESOURCE.OPEN_READ, "model must be trained, got 'paper (untrained"),
        ({"device": "tpu"}, RESOURCE.NOT_FOUND, "device must be auto, cpu, cuda or cuda:N, got 'tpu'"),
        ({"device": "cuda:99"}, RESOURCE.NOT_FOUND, "device must be"),
        ({"device": "cpu", "precision": "fp16"}, RESOURCE.NOT_FOUND, "precision must be auto, bf16 or fp32 on a CPU"),
    ],
)
def test_a_bad_setting_is_told_at_the_door(properties: dict[str, object], code: object, words: str) -> None:
    error = refused(**properties)
    assert error.matches(type(code).quark(), int(code))  # type: ignore[attr-defined, call-overload]  # gi ships no types
    assert error.message.startswith(f"alanet: {words}")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"PK\x03\x04rest", "pickles can run code"), (b"\x10" + b"\0" * 40, "get the file again"), (b"", "get the file")],
    ids=["pickle", "damaged", "empty"],
)
def test_a_bad_file_of_weights_is_told_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(content)
    error = refused(model=str(file))
    assert error.matches(RESOURCE.quark(), int(RESOURCE.OPEN_READ))
    assert words in error.message
    assert str(file) in error.message


def test_the_way_to_untrained_weights_is_told_in_the_elements_words() -> None:
    assert refused(model="paper").message.endswith("use model=fine, or set allow-untrained=true")


def test_untrained_weights_run_when_they_are_asked_for(harness: Make) -> None:
    h = harness(model="paper", allow_untrained=True).start()
    h.feed(range(2))
    assert len(h.end()) == 4


def test_an_element_refused_works_once_the_setting_is_right(identity: Callable[..., str]) -> None:
    element = Gst.ElementFactory.make("alanet", None)
    element.set_property("model", "nothere")
    assert element.set_state(Gst.State.READY) == Gst.StateChangeReturn.FAILURE
    element.set_property("model", identity())
    assert element.set_state(Gst.State.READY) == Gst.StateChangeReturn.SUCCESS
    element.set_state(Gst.State.NULL)


def test_a_wrong_python_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBLEM", "alanet is installed for Python 3.12")
    error = refused()
    assert error.matches(LIBRARY.quark(), int(LIBRARY.INIT))
    assert "cannot start: alanet is installed for Python 3.12. GStreamer's plug-in loader runs Python" in error.message
    assert "python -m alanet_gst doctor" in error.message


def test_an_import_that_fails_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_self: object) -> None:
        raise ModuleNotFoundError("No module named 'torch'")

    monkeypatch.setattr(module.Alanet, "_open", absent)
    error = refused()
    assert error.matches(LIBRARY.quark(), int(LIBRARY.INIT))
    assert "No module named 'torch'" in error.message
    assert "python -m alanet_gst doctor" in error.message


def test_a_short_buffer_is_told_with_sizes(harness: Make) -> None:
    h = harness().start()
    assert h.push(frame(0, size=100)) == Gst.FlowReturn.ERROR
    error = h.error()
    assert error.matches(STREAM.quark(), int(STREAM.FORMAT))
    assert "a buffer must be at least 256 bytes for 32x8 GRAY8, got '100 bytes'" in error.message


def test_frames_without_time_are_told(harness: Make) -> None:
    h = harness().start(CAPS.replace("25/1", "0/1"))
    assert h.push(frame(0, stamped=False)) == Gst.FlowReturn.ERROR
    assert "frames must be stamped, or of a known frame rate, got 'neither'; put videorate" in h.error().message


def test_missing_timestamps_with_a_rate_are_no_error(harness: Make) -> None:
    h = harness().start()
    h.feed(range(4), stamped=False)
    assert [b.pts for b in h.end()] == [20_000_000 * i for i in range(8)]


def test_memory_that_runs_out_is_told(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    h = harness().start()

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(alanet.AlanetStream, "push", full)
    assert h.push(frame(0)) == Gst.FlowReturn.ERROR
    error = h.error()
    assert error.matches(RESOURCE.quark(), int(RESOURCE.NO_SPACE_LEFT))
    assert "memory must be enough for a pair of frames" in error.message


@pytest.mark.parametrize("where", ["push", "drain"])
def test_a_bug_of_ours_is_an_error_and_never_silence(
    harness: Make, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    h = harness().start()

    def broken(*_: object, **__: object) -> None:
        raise TypeError("oh")

    monkeypatch.setattr(alanet.AlanetStream, where, broken)
    returned = h.push(frame(0))
    if where == "drain":
        h.push_event(Gst.Event.new_eos())
    else:
        assert returned == Gst.FlowReturn.ERROR
    assert "alanet: TypeError: oh" in h.error().message


def test_a_property_out_of_range_is_refused_by_gstreamer() -> None:
    for text in ("mode=fast", "scene-mode=dissolve", "precision=int8", "nothing=1"):
        with pytest.raises(GLib.Error, match=r"could not set property|no property"):
            Gst.parse_launch(f"videotestsrc ! alanet {text} ! fakesink")
    element = Gst.ElementFactory.make("alanet", None)
    with pytest.raises((TypeError, SystemError)):  # PyGObject's words for a value out of range
        element.set_property("scene-threshold", 2.0)


def test_properties_can_be_read_back() -> None:
    element = Gst.ElementFactory.make("alanet", None)
    for text, value in [("mode", "deblur"), ("precision", "bf16"), ("scene-mode", "next"), ("model", "x"),
                        ("device", "cuda:1"), ("scene-threshold", "0.5"), ("qos", "false"), ("latency-budget", "70"),
                        ("allow-untrained", "true"), ("tile", "128")]:  # fmt: skip
        Gst.util_set_object_arg(element, text, value)
    assert (element.get_property("mode"), element.get_property("precision")) == (1, 2)
    assert (element.get_property("scene-mode"), element.get_property("latency-budget")) == (2, 70)
    assert (element.get_property("scene-threshold"), element.get_property("qos")) == (0.5, False)
    assert element.get_property("allow-untrained")
    assert element.get_property("tile") == 128


def test_what_the_core_is_asked_for_is_what_was_set() -> None:
    from alanet_gst import engine
    from alanet_gst.settings import Settings

    asked = engine._config(Settings(mode="deblur", scene_threshold=0.5, scene_mode="next", tile=128))
    assert asked == alanet.StreamConfig(mode="deblur", scene_threshold=0.5, scene_mode="next", tile=128)


def test_every_property_is_described_and_has_the_cores_default() -> None:
    element = Gst.ElementFactory.make("alanet", None)
    own = [p for p in element.list_properties() if p.owner_type.name == "Alanet"]
    assert {p.name for p in own} == {"model", "mode", "device", "precision", "allow-untrained", "scene-threshold",
                                     "scene-mode", "tile", "low-latency", "qos", "latency-budget", "stats"}  # fmt: skip
    assert all(p.blurb and p.nick and p.nick[0].isupper() for p in own)
    assert element.get_property("scene-threshold") == alanet.StreamConfig.scene_threshold
    from alanet_gst import settings

    assert (tuple(settings.MODES), tuple(settings.SCENE_MODES)) == (alanet.MODES, alanet.SCENE_MODES)
    assert tuple(settings.PRECISIONS) == alanet.PRECISIONS


def test_the_factory_says_what_it_is() -> None:
    factory = Gst.ElementFactory.find("alanet")
    assert factory.get_metadata("klass") == "Filter/Effect/Video"
    assert factory.get_rank() == Gst.Rank.NONE
    assert all(factory.get_metadata(key) for key in ("long-name", "description", "author"))
