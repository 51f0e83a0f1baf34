"""How cameras and things move: smooth paths with the spectra of hands, from a twentieth of a pixel to large.

Time is counted in low-rate intervals (frame n is at time n), lengths in pixels of the picture, and points of the
plane are complex numbers x + iy, so that a rotation with a zoom is one multiplication.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rng = np.random.Generator
Real = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]

_SHAKE_TONES = 4


@dataclass(frozen=True)
class Pose:
    """Where a layer is at some times: its point q is seen at turn * (q - centre) + centre + shift.

    turn: [T] complex: zoom times e^(i angle). shift: [T] complex. centre: what the rotation and zoom leave in place.
    """

    turn: Complex
    shift: Complex
    centre: complex


@dataclass(frozen=True, kw_only=True)
class Path:
    """A motion in closed form, so that it can be asked for any times.

    velocity: pixels per interval. bend: pixels per interval squared. angle_rate: radians per interval. zoom_rate: the
    logarithm of the zoom per interval. shake: [2,K] complex amplitudes of tones that turn one way and the other, so
    that each is an ellipse; tones: [K] their angular frequencies. angle_shake: [K]. hold: time and softness of a stop
    or a start, None for neither; starting: whether it is a start.
    """

    velocity: complex
    bend: complex
    angle_rate: float
    zoom_rate: float
    shake: Complex
    angle_shake: Real
    tones: Real
    phases: Real
    centre: complex
    hold: tuple[float, float] | None = None
    starting: bool = False

    def pose(self, times: Real) -> Pose:
        """The pose at each of the times [T]; at time 0 it is near the identity."""
        progress = self._progress(times)
        arguments = np.outer(times, self.tones) + self.phases
        shake = np.exp(1j * arguments) @ self.shake[0] + np.exp(-1j * arguments) @ self.shake[1]
        shift = self.velocity * progress + self.bend * progress**2 / 2 + shake
        angle = self.angle_rate * progress + np.sin(arguments) @ self.angle_shake
        return Pose(np.exp(self.zoom_rate * progress + 1j * angle), shift, self.centre)

    def _progress(self, times: Real) -> Real:
        """Time that runs on, stops or starts: the integral of a smooth step."""
        if self.hold is None:
            return times
        moment, softness = self.hold
        ramp = softness * np.logaddexp(0.0, (times - moment) / softness)
        return ramp if self.starting else times - ramp


def still_path() -> Path:
    """No motion at all: a tripod, a title, a paused picture."""
    none = np.zeros(1)
    return Path(
        velocity=0j,
        bend=0j,
        angle_rate=0.0,
        zoom_rate=0.0,
        shake=np.zeros((2, 1), complex),
        angle_shake=none,
        tones=none,
        phases=none,
        centre=0j,
    )


def random_path(rng: Rng, *, fastest: float, extent: float) -> Path:
    """A motion drawn at random; half of them slow and precise, half up to `fastest` pixels per interval.

    extent: half the size of the picture, for how far off its middle the centre of a rotation may lie.
    """
    speed = random_speed(rng, fastest)
    velocity = speed * np.exp(2j * math.pi * rng.random())
    tones = 2 * math.pi * rng.uniform(0.02, 0.5, _SHAKE_TONES)
    # A hand trembles less the faster it does so: amplitudes fall with the frequency.
    strength = random_speed(rng, 0.25 * fastest) * (rng.random() < 0.5) / tones
    kicks = rng.normal(size=(2, 2, _SHAKE_TONES))
    turning = rng.random() < 0.4
    zooming = rng.random() < 0.3
    return Path(
        velocity=complex(velocity),
        bend=complex(0.15 * speed * (rng.normal() + 1j * rng.normal())) if rng.random() < 0.3 else 0j,
        angle_rate=math.radians(float(rng.normal()) * 1.5) if turning else 0.0,
        zoom_rate=0.015 * float(rng.normal()) if zooming else 0.0,
        shake=0.3 * strength * (kicks[0] + 1j * kicks[1]),
        angle_shake=rng.normal(size=_SHAKE_TONES) * math.radians(0.15) / tones * turning,
        tones=tones,
        phases=rng.uniform(0, 2 * math.pi, _SHAKE_TONES),
        centre=complex(extent * rng.normal() + 1j * extent * rng.normal()),
        hold=(float(rng.uniform(0, 4)), float(rng.uniform(0.05, 0.6))) if rng.random() < 0.15 else None,
        starting=bool(rng.random() < 0.5),
    )


def random_speed(rng: Rng, fastest: float) -> float:
    """Pixels per interval: one in three drawn evenly in its logarithm, from 1/20 pixel on, the others by size."""
    if rng.random() < 0.35:
        return float(math.exp(rng.uniform(math.log(0.05), math.log(max(fastest, 0.06)))))
    return float(fastest * rng.random() ** 1.5)
