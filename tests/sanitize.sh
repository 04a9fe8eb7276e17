#!/bin/sh
# Run the tests of the compiled modules on a build with AddressSanitizer and UBSan.
#
#     tests/sanitize.sh [PYTEST ARGUMENTS, the tests of _speedups by default]
#
# Works on a copy of the tree in build/sanitize with a virtual environment of its own, so that the
# ordinary build is left alone. PYTHON names the interpreter (3.11 or newer; default: python3), and
# must be able to make virtual environments. Needs GCC or Clang with the sanitizer libraries. The
# environment is kept and used again while build/sanitize is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
python=${PYTHON:-python3}
cc=${CC:-gcc}
work=$root/build/sanitize
tree=$work/tree
log=$work/build.log

if ! command -v "$cc" >/dev/null 2>&1; then
    echo "sanitize: no $cc (Debian: apt-get install gcc); skipped" >&2
    exit 77
fi
# A library that has to be loaded before Python itself: its name is found through the compiler.
asan=$("$cc" -print-file-name=libasan.so)
ubsan=$("$cc" -print-file-name=libubsan.so)
if [ ! -e "$asan" ] || [ ! -e "$ubsan" ]; then
    echo "sanitize: $cc has no libasan or libubsan; skipped" >&2
    exit 77
fi

mkdir -p "$work"
rm -rf "$tree"
mkdir "$tree"
# All but what was built: no .so of the ordinary build may be picked up.
(cd "$root" && tar cf - --exclude='*.so' --exclude='__pycache__' --exclude='.pytest_cache' \
    setup.py pyproject.toml README.md LICENSE MANIFEST.in _speedups connectors tests) |
    (cd "$tree" && tar xf -)

if [ ! -x "$work/venv/bin/python" ]; then
    "$python" -m venv "$work/venv"
fi
vpython=$work/venv/bin/python
echo "sanitize: building (log in $log)"
if ! {
    "$vpython" -m pip install -q "setuptools>=77" "Cython>=3.3,<4" "picows>=2.3,<2.4" \
        "orjson>=3.10,<4" "numpy>=1.26" "aiohttp>=3.11,<4" "pycryptodome>=3.20,<5" "coincurve>=20" "uvloop>=0.21" \
        "pytest>=9" "hypothesis>=6.100" "pytest-randomly>=3.16" "sortedcontainers>=2.4" &&
        cd "$tree" &&
        CC=$cc CONNECTORS_BUILD_SANITIZE=1 "$vpython" -m pip install -q --no-build-isolation \
            --no-deps --force-reinstall .
} >"$log" 2>&1; then
    tail -40 "$log" >&2
    echo "sanitize: the build failed" >&2
    exit 1
fi

# The copy must test what was just installed, not sources beside it.
rm -rf "$tree/connectors" "$tree/_speedups/"*.pyx
if [ $# -eq 0 ]; then
    set -- tests/unit/speedups tests/property tests/venues/binance/test_market_frames.py \
        tests/venues/lighter tests/unit/lighter \
        tests/unit/hyperliquid tests/venues/hyperliquid/test_signing_vectors.py \
        tests/venues/dydx/test_data_client.py tests/venues/dydx/test_data_hostile.py \
        tests/faults/test_feed_connection.py tests/packaging/test_stubs.py
fi
cd "$tree"
# Leaks are what tests/leaks is for: an interpreter that ends leaves a great deal behind. pytest must
# not hold what is written to the descriptor, or the report of a test that never ends is lost.
LD_PRELOAD="$asan $ubsan" \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
    CONNECTORS_MUTATIONS="${CONNECTORS_MUTATIONS:-4000}" \
    CONNECTORS_TEST_TIME_UNIT="${CONNECTORS_TEST_TIME_UNIT:-10}" \
    "$vpython" -m pytest -q --capture=sys -p no:cacheprovider "$@"
