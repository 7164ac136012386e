#!/bin/sh
# Counts instructions per check, opened chunk, sealed request and chunk of a stream by callgrind, which a busy machine
# does not disturb, and prints the ratio to the bare cryptography of the same crates.
#
# Run: benches/instructions_of_trust.sh [TEXT]        (needs valgrind; about three minutes)
#
# Only operations whose names hold TEXT are counted. What comes before the measured part of a run is not counted, and
# the first run is subtracted, so that reading a key for the first time is not either. The results go to
# target/atoma-bench/trust_instructions.json, for the report.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --profile bench -p atoma-benches --example trust
program=$target/release/examples/trust
units=200
mkdir -p "$target/atoma-bench"
records=$target/atoma-bench/trust_instructions.json
if [ -z "${1:-}" ]; then : > "$records"; else records=/dev/null; fi

commit=$(git describe --always --dirty --abbrev=10 --exclude="*")
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*measured_part*' \
        "$program" "$1" "$2" 2>&1 | sed -n 's/.*Collected : //p'
}

per_unit() {
    more=$(count "$1" 3)
    less=$(count "$1" 1)
    echo $(((more - less) / 2 / units))
}

# The floors come before the operations that are compared with them.
"$program" | grep -F "${1:-}" | while IFS="$(printf '\t')" read -r name floor; do
    if [ "$floor" != "${counted:-}" ]; then
        counted=$floor
        of_floor=$(per_unit "$floor")
    fi
    instructions=$(if [ "$name" = "$floor" ]; then echo "$of_floor"; else per_unit "$name"; fi)
    ratio=$(awk "BEGIN { printf \"%.3f\", $instructions / $of_floor }")
    printf '%-64s %8s  %s x\n' "$name" "$instructions" "$ratio"
    printf '{"bench":"trust_instructions","command":"benches/instructions_of_trust.sh","processor":"%s","date":"%s","rustc":"%s","commit":"%s","operation":"%s","floor":"%s","instructions":%s,"ratio":%s}\n' \
        "$processor" "$(date -u +%F)" "$(rustc --version)" "$commit" "$name" "$floor" "$instructions" "$ratio" >> "$records"
done
