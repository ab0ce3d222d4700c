#!/usr/bin/env bash
# How `subrosa serve` bears load: 2,000 requests in a second on a list of 10,000 secrets, each answer a page of a
# hundred of them. Told are the rate, the times within which half and 99 of 100 answers came, and the largest
# resident size of both processes. Fails if p99 is above 50 ms, or both take more than 150 MiB.
#
#     benches/serve_load.sh [RATE [SECONDS [SECRETS]]]
#
# wrk (Debian: wrk) asks; its requests are spread in time by benches/serve_load.lua, and what counts is from
# when a request was due, so that a server that pauses is not measured by what came after. Without a bound on
# the rate (RATE is 0) it says how many there can be. Another program is named as SUBROSA.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rate=${1:-2000}
seconds=${2:-20}
secrets=${3:-10000}
command -v wrk >/dev/null || { echo "serve_load: wrk is not there (Debian: wrk)" >&2; exit 1; }
if [ -z "${SUBROSA:-}" ]; then
    cargo build --release --locked --quiet --package subrosa
fi
program=$(realpath "${SUBROSA:-target/release/subrosa}")
exec python3 benches/serve_load.py "$program" "$rate" "$seconds" "$secrets"
