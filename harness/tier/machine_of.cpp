#include "harness/tier/machine_of.h"

#include <nlohmann/json.hpp>

#include <stdexcept>

namespace rdmalab::harness {

const scenario::Nic& nicOf(const scenario::Node& node, const hardware::Nic& nic) {
    for (const auto& candidate : node.nics)
        if (candidate.pci == nic.pci.address.str())
            return candidate;
    throw std::logic_error("NIC " + nic.pci.address.str() + " is not in the scenario");
}

cluster::NodeSpec clusterNodeOf(const scenario::Node& node) {
    cluster::NodeSpec spec;
    spec.name = node.name;
    spec.labels = node.labels;
    for (const auto& taint : node.taints)
        spec.taints.push_back({{"key", taint.key}, {"value", taint.value}, {"effect", taint.effect}});
    spec.capacity = node.capacity;
    return spec;
}

Cidr managementAddress(const scenario::Node& node, int index) {
    if (node.address)
        return *node.address;
    const int host = index + 1;
    return *Cidr::parse("10.255." + std::to_string(host / 256) + "." + std::to_string(host % 256) + "/16");
}

IpAddress managementGateway(const Cidr& address) {
    const IpAddress first = address.network().next();
    if (first != address.address)
        return first;
    IpAddress last = first;
    for (IpAddress next = last.next(); next != address.broadcast(); next = next.next())
        last = next;
    return last;
}

} // namespace rdmalab::harness
