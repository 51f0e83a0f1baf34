"""python -m alanet_gst            the folder for GST_PLUGIN_PATH
python -m alanet_gst env        lines for a shell: eval "$(python -m alanet_gst env)"
python -m alanet_gst install    make `alanet` known to GStreamer for this user, for good; no variable is needed
python -m alanet_gst uninstall  undo that
python -m alanet_gst doctor     say what keeps it from working here, and the line that mends it
"""

import sys

from alanet_gst import doctor, install


def main(arguments: list[str]) -> int:
    """-> exit code: 0 fine, 1 something is wrong, 2 not understood."""
    match arguments:
        case []:
            print(install.PLUGIN_PATH)
        case ["env"]:
            print(install.shell_lines())
        case ["install"]:
            print(f"wrote {install.install()}")
            return report()
        case ["uninstall"]:
            path = install.uninstall()
            print(f"removed {path}" if path else f"nothing to remove: {install.stub()} is not there")
        case ["doctor"]:
            return report()
        case _:
            print(__doc__, file=sys.stderr, end="")
            return 0 if arguments in (["-h"], ["--help"]) else 2
    return 0


def report() -> int:
    """Print what the doctor finds."""
    problems = doctor.diagnose()
    for problem in problems:
        print(f"alanet: {problem}", file=sys.stderr)
    if problems:
        return 1
    print(doctor.READY if install.stub().is_file() else f"{doctor.READY}, once you type: {_variables()}")
    return 0


def _variables() -> str:
    return 'eval "$(python -m alanet_gst env)" (for this shell), or python -m alanet_gst install (for good)'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
