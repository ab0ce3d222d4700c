#!/bin/sh
# Adds up the second column of CSV files and prints the sum as money.
set -eu

cents=0
for file in "$@"; do
    while IFS=, read -r id amount; do
        [ "$id" = id ] || cents=$((cents + amount))
    done <"$file"
done
printf '%d.%02d\n' $((cents / 100)) $((cents % 100))
