# shellcheck shell=sh
# What scripts/demo and scripts/test share: packages, the virtual environment, becoming root.
# They set this first: the root of the checkout.
: "${checkout:?}"

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s\n' "${0##*/}: $*" >&2
    exit 1
}

# Run the script again by sudo, unless this is root already: dockerd, mmdebstrap and apt-get need it.
become_root() {
    [ "$(id -u)" -ne 0 ] || return 0
    command -v sudo >/dev/null 2>&1 || die "this needs root: run it as root, or install sudo"
    exec sudo -- env "PATH=$PATH" "CI=${CI:-}" "DINV_TEST_ENDPOINT=${DINV_TEST_ENDPOINT:-}" "$0" "$@"
}

# have COMMAND: whether it can be run. Programs of the system count, wherever PATH ends.
have() {
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1
}

# install_packages PACKAGE...: from the distribution, without what they only recommend.
install_packages() {
    have apt-get || die "please install $*: this script can install on Debian and Ubuntu only"
    say "Installing   $*"
    [ -n "${updated:-}" ] || apt_get update
    updated=yes
    apt_get install --no-install-recommends "$@"
}

apt_get() {
    # The log is shown only when something went wrong; another apt-get is waited for, a slow mirror asked again.
    if ! apt_log=$(DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@" 2>&1 </dev/null); then
        printf '%s\n' "$apt_log" >&2
        die "apt-get $* failed"
    fi
}

# missing FILE-OR-COMMAND:PACKAGE...: the packages whose command or file is not there.
missing() {
    for pair in "$@"; do
        case $pair in
            /*) [ -e "${pair%%:*}" ] || printf '%s ' "${pair#*:}" ;;
            *) have "${pair%%:*}" || printf '%s ' "${pair#*:}" ;;
        esac
    done
}

# need FILE-OR-COMMAND:PACKAGE...: install the packages that are missing.
need() {
    # shellcheck disable=SC2046  # a word for each package
    set -- $(missing "$@")
    [ $# -eq 0 ] || install_packages "$@"
}

# The Docker daemon and the docker CLI. Of two packages in newer releases, of one in older ones.
need_docker() {
    need dockerd:docker.io
    need docker:docker-cli
}

# The first Python that is new enough; the newest names last, since `python3` is what its owner chose.
find_python() {
    for python in python3 python3.11 python3.12 python3.13 python3.14; do
        if have "$python" && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$python"
            return
        fi
    done
    return 1
}

# need_environment runtime|dev: a virtual environment in .venv, with dinv from this checkout, and for dev with
# what pyproject.toml has for development. It is brought up to date when that or dinv's version has changed.
need_environment() {
    have python3 || install_packages python3 python3-venv
    python=$(find_python) || die "Python 3.11 or newer is needed; this is $(python3 --version 2>&1). \
Debian 12 and Ubuntu 24.04 have it; elsewhere install python3.11 and its venv module."
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        case $("$python" -c 'import sys; print(sys.executable)') in
            /usr/bin/*) ;;
            *) die "$python has no module ensurepip: install it from where this Python came" ;;
        esac
        install_packages "$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    fi

    venv=$checkout/.venv
    stamp=$venv/.dinv-$1
    if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "Python       $("$python" --version 2>&1 | cut -d' ' -f2), environment in .venv"
        "$python" -m venv --clear "$venv"
    fi
    # Where the checkout is belongs to it too: an environment does not survive being moved. So does the version,
    # which the installed package states.
    wanted=$(printf '%s ' "$checkout"; cat "$checkout/pyproject.toml" "$checkout/src/dinv/__init__.py" | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0

    say "Python       installing dinv and what it needs ($1)"
    set -- "$1" --editable "$checkout"
    if [ "$1" = dev ]; then
        # pip takes --group from 25.1 on only, so the group is read here.
        "$venv/bin/python" - "$checkout/pyproject.toml" >"$venv/dev-requirements.txt" <<'PYTHON'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")
PYTHON
        set -- "$@" --requirement "$venv/dev-requirements.txt"
    fi
    shift
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" </dev/null
    printf '%s\n' "$wanted" >"$stamp"
}
