#!/bin/bash
# Times ADD + DEL of our macvlan against the Go plugins of the package containernetworking-plugins, in one run.
#
#   ci/bench/cni_vs_go.sh [BUILD_DIR] [N]
#
# Both sides use Debian's host-local for addresses, so that only macvlan differs. In a build with -DRDMALAB_BENCH=ON a third row
# shows our macvlan with our spiderpool, which asks a spiderpool-agent, which asks an API server: all real processes, started here.
# Needs root; everything happens in network and mount namespaces of its own.
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
started=("$pod")
trap 'kill "${started[@]}"; rm -rf "$work"' EXIT
while [[ $(readlink /proc/$pod/ns/net) == "$(readlink /proc/self/ns/net)" ]]; do :; done
ip link set lo up
ip link add uplink type veth peer name tor
ip link set uplink up
ip link set tor up
ip addr add 10.56.0.1/16 dev uplink

# The agent of the third row; its socket and its state stay in $work.
socket=
if [[ -x $build/bin/bench_api_server ]]; then
    "$build/bin/bench_api_server" "$work" &
    started+=($!)
    while [[ ! -e $work/pod.env ]]; do kill -0 "${started[-1]}"; sleep 0.01; done
    # shellcheck disable=SC1090,SC2046
    export $(cat "$work/pod.env")
    socket=$work/spiderpool.sock
    echo "{ipamUnixSocketPath: $socket, enableIPv4: true}" >"$work/agent.yml"
    "$ours/spiderpool-agent" daemon --config-path="$work/agent.yml" --kubeconfig="$work/kubeconfig" --compat=0.8 \
        --node-name=bench 2>"$work/agent.log" &
    started+=($!)
    while [[ ! -S $socket ]]; do kill -0 "${started[-1]}" || { cat "$work/agent.log" >&2; exit 3; }; sleep 0.01; done
else
    echo "no third row: configure with -DRDMALAB_BENCH=ON and build bench_api_server" >&2
fi

conf() { # name, ipam object
    echo "{\"cniVersion\":\"0.4.0\",\"name\":\"$1\",\"type\":\"macvlan\",\"master\":\"uplink\",\"ipam\":$2}" >"$work/$1.conf"
}
host_local() {
    echo "{\"type\":\"host-local\",\"dataDir\":\"$work/store-$1\",\"subnet\":\"10.56.0.0/16\",\"routes\":[{\"dst\":\"0.0.0.0/0\"}]}"
}
conf go "$(host_local go)"
conf ours "$(host_local ours)"
conf spiderpool "{\"type\":\"spiderpool\",\"ipam_unix_socket_path\":\"$socket\",\"default_ipv4_ippool\":[\"bench\"]}"

export CNI_CONTAINERID=bench CNI_IFNAME=net1 CNI_NETNS=/proc/$pod/ns/net CNI_PATH=$ours:$go
export CNI_ARGS="IgnoreUnknown=1;K8S_POD_NAME=${POD_NAME:-bench};K8S_POD_NAMESPACE=${POD_NAMESPACE:-default};K8S_POD_UID=${POD_UID:-bench}"

# Microseconds, and of them in ADD.
declare -A spent adding
batch() { # side, executable, number of ADD + DEL
    local i begin between
    for ((i = 0; i < $3; i++)); do
        begin=${EPOCHREALTIME/./}
        CNI_COMMAND=ADD "$2" <"$work/$1.conf" >"$work/out" || { cat "$work/out" >&2; exit 1; }
        between=${EPOCHREALTIME/./}
        CNI_COMMAND=DEL "$2" <"$work/$1.conf" >"$work/out" || { cat "$work/out" >&2; exit 1; }
        adding[$1]=$((adding[$1] + between - begin))
        spent[$1]=$((spent[$1] + ${EPOCHREALTIME/./} - begin))
    done
}
forget() { for side in go ours spiderpool; do spent[$side]=0 adding[$side]=0; done; }
forget

# Small batches in turn, so that a busy moment of the machine hits all sides.
size=10
rounds=$(((count + size - 1) / size))
batch go "$go/macvlan" 2 # warm the page cache
batch ours "$ours/macvlan" 2
[[ -z $socket ]] || batch spiderpool "$ours/macvlan" 2
forget
for ((round = 0; round < rounds; round++)); do
    batch go "$go/macvlan" "$size"
    batch ours "$ours/macvlan" "$size"
    [[ -z $socket ]] || batch spiderpool "$ours/macvlan" "$size"
done

total=$((rounds * size))
row() {
    awk -v name="$1" -v add="${adding[$2]}" -v both="${spent[$2]}" -v go="${adding[go]}" -v goBoth="${spent[go]}" -v n="$total" 'BEGIN {
        printf "%-36s %7.2f ms ADD (%.2f of Go)   %7.2f ms ADD+DEL (%.2f of Go)\n",
               name, add / n / 1000, add / go, both / n / 1000, both / goBoth }'
}
echo "$total x (ADD + DEL)"
row "Go macvlan + Go host-local" go
row "our macvlan + Go host-local" ours
[[ -z $socket ]] || row "our macvlan + our spiderpool + agent" spiderpool
