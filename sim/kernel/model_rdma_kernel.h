// The RDMA subsystem of a simulated machine as plugins see it from one namespace. Errno and texts are those of LinuxRdmaKernel.
#pragma once

#include "plugins/kernel/rdma_kernel.h"
#include "sim/hardware/machine.h"
#include "sim/kernel/model_world.h"

namespace rdmalab::kernel {

class ModelKernel;
class WorldState;

// How the machine calls a namespace of the world.
using MachineNetnsOf = hardware::NetnsId (*)(NetnsId);

class ModelRdmaKernel final : public plugin::RdmaKernel {
public:
    // `netns` must be a ModelKernel on the machine's node; the object may outlive it, but neither machine nor world.
    ModelRdmaKernel(hardware::Machine& machine, const plugin::Kernel& netns, MachineNetnsOf idOf);

    plugin::RdmaNetnsMode netnsMode() override;
    void setNetnsMode(plugin::RdmaNetnsMode mode) override;
    std::vector<plugin::RdmaDevice> devices() override;
    std::vector<plugin::RdmaPort> ports(std::uint32_t device) override;
    void renameDevice(std::uint32_t device, const std::string& name) override;
    void moveDevice(std::uint32_t device, plugin::Kernel& target) override; // must be a ModelKernel of the same node
    std::optional<plugin::RdmaCharDevice> charDevice(const std::string& type, std::optional<std::uint32_t> device) override;

private:
    const hardware::Nic& visible(std::uint32_t device) const;

    hardware::Machine& machine_;
    WorldState& world_;
    NetnsId netns_;
    MachineNetnsOf idOf_;
};

} // namespace rdmalab::kernel
