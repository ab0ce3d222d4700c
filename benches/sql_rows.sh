#!/usr/bin/env bash
# How quick rows go through the masks to a file, and in how much memory: rows in a second, and the largest
# resident size of the program. Fails above 64 MiB.
#
#     benches/sql_rows.sh [ROWS]
#
# A PostgreSQL of this machine is started for it, listens on 127.0.0.1 and ends with the script. Each row has the
# password of the connection in it. `testdata/services/prepare` installs the server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

rows=${1:-1000000}
cargo build --release --locked --quiet --package subrosa
exec python3 benches/sql_rows.py target/release/subrosa "$rows"
