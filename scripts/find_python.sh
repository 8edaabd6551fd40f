#!/bin/sh
# Prints the path of a CPython that zloop can be built for: the active python3 if it is one, else the
# newest of 3.12 to 3.14 that is found, then 3.15. With an argument such as 3.13, one of that version.
# $PYTHON overrides the search.
set -u
wanted=${1:-}

# Answers "3.13 /its/real/path" for a candidate that suits, else nothing.
probe() {
    "$1" -c '
import sys
if sys.implementation.name == "cpython" and sys.version_info >= (3, 12):
    import ensurepip, venv
    print("%d.%d" % sys.version_info[:2], sys.executable)
' </dev/null 2>/dev/null
}

# What a refused candidate is, or why it cannot be run.
describe() {
    what=$("$1" -c '
import importlib.util, platform
lacks = [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]
without = " without the module " + " and ".join(lacks) if lacks else ""
print("is %s %s%s" % (platform.python_implementation(), platform.python_version(), without))
' </dev/null 2>/dev/null) || what=
    echo "${what:-cannot be run as a Python interpreter}"
}

say_what_to_install() {
    cat >&2 <<'MESSAGE'
Install one, for example:
    apt-get install python3.13 python3.13-venv python3.13-dev    (Debian, Ubuntu)
    dnf install python3.13-devel                                 (Fedora)
    pyenv install 3.13                                           (pyenv)
or name one:  make ... PYTHON=/path/to/python3.13
MESSAGE
}

if [ -n "${PYTHON:-}" ] && [ -z "$wanted" ]; then
    answer=$(probe "$PYTHON")
    if [ -z "$answer" ]; then
        echo "PYTHON=$PYTHON $(describe "$PYTHON"); a CPython from 3.12 on is needed, with venv and ensurepip." >&2
        say_what_to_install
        exit 1
    fi
    echo "${answer#* }"
    exit 0
fi

if [ -z "$wanted" ]; then
    answer=$(probe python3)
    case "${answer%% *}" in
    3.12 | 3.13 | 3.14 | 3.15)
        echo "${answer#* }"
        exit 0
        ;;
    esac
fi

for version in ${wanted:-3.14 3.13 3.12 3.15}; do
    for candidate in "python$version" python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/python3 \
        "$HOME"/.local/share/uv/python/cpython-"$version".*/bin/python3 \
        /usr/local/bin/python"$version" /opt/python/"$version"*/bin/python3; do
        answer=$(probe "$candidate")
        if [ "${answer%% *}" = "$version" ]; then
            echo "${answer#* }"
            exit 0
        fi
    done
done

if [ -z "$wanted" ]; then
    echo "No CPython from 3.12 on was found (looked for python3.X on PATH, and in pyenv's and uv's folders)." >&2
    say_what_to_install
fi
exit 1
