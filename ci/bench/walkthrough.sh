#!/bin/bash
# Times the shared walkthrough, whole process, cold start to verdict, in both tiers.
#
#   ci/bench/walkthrough.sh [BUILD_DIR] [N]
#
# N runs of each (default 10) after one that warms the page cache; the tiers take turns, so that a busy moment of the machine hits
# both. The netns tier needs root. Every run has to pass.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build}
count=${2:-10}
scenario=$root/scenarios/spiderpool/shared-macvlan.yaml
rdmalab=$build/bin/rdmalab
[[ -x $rdmalab ]] || { echo "missing: $rdmalab" >&2; exit 3; }
tiers=(model)
[[ $(id -u) -ne 0 ]] || tiers+=(netns)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
once() { # tier, file for the figure
    local start=${EPOCHREALTIME/./} # microseconds
    "$rdmalab" run --tier "$1" "$scenario" >"$work/out" 2>&1 </dev/null || { cat "$work/out" >&2; exit 1; }
    echo $((${EPOCHREALTIME/./} - start)) >>"$2"
}
for tier in "${tiers[@]}"; do once "$tier" /dev/null; done
for ((i = 0; i < count; i++)); do
    for tier in "${tiers[@]}"; do once "$tier" "$work/$tier"; done
done

echo "$count runs, $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
printf '%-6s %10s %10s %10s\n' tier median min max
for tier in "${tiers[@]}"; do
    sort -n "$work/$tier" | awk -v tier="$tier" '{ t[NR] = $1 / 1000 }
        END { m = NR % 2 ? t[(NR + 1) / 2] : (t[NR / 2] + t[NR / 2 + 1]) / 2
              printf "%-6s %7.0f ms %7.0f ms %7.0f ms\n", tier, m, t[1], t[NR] }'
done
[[ ${#tiers[@]} -eq 2 ]] || echo "netns  not measured: it needs root"
