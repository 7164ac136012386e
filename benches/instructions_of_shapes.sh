#!/bin/sh
# Counts instructions of reading each shape of chunk and body by callgrind, which a busy machine does not disturb, and
# prints the ratio to serde_json into plain owned structs.
#
# Run: benches/instructions_of_shapes.sh [TEXT]        (needs valgrind; about three minutes)
#
# Only shapes whose names hold TEXT are counted. The difference between two runs and one is counted, so that making
# the texts is not. The results go to target/atoma-bench/shapes.json, for the report.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --profile bench -p atoma-benches --example shapes
program=$target/release/examples/shapes
mkdir -p "$target/atoma-bench"
records=$target/atoma-bench/shapes.json
: > "$records"

commit=$(git describe --always --dirty --abbrev=10 --exclude="*")
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : //p'
}

printf '%-20s %-6s %12s\n' shape reader 'instructions per event'
"$program" | grep -F "${1:-}" | while IFS="$(printf '\t')" read -r shape events; do
    for reader in floor owned lent; do
        more=$(count "$reader" "$shape" 2)
        less=$(count "$reader" "$shape" 1)
        instructions=$(((more - less) / events))
        if [ "$reader" = floor ]; then floor=$instructions; fi
        ratio=$(awk "BEGIN { printf \"%.3f\", $instructions / $floor }")
        printf '%-20s %-6s %12s  %s x\n' "$shape" "$reader" "$instructions" "$ratio"
        printf '{"bench":"shapes","command":"benches/instructions_of_shapes.sh","processor":"%s","date":"%s","rustc":"%s","commit":"%s","shape":"%s","reader":"%s","instructions":%s,"ratio":%s}\n' \
            "$processor" "$(date -u +%F)" "$(rustc --version)" "$commit" "$shape" "$reader" "$instructions" "$ratio" >> "$records"
    done
done
