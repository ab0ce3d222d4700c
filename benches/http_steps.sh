#!/usr/bin/env bash
# How quick `http` steps are beside a bare loop over the same client: requests in a second, and their ratio.
#
#     benches/http_steps.sh [STEPS [AT_ONCE]]
#
# Everything listens on 127.0.0.1 and ends with the script. What is measured is said in
# executors/examples/http_steps.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --release --locked --quiet --package subrosa
exec cargo run --release --locked --quiet --package subrosa-executors --example http_steps -- target/release/subrosa "${1:-1000}" "${2:-8}"
