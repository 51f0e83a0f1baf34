#!/usr/bin/env bash
# Sets ALANET up inside its own folder; safe to run at any time, quick when nothing has changed.
#   scripts/setup.sh run    .venv with what the command `alanet` needs
#   scripts/setup.sh dev    and what tests and checks need: system packages, and .venv-gst where GStreamer's loader runs
#                           another Python than VapourSynth can use
# ALANET_PYTHON=<interpreter>  make .venv from this one      ALANET_NO_APT=1  never install a system package
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
level=${1:-dev}
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PYTHONNOUSERSITE=1
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

# ffmpeg is the independent reader in the tests; the rest is GStreamer, its Python loader, its common codecs, and (last
# line) what plays the camera in the tests: an RTSP server, WebRTC.
system_packages=(
    ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
    gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-python3-plugin-loader python3-gst-1.0
    gir1.2-gst-plugins-base-1.0
    gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice
)

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'scripts/setup.sh: %s\n' "$*" >&2; exit 1; }

# --- Pythons. A candidate counts only if it runs: pyenv's shims exist for versions that are not switched on. ---

runs() { # runs INTERPRETER MINOR: a Python 3.MINOR or later that can make environments
    "$1" -c "import sys; assert sys.version_info[:2] >= (3, $2); import ensurepip, ssl, venv" >/dev/null 2>&1
}

loader_python() { # the Python that GStreamer's plug-in loader is linked to
    local library version
    for library in /usr/lib/*/gstreamer-1.0/libgstpython.so /usr/lib64/gstreamer-1.0/libgstpython.so; do
        [ -e "$library" ] || continue
        version=$(ldd "$library" 2>/dev/null | grep -o -m 1 'libpython3\.[0-9]*' | head -n 1) || continue
        [ -x "/usr/bin/${version#lib}" ] && { echo "/usr/bin/${version#lib}"; return; }
    done
    echo /usr/bin/python3
}

candidates() { # best first: one environment that also serves GStreamer, then the versions tested, then any
    local minor
    [ -z "${ALANET_PYTHON:-}" ] || { echo "$ALANET_PYTHON"; return; }
    loader_python
    for minor in 12 13 14 11; do
        type -aP "python3.$minor" || true
        compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor.*/bin/python3" || true
    done
    type -aP python3 || true
}

find_python() { # find_python MINOR: the first candidate that serves
    local python
    while read -r python; do
        if runs "$python" "$1"; then echo "$python"; return; fi
    done < <(candidates)
    return 1
}

choose_python() {
    find_python 12 && return
    if /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        install_packages python3-venv # Debian keeps ensurepip apart
        find_python 12 && return
    fi
    find_python 11 && { say "no Python 3.12 or later found: .venv is made without VapourSynth"; return; }
    [ -z "${ALANET_PYTHON:-}" ] || die "ALANET_PYTHON must be a Python 3.11 or later with venv, got $ALANET_PYTHON"
    install_packages python3 python3-venv
    find_python 11 || die "no Python 3.11 or later with venv found; install one (pyenv install 3.12) and run this again"
}

# --- System packages. ---

missing_packages() {
    local installed package
    installed=" $(dpkg-query -W -f='${Package}/${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for package in "$@"; do
        [[ $installed == *" $package/installed "* ]] || echo "$package"
    done
}

install_packages() {
    local wanted as_root=()
    command -v dpkg-query >/dev/null || die "this is no Debian-like system; install by hand what Debian calls: $*"
    mapfile -t wanted < <(missing_packages "$@")
    [ ${#wanted[@]} -gt 0 ] || return 0
    local line="apt-get install -y --no-install-recommends ${wanted[*]}"
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || die "system packages are missing; type: sudo $line"
    fi
    [ -z "${ALANET_NO_APT:-}" ] || die "system packages are missing and ALANET_NO_APT is set; type: sudo $line"
    say "$line"
    apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" >&2; }
    # The lists may be stale or absent; refresh them only when that matters.
    apt install -y --no-install-recommends "${wanted[@]}" 2>/dev/null ||
        { apt update && apt install -y --no-install-recommends "${wanted[@]}"; } ||
        die "apt-get failed; see its message above, then type: sudo $line"
}

# --- Environments. The stamp holds a hash of all that decides what is in one. ---

inputs() { # inputs ENVIRONMENT EXTRAS
    cat pyproject.toml constraints.txt hatch_build.py scripts/setup.sh alanet_core/_version.py
    find alanet_vs/native alanet_core/native -name '*.[ch]' -exec cat {} + 2>/dev/null || true
    printf '%s\n' "$root" "$2" "$(readlink -f "$1/bin/python")" "$(sed -n 's/^version = //p' "$1/pyvenv.cfg")"
}

stamped() { # stamped ENVIRONMENT EXTRAS: nothing to do
    [ -e "$1/stamp-$2" ] && [ "$(inputs "$1" "$2" | sha256sum)" = "$(cat "$1/stamp-$2")" ] && "$1/bin/python" -c ''
}

alive() { # alive ENVIRONMENT MINOR: made here (scripts hold its path) and its Python runs
    [ -x "$1/bin/python" ] && runs "$1/bin/python" "$2" && head -n 3 "$1/bin/pip" 2>/dev/null | grep -qF "$root/$1/"
}

make_environment() { # make_environment ENVIRONMENT PYTHON
    local flags=()
    # gi, GStreamer's binding, exists in the system's Python only.
    if [ "$(readlink -f "$2")" = "$(readlink -f "$(loader_python)")" ]; then flags+=(--system-site-packages); fi
    say "making $1 from $2"
    rm -rf "${root:?}/$1"
    "$2" -m venv "${flags[@]}" "$1" || { rm -rf "${root:?}/$1"; die "$2 could not make $1; see its message above"; }
}

free_at() { df -Ph "$1" 2>/dev/null | awk 'NR == 2 { print $4 }'; }

install_into() { # install_into ENVIRONMENT EXTRAS
    local pip=("$1/bin/python" -m pip install -qq -c constraints.txt) tools=(pip setuptools hatchling)
    if runs "$1/bin/python" 12; then tools+=(vapoursynth); fi # its header is wanted by the build
    rm -f "$1"/stamp-*
    say "installing into $1 (torch is large: this takes minutes the first time)"
    { "${pip[@]}" "${tools[@]}" && "${pip[@]}" --no-build-isolation -e ".[$2]"; } ||
        die "pip could not install into $1; see its message above. Free on disk: $(free_at .) here, $(free_at "${TMPDIR:-/tmp}") in ${TMPDIR:-/tmp}; torch with CUDA needs 6 GB here, and there 2 while it is fetched"
    inputs "$1" "$2" | sha256sum >"$1/stamp-$2"
}

set_up() { # set_up ENVIRONMENT MINOR EXTRAS...: any of these sets of extras will do; the last is what is installed
    local environment=$1 minor=$2 extras python
    shift 2
    if ! alive "$environment" "$minor"; then
        if [ "$environment" = .venv ]; then python=$(choose_python); else python=$(loader_python); fi
        # Without a 3.12 on the machine an environment of 3.11 is as good as it gets.
        if runs "$python" "$minor" || ! alive "$environment" 11; then make_environment "$environment" "$python"; fi
    fi
    for extras in "$@"; do
        if stamped "$environment" "$extras"; then return; fi
    done
    install_into "$environment" "$extras"
}

serves_gstreamer() { # .venv is made from the loader's Python and sees gi
    [ "$(readlink -f .venv/bin/python)" = "$(readlink -f "$(loader_python)")" ] &&
        grep -q '^include-system-site-packages = true' .venv/pyvenv.cfg
}

cd "$root"
exec 9<"$root" && flock 9 # a second set-up at the same time waits for the first
case $level in
run) set_up .venv 12 vs,dev vs ;;
dev)
    install_packages "${system_packages[@]}"
    command -v "${CC:-cc}" >/dev/null || say "no C compiler: core.alanet and the kernels for CPUs are left out; type: sudo apt-get install gcc libc6-dev"
    set_up .venv 12 vs,dev
    if ! serves_gstreamer; then
        runs "$(loader_python)" 11 || install_packages python3-venv
        runs "$(loader_python)" 11 || die "GStreamer's loader must run Python 3.11 or later with venv, got $(loader_python)"
        set_up .venv-gst 11 test
    fi
    ;;
*) die "the argument must be run or dev, got $level" ;;
esac
