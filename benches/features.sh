#!/usr/bin/env bash
# What each cargo feature of the command costs: CPU time of building it, bytes of the binary.
#
#     benches/features.sh
#
# Clean release builds with all features and with none. Then, for each feature, a build without it: the bytes that are
# gone, and the CPU time of the crates that only it brings and of what ours take more with it. For that, ours are built
# again with it and without it: only those that know of features, unless crates of its own come on top.
# CPU time is user and system time of cargo and all compilers: other work on the machine changes it little, unlike
# wall time. Takes a quarter of an hour on two cores that do nothing else.
# Builds in a folder of its own, which is removed afterwards; the crates are fetched first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

features=(aws azure gcp keyring)
cargo fetch --locked --quiet
mkdir -p target
place=$(mktemp -d "$PWD/target/features.XXXXXX")
trap 'rm -rf "$place"' EXIT

near=(subrosa-providers subrosa)
ours=(subrosa-masker subrosa-registry subrosa-http subrosa-engine subrosa-connections subrosa-exchange subrosa-executors "${near[@]}")

all_but() {
    local feature list=()
    for feature in "${features[@]}"; do
        [ "$feature" = "$1" ] || list+=("$feature")
    done
    (IFS=,; echo "${list[*]}")
}

# build FOLDER FEATURES: sets `cpu`, in seconds, and `bytes`.
build() {
    local user system TIMEFORMAT='%U %S'
    echo "building with: ${2:-nothing}" >&2
    { time cargo build --quiet --release --locked --package subrosa --no-default-features --features "$2" \
        --target-dir "$place/$1" 2>&3; } 3>&2 2>"$place/times"
    read -r user system <"$place/times"
    cpu=$(awk -v user="$user" -v system_="$system" 'BEGIN { printf "%.1f", user + system_ }')
    bytes=$(stat -c %s "$place/$1/release/subrosa")
}

# forget PACKAGE...: they are built again.
forget() {
    cargo clean --quiet --release --target-dir "$place/all" "${@/#/--package=}"
}

crates() {
    cargo tree --locked --package subrosa --edges normal,build --no-default-features --features "$1" --prefix none \
        --format '{p}' | awk '{ sub(/^v/, "", $2); print $1 "@" $2 }' | sort -u
}

mib() {
    awk -v bytes="$1" 'BEGIN { printf "%.2f", bytes / 1048576 }'
}

every=$(all_but none)
echo "| features | CPU of a clean build | size of the binary | crates |"
echo "| --- | --- | --- | --- |"
build none ""
echo "| none of them | $cpu s | $(mib "$bytes") MiB | $(crates "" | wc -l) |"
rm -rf "$place/none"
build all "$every"
size=$bytes
echo "| all (default) | $cpu s | $(mib "$bytes") MiB | $(crates "$every" | wc -l) |"

echo
echo "| feature | CPU | bytes | crates of its own |"
echo "| --- | --- | --- | --- |"
forget "${near[@]}"
build all "$every"
near_cpu=$cpu
for feature in "${features[@]}"; do
    others=$(all_but "$feature")
    mapfile -t own < <(comm -23 <(crates "$every") <(crates "$others"))
    forget "${near[@]}"
    build all "$others"
    saved=$((size - bytes)) without=$cpu with=$near_cpu
    if [ ${#own[@]} -gt 0 ]; then
        # What else has changed (features of crates that others use, too) is built by now.
        forget "${ours[@]}"
        build all "$others"
        without=$cpu
        forget "${ours[@]}" "${own[@]}"
        build all "$every"
        with=$cpu
    fi
    awk -v feature="$feature" -v with="$with" -v without="$without" -v saved="$saved" -v own="${#own[@]}" 'BEGIN {
        printf "| `%s` | %.1f s | %.2f MiB | %d |\n", feature, with - without, saved / 1048576, own
    }'
done
echo
echo "$(nproc) cores, $(rustc --version | cut -d ' ' -f 1,2)"
