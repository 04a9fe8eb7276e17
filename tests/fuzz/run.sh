#!/bin/sh
# Fuzz the C headers with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
#     tests/fuzz/run.sh [SECONDS for each target, 60] [TARGET...]
#
# Builds into build/fuzz, keeps what it learns in build/fuzz/corpus, and leaves an input that broke
# something in build/fuzz/crashes. FUZZ_JOBS targets run at a time, as many as there are cores
# otherwise. Needs clang with its sanitizer runtime (Debian: clang and
# libclang-rt-dev). Exits with 0 when nothing was found, 1 when something was, 77 without clang.
set -eu

seconds=${1:-60}
[ $# -gt 0 ] && shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/build/fuzz
cc=${CLANG:-clang}
python=${PYTHON:-python3}
jobs=${FUZZ_JOBS:-$(nproc 2>/dev/null || echo 1)}
targets=${*:-scan decimal levels binance lighter utf8 book lighter_tx lighter_hash lighter_curve lighter_schnorr hyperliquid hyperliquid_frames dydx ibkr}

mkdir -p "$out/corpus" "$out/crashes"
if ! command -v "$cc" >/dev/null 2>&1; then
    echo "fuzz: no clang (Debian: apt-get install clang libclang-rt-dev); skipped" >&2
    exit 77
fi
echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return !p && n; }' \
    >"$out/probe.c"
if ! "$cc" -fsanitize=fuzzer,address "$out/probe.c" -o "$out/probe" 2>"$out/probe.log"; then
    echo "fuzz: $cc has no libFuzzer (Debian: apt-get install libclang-rt-dev); skipped" >&2
    exit 77
fi

"$python" "$here/seeds.py" "$out/seeds"
flags="-std=c11 -O1 -g -Wall -Wextra -Werror -fno-omit-frame-pointer
       -fsanitize=address,undefined -fno-sanitize-recover=all -I$root/_speedups/csrc -I$here"

# One target: `found` has a line for each that failed.
fuzz_one() {
    target=$1
    # shellcheck disable=SC2086
    "$cc" $flags -fsanitize=fuzzer-no-link -DPORTABLE -U__BYTE_ORDER__ \
        -c "$here/$target.c" -o "$out/$target-portable.o"
    # shellcheck disable=SC2086
    "$cc" $flags -fsanitize=fuzzer "$here/$target.c" "$out/$target-portable.o" -o "$out/$target"
    mkdir -p "$out/corpus/$target"
    if "$out/$target" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
        -dict="$here/json.dict" -artifact_prefix="$out/crashes/$target-" -print_final_stats=1 \
        "$out/corpus/$target" "$out/seeds/$target" >"$out/$target.log" 2>&1; then
        sed -n 's/^stat::number_of_executed_units: *//p' "$out/$target.log" |
            sed "s/\$/ executions of $target in $seconds s/; s/^/fuzz: /"
    else
        echo "$target" >>"$out/found"
        { echo "fuzz: $target FAILED"; tail -40 "$out/$target.log"; } >&2
    fi
}

: >"$out/found"
for target in $targets; do
    # Not `jobs | wc`: some shells know nothing of their jobs in a pipe.
    while jobs -p >"$out/jobs" && [ "$(wc -l <"$out/jobs")" -ge "$jobs" ]; do
        sleep 0.2
        jobs >/dev/null  # forgets those that ended
    done
    (fuzz_one "$target" || echo "$target" >>"$out/found") &
done
wait
[ ! -s "$out/found" ]
