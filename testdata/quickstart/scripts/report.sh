#!/bin/sh
# Prints the report, signed with a checksum that only the holder of the key can make.
# (Good enough for an example. A real signature would use a real algorithm.)
set -eu

text="$TITLE: $TOTAL"
sum=$(printf '%s:%s' "$SIGNING_KEY" "$text" | cksum)
echo "$text"
echo "signed ${sum%% *}"
