#include "harness/tier/machine_of.h"

#include <nlohmann/json.hpp>

#include <stdexcept>

namespace rdmalab::harness {

hardware::MachineSpec machineSpecOf(const scenario::Node& node) {
    hardware::MachineSpec spec;
    spec.name = node.name;
    spec.rdmaNetns =
        node.rdmaNetns == scenario::RdmaNetns::exclusive ? hardware::RdmaNetnsMode::exclusive : hardware::RdmaNetnsMode::shared;
    int maxNuma = -1;
    for (const auto& nic : node.nics)
        maxNuma = std::max(maxNuma, nic.numa.value_or(-1));
    for (int id = 0; id <= maxNuma; ++id)
        spec.numa.push_back({id, std::to_string(id * 16) + "-" + std::to_string(id * 16 + 15)});
    for (const auto& nic : node.nics) {
        hardware::NicSpec one;
        one.model = nic.model;
        one.pci = nic.pci;
        one.netdev = nic.netdev;
        one.rdma = nic.rdma;
        one.slot = nic.slot;
        one.numa = nic.numa;
        one.mac = nic.mac;
        one.mtu = nic.mtu;
        one.up = nic.linkUp;
        one.cabled = nic.switchName.has_value();
        one.charDevices = nic.charDevices;
        if (nic.linkLayer)
            one.linkLayer = *nic.linkLayer == "infiniband" ? hardware::LinkLayer::infiniband : hardware::LinkLayer::ethernet;
        if (nic.totalVfs)
            one.totalVfs = static_cast<unsigned>(*nic.totalVfs);
        one.addresses = nic.addresses;
        spec.nics.push_back(std::move(one));
    }
    return spec;
}

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
