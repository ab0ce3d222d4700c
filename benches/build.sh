#!/usr/bin/env bash
# What a clean release build of the command costs: wall time, CPU time, size of the binary.
#
#     benches/build.sh
#
# Builds in a folder of its own, which is removed afterwards; the crates are fetched before the clock starts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo fetch --locked --quiet
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT

TIMEFORMAT='%R %U %S'
# Cargo's own words go to the terminal, the times into a file.
{ time cargo build --release --locked --package subrosa --target-dir "$target" 2>&3; } 3>&2 2>"$target/times"
read -r wall user system <"$target/times"
size=$(stat -c %s "$target/release/subrosa")

echo "| wall | CPU | size of the binary | cores | toolchain |"
echo "| --- | --- | --- | --- | --- |"
awk -v wall="$wall" -v user="$user" -v system_="$system" -v size="$size" -v cores="$(nproc)" \
    -v rustc="$(rustc --version | cut -d ' ' -f 1,2)" 'BEGIN {
    printf "| %.1f s | %.1f s | %.2f MiB | %d | %s |\n", wall, user + system_, size / 1048576, cores, rustc
}'
