#!/bin/sh
# Counts instructions per event of each client by callgrind, which a busy machine does not disturb.
#
# Run: benches/instructions.sh [mode…]        (needs valgrind; about five minutes)
#
# With `PEERS=` (empty) set, the peers are neither built nor counted, and the report shows their last figures.
#
# The difference between 3 and 2 streams is counted (22 and 2 calls), so that starting up is not. The results go to
# target/atoma-bench/instructions.json, for the report.
set -eu
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
cargo build --quiet --profile bench -p atoma-benches ${PEERS---features peers} --bin one_client
program=$target/release/one_client
mkdir -p "$target/atoma-bench"
records=$target/atoma-bench/instructions.json
: > "$records"

commit=$(git describe --always --dirty --abbrev=10 --exclude="*")
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : //p'
}
printf '%-40s %-10s %s\n' client mode 'instructions per event (per call: unary)'
for mode in ${*:-fast framed per-event keepalive unlike unary}; do
    for client in "floor: hyper, memchr, serde_json" "floor, connection driven inline" \
        "atoma" "atoma, lending" ${PEERS-"reqwest, eventsource-stream, serde_json" "async-openai"}; do
        events=2000
        calls=1
        if [ "$mode" = unary ]; then events=1 calls=20; fi
        more=$(count "$client" "$mode" $((calls + 2)))
        less=$(count "$client" "$mode" 2)
        instructions=$(((more - less) / calls / events))
        printf '%-40s %-10s %s\n' "$client" "$mode" "$instructions"
        printf '{"bench":"instructions","command":"benches/instructions.sh","processor":"%s","date":"%s","rustc":"%s","commit":"%s","mode":"%s","client":"%s","instructions":%s}\n' \
            "$processor" "$(date -u +%F)" "$(rustc --version)" "$commit" "$mode" "$client" "$instructions" >> "$records"
    done
done
