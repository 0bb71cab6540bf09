#include "sim/kernel/model_vf_kernel.h"

#include "sim/kernel/model_kernel.h"
#include "sim/kernel/world_state.h"
#include "util/syscall.h"

#include <cerrno>

namespace rdmalab::kernel {

namespace {

using hardware::Nic;
using hardware::VfSettings;

const ModelKernel& asModel(const plugin::Kernel& kernel) {
    const auto* const model = dynamic_cast<const ModelKernel*>(&kernel);
    if (model == nullptr)
        throw plugin::KernelError("the other namespace is not one of this kernel", EINVAL);
    return *model;
}

} // namespace

ModelVfKernel::ModelVfKernel(hardware::Machine& machine, const plugin::Kernel& netns, MachineNetnsOf idOf)
    : machine_(machine), world_(asModel(netns).world()), netns_(asModel(netns).netns()), idOf_(idOf) {}

const Nic* ModelVfKernel::pf(int index) const {
    const LinkRecord& link = WorldState::link(world_.getForPlugin(netns_), index);
    const Nic* const nic = link.physical ? machine_.findByNetdev(link.name, idOf_(netns_)) : nullptr;
    return nic != nullptr && !nic->pci.isVf() && nic->pci.totalVfs > 0 ? nic : nullptr;
}

std::vector<plugin::VfInfo> ModelVfKernel::vfs(int pfIndex) {
    std::vector<plugin::VfInfo> found;
    const Nic* const nic = pf(pfIndex);
    for (unsigned number = 0; nic != nullptr && number < nic->pci.numVfs; ++number) {
        const VfSettings& settings = machine_.vfSettings(*nic, number);
        plugin::VfInfo info;
        info.vf = static_cast<int>(number);
        info.mac = settings.mac;
        info.vlan = static_cast<int>(settings.vlan);
        info.qos = static_cast<int>(settings.qos);
        info.vlanProtocol = settings.vlanProtocol;
        info.minTxRate = settings.minTxRate;
        info.maxTxRate = settings.maxTxRate;
        info.spoofCheck = settings.spoofCheck;
        info.trust = settings.trust;
        info.linkState = static_cast<plugin::VfLinkState>(settings.linkState);
        if (nic->port.linkLayer == hardware::LinkLayer::infiniband) {
            info.nodeGuid = settings.nodeGuid;
            info.portGuid = settings.portGuid;
        }
        found.push_back(std::move(info));
    }
    return found;
}

void ModelVfKernel::change(int pfIndex, int vf, const std::function<void(const Nic&, VfSettings&)>& change) {
    const Nic* const nic = pf(pfIndex);
    if (nic == nullptr)
        refuse(EOPNOTSUPP);
    if (vf < 0 || static_cast<unsigned>(vf) >= nic->pci.totalVfs)
        refuse(EINVAL);
    VfSettings settings = machine_.vfSettings(*nic, static_cast<unsigned>(vf));
    change(*nic, settings);
    try {
        machine_.setVfSettings(nic->pci.address, static_cast<unsigned>(vf), settings);
    } catch (const SystemError& error) {
        refuse(error.code());
    }
}

void ModelVfKernel::setVfMac(int pfIndex, int vf, const std::string& mac) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) { settings.mac = mac; });
}

void ModelVfKernel::setVfVlan(int pfIndex, int vf, int vlan, int qos, int protocol) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) {
        settings.vlan = static_cast<unsigned>(vlan);
        settings.qos = static_cast<unsigned>(qos);
        settings.vlanProtocol = static_cast<std::uint16_t>(protocol);
    });
}

void ModelVfKernel::setVfRate(int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) {
        if (maxTxRate != 0 && minTxRate > maxTxRate)
            refuse(EINVAL); // net/core/rtnetlink.c: rtnl_set_vf_rate
        settings.minTxRate = minTxRate;
        settings.maxTxRate = maxTxRate;
    });
}

void ModelVfKernel::setVfSpoofCheck(int pfIndex, int vf, bool on) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) { settings.spoofCheck = on; });
}

void ModelVfKernel::setVfTrust(int pfIndex, int vf, bool on) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) { settings.trust = on; });
}

void ModelVfKernel::setVfLinkState(int pfIndex, int vf, plugin::VfLinkState state) {
    change(pfIndex, vf, [&](const Nic&, VfSettings& settings) {
        if (state > plugin::VfLinkState::disable)
            refuse(EINVAL);
        settings.linkState = static_cast<hardware::VfLinkState>(state);
    });
}

void ModelVfKernel::setVfNodeGuid(int pfIndex, int vf, std::uint64_t guid) {
    change(pfIndex, vf, [&](const Nic& nic, VfSettings& settings) {
        if (nic.port.linkLayer != hardware::LinkLayer::infiniband)
            refuse(EOPNOTSUPP); // net/core/rtnetlink.c: handle_vf_guid
        settings.nodeGuid = guid;
    });
}

void ModelVfKernel::setVfPortGuid(int pfIndex, int vf, std::uint64_t guid) {
    change(pfIndex, vf, [&](const Nic& nic, VfSettings& settings) {
        if (nic.port.linkLayer != hardware::LinkLayer::infiniband)
            refuse(EOPNOTSUPP);
        settings.portGuid = guid;
    });
}

} // namespace rdmalab::kernel
