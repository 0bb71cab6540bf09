#include "sim/kernel/model_rdma_kernel.h"

#include "sim/hardware/rdma_view.h"
#include "sim/kernel/model_kernel.h"
#include "sim/kernel/world_state.h"
#include "util/syscall.h"

#include <cerrno>

namespace rdmalab::kernel {

namespace {

using hardware::Nic;

const ModelKernel& asModel(const plugin::Kernel& kernel) {
    const auto* const model = dynamic_cast<const ModelKernel*>(&kernel);
    if (model == nullptr)
        throw plugin::KernelError("the other namespace is not one of this kernel", EINVAL);
    return *model;
}

// The machine's refusals are system errors; plugins get the kernel's.
template <typename Action>
void change(Action&& action) {
    try {
        action();
    } catch (const SystemError& error) {
        refuse(error.code());
    }
}

} // namespace

ModelRdmaKernel::ModelRdmaKernel(hardware::Machine& machine, const plugin::Kernel& netns, MachineNetnsOf idOf)
    : machine_(machine), world_(asModel(netns).world()), netns_(asModel(netns).netns()), idOf_(idOf) {}

const Nic& ModelRdmaKernel::visible(std::uint32_t device) const {
    for (const Nic* nic : machine_.rdmaDevicesVisibleFrom(idOf_(netns_)))
        if (nic->rdma->index == device)
            return *nic;
    refuse(EINVAL);
}

plugin::RdmaNetnsMode ModelRdmaKernel::netnsMode() {
    return machine_.rdmaNetnsMode() == hardware::RdmaNetnsMode::exclusive ? plugin::RdmaNetnsMode::exclusive
                                                                          : plugin::RdmaNetnsMode::shared;
}

void ModelRdmaKernel::setNetnsMode(plugin::RdmaNetnsMode mode) {
    if (mode == netnsMode())
        return;
    if (!world_.getForPlugin(netns_).node->children.empty())
        refuse(EBUSY);
    change([&] {
        machine_.setRdmaNetnsMode(mode == plugin::RdmaNetnsMode::exclusive ? hardware::RdmaNetnsMode::exclusive
                                                                           : hardware::RdmaNetnsMode::shared);
    });
}

std::vector<plugin::RdmaDevice> ModelRdmaKernel::devices() {
    std::vector<plugin::RdmaDevice> found;
    for (const Nic* nic : machine_.rdmaDevicesVisibleFrom(idOf_(netns_))) {
        plugin::RdmaDevice device;
        device.index = nic->rdma->index;
        device.name = nic->rdma->name;
        device.firmware = nic->model->rdma ? nic->model->rdma->firmware : "";
        device.nodeGuid = nic->rdma->nodeGuid;
        device.systemImageGuid = nic->rdma->systemImageGuid;
        device.ports = 1;
        device.nodeType = 1;
        device.protocol = nic->port.linkLayer == hardware::LinkLayer::infiniband ? "ib" : "roce";
        found.push_back(std::move(device));
    }
    return found;
}

std::vector<plugin::RdmaPort> ModelRdmaKernel::ports(std::uint32_t device) {
    const Nic& nic = visible(device);
    plugin::RdmaPort port;
    port.port = 1;
    port.state = static_cast<std::uint8_t>(hardware::portState(nic.port));
    port.physicalState = static_cast<std::uint8_t>(hardware::physicalState(nic.port));
    if (nic.port.netns == idOf_(netns_))
        if (const LinkRecord* const link = WorldState::findLink(world_.getForPlugin(netns_), nic.port.netdev)) {
            port.netdevIndex = link->index;
            port.netdev = link->name;
        }
    return {port};
}

void ModelRdmaKernel::renameDevice(std::uint32_t device, const std::string& name) {
    const Nic& nic = visible(device);
    change([&] { machine_.renameRdma(nic, name); });
}

void ModelRdmaKernel::moveDevice(std::uint32_t device, plugin::Kernel& target) {
    const Nic& nic = visible(device);
    const ModelKernel& other = asModel(target);
    if (&other.world() != &world_ || world_.getForPlugin(other.netns()).node != world_.getForPlugin(netns_).node)
        refuse(EINVAL);
    change([&] { machine_.moveRdma(nic, idOf_(other.netns())); });
}

std::optional<plugin::RdmaCharDevice> ModelRdmaKernel::charDevice(const std::string& type, std::optional<std::uint32_t> device) {
    using hardware::CharDeviceKind;
    const auto answer = [](const hardware::CharDevice& node, std::uint64_t abi) {
        return plugin::RdmaCharDevice{node.name, node.major, node.minor, abi};
    };
    // ABI versions: IB_USER_MAD_ABI_VERSION 5, RDMA_USER_CM_ABI_VERSION 4; uverbs has its driver's.
    if (type == "rdma_cm")
        return machine_.rdmaCm() ? std::optional(answer(*machine_.rdmaCm(), 4)) : std::nullopt;
    if (!device)
        return std::nullopt;
    const Nic& nic = visible(*device);
    const std::pair<const char*, CharDeviceKind> kinds[] = {
        {"uverbs", CharDeviceKind::uverbs}, {"umad", CharDeviceKind::umad}, {"issm", CharDeviceKind::issm}};
    for (const auto& [name, kind] : kinds)
        for (const auto& node : nic.rdma->charDevices)
            if (type == name && node.kind == kind)
                return answer(node, kind == CharDeviceKind::uverbs && nic.model->rdma ? nic.model->rdma->uverbsAbi : 5);
    return std::nullopt;
}

} // namespace rdmalab::kernel
