#include "harness/scenario/machine_spec.h"

#include "harness/scenario/scenario.h"

#include <algorithm>

namespace rdmalab::scenario {

hardware::MachineSpec machineSpec(const Node& node) {
    hardware::MachineSpec spec;
    spec.name = node.name;
    spec.rdmaNetns =
        node.rdmaNetns == RdmaNetns::exclusive ? hardware::RdmaNetnsMode::exclusive : hardware::RdmaNetnsMode::shared;
    spec.rdmaNaming = node.rdmaNaming == RdmaNaming::udev ? hardware::RdmaNaming::udev : hardware::RdmaNaming::kernel;
    spec.iommu = node.iommu;
    int lastNuma = -1;
    for (const Nic& nic : node.nics) {
        hardware::NicSpec& one = spec.nics.emplace_back();
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
        if (nic.linkLayer)
            one.linkLayer = *nic.linkLayer == "infiniband" ? hardware::LinkLayer::infiniband : hardware::LinkLayer::ethernet;
        one.charDevices = nic.charDevices;
        if (nic.totalVfs)
            one.totalVfs = static_cast<unsigned>(*nic.totalVfs);
        one.numVfs = static_cast<unsigned>(nic.numVfs);
        one.rdmaEnabled = nic.rdmaEnabled;
        one.nodeGuid = nic.nodeGuid;
        one.pcieSwitch = nic.pcieSwitch;
        one.addresses = nic.addresses;
        lastNuma = std::max(lastNuma, nic.numa.value_or(-1));
    }
    for (const Gpu& gpu : node.gpus) {
        hardware::PlainSpec& one = spec.gpus.emplace_back();
        one.model = gpu.model;
        one.pci = gpu.pci;
        one.vendor = gpu.vendor;
        one.device = gpu.device;
        one.classCode = gpu.classCode;
        one.driver = gpu.driver;
        one.numa = gpu.numa;
        one.pcieSwitch = gpu.pcieSwitch;
        lastNuma = std::max(lastNuma, gpu.numa.value_or(-1));
    }
    for (const Numa& numa : node.numa)
        spec.numa.push_back({numa.id, numa.cpus});
    for (int id = 0; node.numa.empty() && id <= lastNuma; ++id)
        spec.numa.push_back({id, {}});
    return spec;
}

} // namespace rdmalab::scenario
