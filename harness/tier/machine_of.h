// From what the scenario says about a node to what the hardware model and the cluster need.
#pragma once

#include "harness/scenario/scenario.h"
#include "sim/cluster/cluster.h"
#include "sim/hardware/machine.h"

namespace rdmalab::harness {

// The scenario's words about a NIC of the machine made from it.
const scenario::Nic& nicOf(const scenario::Node& node, const hardware::Nic& nic);
// Without addresses: those are the tier's.
cluster::NodeSpec clusterNodeOf(const scenario::Node& node);
// As given, or 10.255.0.1 and up in a /16.
Cidr managementAddress(const scenario::Node& node, int index);
// The router of the management network, which every node's default route names: the subnet's first address, or the last one when
// that is the node's own. Plugins ask the kernel for routes to pods, so a node without a default route would be unlike a real
// one.
IpAddress managementGateway(const Cidr& address);

} // namespace rdmalab::harness
