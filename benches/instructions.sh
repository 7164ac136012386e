#!/bin/sh
# Counts instructions by callgrind, which a busy machine does not disturb.
#
# Run: benches/instructions.sh [clients|client-shapes|shapes|trust] [TEXT]        (needs valgrind)
#
#   clients        per event of each client, and per unary call (about five minutes); the default
#   client-shapes  per event of our client and the floor, for each shape of chunk and body (ten minutes)
#   shapes         per event of reading each shape without a client (three minutes)
#   trust          per check, opened chunk, sealed request and chunk of a stream, against the bare
#                  cryptography of the same crates (three minutes)
#
# Only modes, shapes and operations whose names hold TEXT are counted. With `PEERS=` (empty) set, the
# peers are neither built nor counted, and the report shows their last figures.
#
# The difference between more and fewer runs is counted, so that starting up is not. The results go to
# target/atoma-bench, for the report.
set -eu
cd "$(dirname "$0")/.."
what=${1:-clients}
text=${2:-}
target=${CARGO_TARGET_DIR:-target}
tab=$(printf '\t')
peers=
if [ "$what" = clients ]; then peers=${PEERS---features peers}; fi
case $what in
clients | client-shapes) kind=--bin name=one_client program=$target/release/one_client ;;
shapes | trust) kind=--example name=$what program=$target/release/examples/$what ;;
*) sed -n 's/^# Run: /usage: /p' "$0" >&2; exit 2 ;;
esac
cargo build --quiet --profile bench -p atoma-benches $peers "$kind" "$name"

# count ARGUMENT…: the instructions of the program. Of a run with a measured part, only that counts.
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null ${measured:-} "$program" "$@" 2>&1 |
        sed -n 's/.*Collected : //p'
}

# per_unit UNITS FEWER MORE ARGUMENT…: the instructions of a unit, by a run of FEWER and one of MORE.
per_unit() {
    units=$1 fewer=$2 more=$3
    shift 3
    echo $((($(count "$@" "$more") - $(count "$@" "$fewer")) / units))
}

ratio() {
    awk "BEGIN { printf \"%.3f\", $1 / $2 }"
}

# record MEMBERS: adds a line of JSON with these members to the results.
record() {
    printf '{"bench":"%s","command":"benches/instructions.sh %s","processor":"%s","date":"%s","rustc":"%s","commit":"%s",%s}\n' \
        "$bench" "$what" "$processor" "$(date -u +%F)" "$(rustc --version)" "$commit" "$1" >> "$records"
}

# compare ROLE UNITS MORE FLOOR CONTENDER…: counts all of them with the present shape.
compare() {
    role=$1 of=$2 most=$3 floor=
    shift 3
    for contender; do
        instructions=$(per_unit "$of" 1 "$most" "$contender" "$shape")
        floor=${floor:-$instructions}
        times=$(ratio "$instructions" "$floor")
        printf '%-20s %-34s %12s  %s x\n' "$shape" "$contender" "$instructions" "$times"
        record "\"shape\":\"$shape\",\"$role\":\"$contender\",\"instructions\":$instructions,\"ratio\":$times"
    done
}

case $what in
clients) bench=instructions ;;
client-shapes) bench=client_shapes ;;
shapes) bench=shapes ;;
trust) bench=trust_instructions ;;
esac
mkdir -p "$target/atoma-bench"
# Only all of them are a record: with TEXT, they are printed.
records=$target/atoma-bench/$bench.json
if [ -z "$text" ]; then : > "$records"; else records=/dev/null; fi
commit=$(git describe --always --dirty --abbrev=10 --exclude="*")
processor="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores"

case $what in
clients)
    "$program" clients | grep -F "$text" | while IFS=$tab read -r mode events calls; do
        for client in "floor: hyper, memchr, serde_json" "floor, connection driven inline" \
            "atoma" "atoma, lending" ${peers:+"reqwest, eventsource-stream, serde_json" "async-openai"}; do
            instructions=$(per_unit $((calls * events)) 2 $((calls + 2)) "$client" "$mode")
            printf '%-40s %-10s %s\n' "$client" "$mode" "$instructions"
            record "\"mode\":\"$mode\",\"client\":\"$client\",\"instructions\":$instructions"
        done
    done
    ;;
client-shapes)
    "$program" client-shapes | grep -F "$text" | while IFS=$tab read -r shape events calls; do
        compare client $((calls * events)) $((calls + 1)) \
            "floor: hyper, memchr, serde_json" "atoma" "atoma, lending"
    done
    ;;
shapes)
    "$program" | grep -F "$text" | while IFS=$tab read -r shape events; do
        compare reader "$events" 2 floor owned lent
    done
    ;;
trust)
    # What comes before the measured part of a run is not counted, and the first run is subtracted, so
    # that reading a key for the first time is not either. The floors come before the operations that
    # are compared with them.
    measured='--toggle-collect=*measured_part*'
    counted=
    "$program" | grep -F "$text" | while IFS=$tab read -r name floor; do
        if [ "$floor" != "$counted" ]; then
            counted=$floor
            of_floor=$(per_unit 400 1 3 "$floor")
        fi
        instructions=$of_floor
        if [ "$name" != "$floor" ]; then instructions=$(per_unit 400 1 3 "$name"); fi
        times=$(ratio "$instructions" "$of_floor")
        printf '%-64s %8s  %s x\n' "$name" "$instructions" "$times"
        record "\"operation\":\"$name\",\"floor\":\"$floor\",\"instructions\":$instructions,\"ratio\":$times"
    done
    ;;
esac
