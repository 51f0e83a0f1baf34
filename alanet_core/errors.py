"""What can go wrong, in words for the person who can mend it.

Every message reads `<argument> must be <expected>, got <value>; <what to do>` and fits one line. The command line
and the hosts put `alanet: ` in front of it.
"""


class AlanetError(Exception):
    """The root of every error that this project raises on purpose."""


class ConfigError(AlanetError, ValueError):
    """A setting lies outside its range, or contradicts another one."""


class WeightsError(AlanetError):
    """A file of weights is missing, damaged, of another kind, or not trained."""


class FrameError(AlanetError, ValueError):
    """A frame has a shape, type or size that cannot be taken."""


class DeviceError(AlanetError):
    """The device asked for is not there, or cannot do what was asked."""


class StreamError(AlanetError):
    """A call out of turn, such as a push after the drain."""


class MediaError(AlanetError):
    """A file cannot be read or written."""


class RefusedError(MediaError):
    """A file was refused at the door: nothing has been written."""


def must(argument: str, expected: str, got: object, remedy: str) -> str:
    """The one shape of an error message: what, what was expected, what came, what to do."""
    shown = repr(got) if isinstance(got, str) else str(got)
    return f"{argument} must be {expected}, got {shown}; {remedy}"
