// The node's addresses that a pod must reach through its veth (cmd/coordinator/cmd/utils.go, GetAllHostIPRouteForPod).
#pragma once

#include "util/ip.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {
class Kernel;
}

namespace rdmalab::plugin::coordinator {

// Which families an interface has usable addresses of.
struct Families {
    bool v4 = false, v6 = false;
    bool has(const IpAddress& ip) const { return ip.isV4() ? v4 : v6; }
};

// Addresses of a link that are neither link-local nor multicast.
std::vector<Cidr> unicastAddresses(Kernel& kernel, int linkIndex, Families families = {true, true});

// The source address that the node uses towards `dst`, as `ip route get` tells. Throws std::runtime_error "network is
// unreachable" when no route leads there.
std::optional<IpAddress> sourceAddress(Kernel& host, const IpAddress& dst);

// First the sources towards each of the pod's addresses, then all others of the node but those of links that belong to pods
// or container networks (docker*, cali*, veth*, ...).
std::vector<IpAddress> hostAddressesForPod(Kernel& host, const std::vector<Cidr>& podAddresses, Families families);

} // namespace rdmalab::plugin::coordinator
