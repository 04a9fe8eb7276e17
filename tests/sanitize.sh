#!/usr/bin/env bash
# Run the compiled modules' tests on a build with AddressSanitizer and UBSan.
#
#   tests/sanitize.sh [PYTEST ARGUMENTS...]
#
# The build has its own folder and environment (build/sanitize), so the ordinary one stays as it is.
# Leaks are not looked for here: CPython itself never frees everything. tests/leaks does that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$root/build/sanitize
venv=$work/venv
python=${PYTHON:-$root/.venv/bin/python}

cc=${CC:-gcc}
asan=$("$cc" -print-file-name=libasan.so)
ubsan=$("$cc" -print-file-name=libubsan.so)
if [ ! -e "$asan" ] || [ ! -e "$ubsan" ]; then
    echo "skipped: $cc has no sanitizer runtime (Debian: apt-get install gcc)"
    exit 0
fi

mkdir -p "$work/source"
if [ ! -x "$venv/bin/python" ]; then
    echo "making the environment"
    "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -q --upgrade "pip>=25.1" # knows dependency groups
fi
# Only what the build needs, copied afresh; the tests run from the checkout.
rm -rf "$work/source"
mkdir -p "$work/source"
cp -R setup.py pyproject.toml MANIFEST.in README.md LICENSE connectors _speedups "$work/source/"
find "$work/source" -name '*.so' -delete
echo "building with sanitizers (log: build/sanitize/build.log)"
(
    cd "$work/source"
    CC=$cc CONNECTORS_BUILD_SANITIZE=1 "$venv/bin/python" -m pip install -q --force-reinstall --no-deps .
    "$venv/bin/python" -m pip install -q --group "$root/pyproject.toml:test" .
) >"$work/build.log" 2>&1 </dev/null || { tail -n 40 "$work/build.log"; exit 1; }

export LD_PRELOAD="$asan $ubsan"
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:handle_segv=0
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export PYTHONMALLOC=malloc PYTHONSAFEPATH=1 HYPOTHESIS_PROFILE=${HYPOTHESIS_PROFILE:-default}
exec "$venv/bin/python" -m pytest -q -p no:cacheprovider tests/unit/speedups tests/property \
    tests/venues/binance/test_market_frames.py "$@"
