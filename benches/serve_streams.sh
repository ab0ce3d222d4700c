#!/usr/bin/env bash
# How `subrosa serve` bears people who watch: a run that writes lines for a while, and 200 who follow it from its
# start. Fails if one of them lacks a line of the log, has one twice or gets no end, or above 150 MiB.
#
#     benches/serve_streams.sh [STREAMS [LINES]]
#
# Another program is named as SUBROSA.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

streams=${1:-200}
lines=${2:-5000}
if [ -z "${SUBROSA:-}" ]; then
    cargo build --release --locked --quiet --package subrosa
fi
program=$(realpath "${SUBROSA:-target/release/subrosa}")
exec python3 benches/serve_streams.py "$program" "$streams" "$lines"
