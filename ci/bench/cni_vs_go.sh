#!/bin/bash
# Times ADD + DEL of our macvlan against the Go plugins of the package containernetworking-plugins, in one run.
#
#   ci/bench/cni_vs_go.sh [BUILD_DIR] [N]
#
# Both sides use Debian's host-local for addresses, so that only macvlan differs. With SPIDERPOOL_SOCKET=<socket of a running
# spiderpool-agent> (and POD_NAME, POD_NAMESPACE, POD_UID of a pod that it knows) a third row shows our macvlan with our
# spiderpool. Needs root; everything happens in network namespaces of its own.
set -euo pipefail
build=${1:-build}
count=${2:-200}
ours=$(cd "$build/bin/plugins" && pwd)
go=${GO_PLUGINS:-/usr/lib/cni}

if [[ ${CNI_BENCH_INSIDE:-} != 1 ]]; then
    CNI_BENCH_INSIDE=1 exec unshare --net --mount "$0" "$build" "$count"
fi
for plugin in "$ours/macvlan" "$go/macvlan" "$go/host-local"; do
    [[ -x $plugin ]] || { echo "missing: $plugin" >&2; exit 3; }
done

work=$(mktemp -d)
unshare --net sleep infinity &
pod=$!
trap 'kill $pod; rm -rf "$work"' EXIT
while [[ $(readlink /proc/$pod/ns/net) == "$(readlink /proc/self/ns/net)" ]]; do :; done
ip link set lo up
ip link add uplink type veth peer name tor
ip link set uplink up
ip link set tor up
ip addr add 10.56.0.1/16 dev uplink

conf() { # name, ipam object
    echo "{\"cniVersion\":\"0.4.0\",\"name\":\"$1\",\"type\":\"macvlan\",\"master\":\"uplink\",\"ipam\":$2}" >"$work/$1.conf"
}
host_local() {
    echo "{\"type\":\"host-local\",\"dataDir\":\"$work/store-$1\",\"subnet\":\"10.56.0.0/16\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}"
}
conf go "$(host_local go)"
conf ours "$(host_local ours)"
conf spiderpool "{\"type\":\"spiderpool\",\"ipam_unix_socket_path\":\"${SPIDERPOOL_SOCKET:-}\"}"

export CNI_CONTAINERID=bench CNI_IFNAME=net1 CNI_NETNS=/proc/$pod/ns/net CNI_PATH=$ours:$go
export CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=${POD_NAME:-bench};K8S_POD_NAMESPACE=${POD_NAMESPACE:-default};K8S_POD_UID=${POD_UID:-bench}"

batch() { # executable, configuration, number of ADD + DEL
    local i
    for ((i = 0; i < $3; i++)); do
        CNI_COMMAND=ADD "$1" <"$2" >"$work/out" || { cat "$work/out" >&2; exit 1; }
        CNI_COMMAND=DEL "$1" <"$2" >"$work/out" || { cat "$work/out" >&2; exit 1; }
    done
}

declare -A spent=([go]=0 [ours]=0 [spiderpool]=0)
measure() { # side, executable
    local start=${EPOCHREALTIME/./} # microseconds
    batch "$2" "$work/$1.conf" "$size"
    spent[$1]=$((spent[$1] + ${EPOCHREALTIME/./} - start))
}

# Small batches in turn, so that a busy moment of the machine hits all sides.
size=10
rounds=$(((count + size - 1) / size))
batch "$go/macvlan" "$work/go.conf" 2 # warm the page cache
batch "$ours/macvlan" "$work/ours.conf" 2
for ((round = 0; round < rounds; round++)); do
    measure go "$go/macvlan"
    measure ours "$ours/macvlan"
    [[ -z ${SPIDERPOOL_SOCKET:-} ]] || measure spiderpool "$ours/macvlan"
done

total=$((rounds * size))
row() { awk -v name="$1" -v us="${spent[$2]}" -v go="${spent[go]}" -v n="$total" \
    'BEGIN { printf "%-36s %8.2f ms per ADD+DEL   ratio to Go %.2f\n", name, us / n / 1000, us / go }'; }
echo "$total x (ADD + DEL)"
row "Go macvlan + Go host-local" go
row "our macvlan + Go host-local" ours
[[ -z ${SPIDERPOOL_SOCKET:-} ]] || row "our macvlan + our spiderpool" spiderpool
