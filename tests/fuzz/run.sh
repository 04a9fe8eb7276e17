#!/usr/bin/env bash
# Fuzz the C headers with libFuzzer under AddressSanitizer and UBSan.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]      default: 60, all targets
#
# Needs clang with its runtime (Debian: apt-get install clang libclang-rt-14-dev). A finding is kept
# in build/fuzz/TARGET.crash-*; give that file to build/fuzz/TARGET to see it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seconds=${1:-60}
shift || true
clang=${CLANG:-clang}
out=build/fuzz
flags=(-std=c11 -g -O1 -D_GNU_SOURCE -fno-omit-frame-pointer -fno-sanitize-recover=all
    -fsanitize=fuzzer,address,undefined -I_speedups/csrc -Itests/fuzz)

mkdir -p $out/corpus
probe='int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p && n > 9; }'
if ! command -v "$clang" >/dev/null || ! echo "$probe" | "$clang" "${flags[@]}" -x c - -o $out/probe 2>$out/probe.log; then
    message="libFuzzer is not available (Debian: apt-get install clang libclang-rt-14-dev)"
    # In CI the packages are installed first, so not having them is a failure there.
    if [ -n "${CI:-}" ] && command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
        echo "error: $message" >&2
        cat $out/probe.log >&2 || true
        exit 1
    fi
    echo "skipped: $message"
    exit 0
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        targets+=("${name%.c}")
    done
fi
python=.venv/bin/python
[ -x "$python" ] || python=python3
"$python" tests/fuzz/seeds.py $out/seeds

failed=0
for name in "${targets[@]}"; do
    "$clang" "${flags[@]}" "tests/fuzz/fuzz_$name.c" -o "$out/$name"
    mkdir -p "$out/corpus/$name"
    printf '%-8s %s s ... ' "$name" "$seconds"
    if "$out/$name" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
        -artifact_prefix="$out/$name." "$out/corpus/$name" "$out/seeds/$name" >"$out/$name.log" 2>&1; then
        sed -n 's/^Done \([0-9]*\) runs.*/no report after \1 runs/p' "$out/$name.log"
    else
        echo "FINDING"
        tail -n 40 "$out/$name.log"
        failed=1
    fi
done
exit $failed
