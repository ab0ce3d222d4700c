#!/bin/sh
# Stands in for a call to the shop's API: prints the orders or the refunds as CSV.
set -eu
: "${API_TOKEN:?the shop wants a token}"

echo "id,cents"
case $1 in
orders)
    echo "1001,1995"
    echo "1002,4250"
    echo "1003,899"
    ;;
refunds)
    echo "1001,-1995"
    ;;
*)
    echo "nothing is called $1" >&2
    exit 2
    ;;
esac
