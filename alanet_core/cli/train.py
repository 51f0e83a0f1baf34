"""`alanet train`: train a network on photographs and clips, for as long as is asked, and go on later."""

import argparse
import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alanet_core.errors import ConfigError, must

if TYPE_CHECKING:
    import torch

    from alanet_core.model import Alanet
    from alanet_core.training.materials import Materials
    from alanet_core.training.settings import TrainConfig
    from alanet_core.training.state import TrainState


HEAD_START = 10_000  # steps that weights given by --init count for in the moving average


def add_parser(sub: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to argparse's subparsers."""
    parser = sub.add_parser(
        "train",
        help="train a network on photographs and clips of your own",
        description="Makes blurry low-rate clips from photographs (and clips) on the fly and trains on them until the "
        "minutes are spent or Ctrl-C; then OUT holds weights.safetensors (for --model), state.safetensors (for "
        "--resume) and log.jsonl.",
    )
    parser.add_argument("--photos", type=Path, required=True, help="folder of sharp photographs; one in 16 is held out")
    parser.add_argument("--clips", type=Path, help="folder of video clips, used as well; one in 4 is held out")
    parser.add_argument("--out", type=Path, required=True, help="folder for weights, state and log; made if missing")
    parser.add_argument("--minutes", type=float, help="how long to train")
    parser.add_argument("--steps", type=int, help="train until the run has made so many steps, instead of --minutes")
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--resume", action="store_true", help="go on with the run in OUT, with its own settings")
    start.add_argument("--init", type=Path, help="begin with these weights (.safetensors)")
    start.add_argument("--config", metavar="PRESET", default="fine", help="begin untrained in this preset's shape")
    parser.add_argument(
        "--restore", type=int, nargs="+", metavar="WIDTH", help="with --init: add passes that undo blur, untrained"
    )
    parser.add_argument("--part", choices=("all", "restore"), help="train these weights alone (all)")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn at random")
    parser.add_argument("--batch", type=int, help="samples a step")
    parser.add_argument("--size", type=int, help="height and width of a sample, in pixels")
    parser.add_argument("--rate", type=float, help="learning rate of AdamW")
    parser.add_argument(
        "--cool-down", type=float, metavar="SHARE", help="of the budget, over which the rate falls to a fiftieth (0.2)"
    )
    parser.add_argument("--perceptual", type=float, help="weight of the second term of eq. 8")
    parser.add_argument("--all-blurred", type=int, help="so many steps at the start with no frame left sharp")
    parser.add_argument("--noise-share", type=float, metavar="SHARE", help="how many samples are noisy (0.25)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        help="of the convolutions while training (bf16 where the device has it)",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that make samples")
    parser.add_argument("--deterministic", action="store_true", help="the same run twice gives the same weights (CPU)")
    parser.add_argument("--nice", type=int, default=0, help="lower the priority by this much, 19 at most")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train -> 0 when the budget is spent, 130 when stopped by a signal; both times all is saved."""
    from alanet_core.presets import find_device
    from alanet_core.training.loop import Budget, train
    from alanet_core.training.materials import gather
    from alanet_core.training.pool import SamplePool
    from alanet_core.training.ready import ReadyPool
    from alanet_core.training.samples import SampleMaker
    from alanet_core.training.state import STATE_FILE
    from alanet_core.training.validation import Validation

    budget = Budget(minutes=args.minutes, steps=args.steps)
    device = find_device(args.device)
    if not args.resume and (args.out / STATE_FILE).exists():
        raise ConfigError(must("out", "a new folder, or used with --resume", str(args.out), "nothing was overwritten"))
    state = _begin(args, device)
    materials = gather(args.photos, args.clips)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"{error.strerror}: check the path"
        raise ConfigError(must("out", "a folder that can be written to", str(args.out), remedy)) from error
    if args.nice:
        os.nice(args.nice)
    config = state.config
    maker = SampleMaker(config.samples, config.seed, materials.photos, materials.clips)
    samples = SamplePool(
        maker,
        seed=config.seed,
        batch=config.batch,
        capacity=config.pool,
        reuse=config.reuse,
        workers=args.workers,
        all_blurred=config.all_blurred,
        noise_share=config.noise_share,
    )
    pool = ReadyPool(samples, state.model, config) if config.part == "restore" else samples
    validation = Validation(materials.held_out, frames=config.samples.frames, size=config.samples.size)
    _say(_opening(state, materials))
    with _signals() as stopped:
        try:
            train(state, pool, args.out, budget, validate=validation, stop=stopped, report=lambda f: _say(_line(f)))
        finally:
            pool.close()
    _say(f"saved {args.out}: {state.samples} samples, {state.minutes:.1f} minutes in all")
    return 130 if stopped() else 0


def _begin(args: argparse.Namespace, device: "torch.device") -> "TrainState":
    """The run to go on with, or a new one."""
    from alanet_core.training.state import begin, load_state

    if args.resume:
        if given := [name for name in _SETTINGS if getattr(args, name) is not None]:
            raise ConfigError(
                must(
                    f"--{given[0].replace('_', '-')}",
                    "left out with --resume",
                    getattr(args, given[0]),
                    "a run keeps the settings that it was begun with",
                )
            )
        return load_state(args.out, device)
    model = _network(args)
    model = model.to(device)
    return begin(model, _settings(args, model))


_SETTINGS = ("batch", "size", "rate", "cool_down", "perceptual", "all_blurred", "noise_share", "precision", "part")


def _network(args: argparse.Namespace) -> "Alanet":
    import torch

    from alanet_core import checkpoint
    from alanet_core.model import Alanet
    from alanet_core.presets import presets
    from alanet_core.training.state import with_passes

    if args.init is not None:
        model = checkpoint.restore(args.init, "training")
        return with_passes(model, tuple(args.restore), args.seed) if args.restore else model
    if args.restore:
        raise ConfigError(must("restore", "used with --init", "no --init", "give the weights that it is added to"))
    known = presets()
    if args.config not in known:
        raise ConfigError(must("config", f"one of {', '.join(known)}", args.config, "see `alanet models`"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(args.seed)
        return Alanet(known[args.config].config, "training")


def _settings(args: argparse.Namespace, model: "Alanet") -> "TrainConfig":
    import torch

    from alanet_core.presets import find_dtype
    from alanet_core.training.samples import SampleConfig
    from alanet_core.training.settings import TrainConfig
    from alanet_core.training.step import frames_for

    given = {name: getattr(args, name) for name in _SETTINGS if name != "size" and getattr(args, name) is not None}
    given.setdefault("precision", "bf16" if find_dtype("auto", model.device) == torch.bfloat16 else "fp32")
    size = SampleConfig().size if args.size is None else args.size
    if size < 1 or size % model.config.multiple:
        raise ConfigError(must("size", f"a multiple of {model.config.multiple}", size, "use 128"))
    samples = SampleConfig(frames=frames_for(model.config), size=size)
    if args.part == "restore":  # a picture without blur teaches the passes nothing
        samples = dataclasses.replace(samples, sharp_share=0.0)
    # Trained weights are worth keeping: measured, an average that left them at once lost 0.3 dB in 33 steps.
    # Passes that were just added are not.
    head_start = 0 if args.init is None or args.part == "restore" else HEAD_START
    return TrainConfig(
        seed=args.seed, head_start=head_start, deterministic=args.deterministic, samples=samples, **given
    )


@contextlib.contextmanager
def _signals() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask the loop to end after its step, which the function given tells; a second one kills."""
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _opening(state: "TrainState", materials: "Materials") -> str:
    parameters = sum(p.numel() for p in state.model.parameters())
    return (
        f"{parameters / 1e6:.2f} M parameters on {state.model.device}, step {state.steps}; "
        f"{len(materials.photos)} pictures, {len(materials.held_out)} held out, {len(materials.clips)} clips"
    )


def _line(figures: dict[str, float]) -> str:
    head = f"step {figures['step']:.0f}  {figures['minutes']:.1f} min "
    rest = {name: value for name, value in figures.items() if name not in ("step", "samples", "minutes")}
    return head + "  ".join(f"{name} {value:.5g}" for name, value in rest.items())


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
