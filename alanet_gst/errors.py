"""What the user sees when something is wrong: element messages with a domain, one line, and the remedy in it."""

import sys
import traceback

from alanet_gst.gst import Gst

FRAME_OF_CALLER = 1


class Trouble(Exception):
    """An error for the bus: a GStreamer domain and code, and the line for the user (without "alanet: ")."""

    def __init__(self, code: Gst.CoreError, text: str, debug: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.debug = debug

    @classmethod
    def negotiation(cls, argument: str, expected: str, got: object, remedy: str) -> "Trouble":
        """Caps that do not fit."""
        return cls(Gst.CoreError.NEGOTIATION, must(argument, expected, got, remedy))

    @classmethod
    def stream(cls, argument: str, expected: str, got: object, remedy: str) -> "Trouble":
        """Buffers that do not fit their caps or their segment."""
        return cls(Gst.StreamError.FORMAT, must(argument, expected, got, remedy))

    @classmethod
    def environment(cls, problem: object) -> "Trouble":
        """The Python that GStreamer runs cannot import what is needed."""
        return cls(
            Gst.LibraryError.INIT,
            f"cannot start: {problem}. GStreamer's plug-in loader runs Python {sys.version_info[0]}."
            f"{sys.version_info[1]}; run `python -m alanet_gst doctor` where alanet was installed",
            f"sys.prefix: {sys.prefix}; sys.path: {sys.path}",
        )


class TooShort(ValueError):
    """A buffer ends before its last sample."""


def must(argument: str, expected: str, got: object, remedy: str) -> str:
    """The core's shape of an error message; the core itself may be what is missing."""
    shown = repr(got) if isinstance(got, str) else str(got)
    return f"{argument} must be {expected}, got {shown}; {remedy}"


CODES: dict[str, Gst.CoreError] = {
    "ConfigError": Gst.LibraryError.SETTINGS,
    "WeightsError": Gst.ResourceError.OPEN_READ,
    "DeviceError": Gst.ResourceError.NOT_FOUND,
    "FrameError": Gst.StreamError.FORMAT,
    "OutOfMemoryError": Gst.ResourceError.NO_SPACE_LEFT,
}
"""By the name of the class, as neither the core nor torch is imported here."""


CORES_WORDS, OUR_WORDS = "say --allow-untrained (allow_untrained=True)", "set allow-untrained=true"


def trouble(error: BaseException) -> Trouble:
    """What to say about any exception."""
    if isinstance(error, Trouble):
        return error
    trace = "".join(traceback.format_exception(error))
    if isinstance(error, ImportError):
        return Trouble(Trouble.environment(error).code, str(Trouble.environment(error)), trace)
    name = type(error).__name__
    line = " ".join(str(error).split()).replace(CORES_WORDS, OUR_WORDS)
    if name == "OutOfMemoryError":
        line = must("memory", "enough for a pair of frames", line.partition(".")[0], "use precision=bf16 or device=cpu")
    elif name not in CODES:
        return Trouble(Gst.LibraryError.FAILED, f"{name}: {line}", trace)
    return Trouble(CODES[name], line, trace)


def post(element: Gst.Element, error: BaseException) -> None:
    """Put an error on the element's bus."""
    said = trouble(error)
    frame = sys._getframe(FRAME_OF_CALLER)  # noqa: SLF001  # where it was found, as GST_ELEMENT_ERROR tells
    element.message_full(
        Gst.MessageType.ERROR, type(said.code).quark(), int(said.code), f"alanet: {said}", said.debug,
        frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno,
    )  # fmt: skip


def warn(element: Gst.Element, text: str) -> None:
    """Put a warning on the element's bus."""
    frame = sys._getframe(FRAME_OF_CALLER)  # noqa: SLF001  # where it was found, as GST_ELEMENT_ERROR tells
    element.message_full(
        Gst.MessageType.WARNING, Gst.LibraryError.quark(), int(Gst.LibraryError.SETTINGS), f"alanet: {text}", None,
        frame.f_code.co_filename, frame.f_code.co_name, frame.f_lineno,
    )  # fmt: skip
