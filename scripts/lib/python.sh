# Sourced by the scripts: finds a Python to make virtual environments with.

# Prints the first Python of the given versions that is on the PATH and has a whole venv module. PYTHON, when it is
# set, names the only candidate.
find_python() {
    local wanted=" $* " incomplete="" version candidate
    local candidates=("${@/#/python}" python3 python)
    if [[ -n ${PYTHON:-} ]]; then candidates=("$PYTHON"); fi
    for candidate in "${candidates[@]}"; do
        version="$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" || continue
        [[ $wanted == *" $version "* ]] || continue
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        incomplete="$version"
    done
    if [[ -n $incomplete ]]; then
        echo "error: Python $incomplete is here, but without venv. On Debian or Ubuntu:" \
            "apt-get install python$incomplete-venv" >&2
    else
        echo "error: no Python of these versions:$wanted. Install one, or name it: PYTHON=/path/to/python $0" >&2
    fi
    return 1
}
