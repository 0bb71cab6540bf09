// The virtual functions of a simulated machine as plugins see them from one namespace. Errno are those of LinuxVfKernel.
#pragma once

#include "plugins/kernel/vf_kernel.h"
#include "sim/kernel/model_rdma_kernel.h"

#include <functional>

namespace rdmalab::kernel {

class ModelVfKernel final : public plugin::VfKernel {
public:
    // As ModelRdmaKernel.
    ModelVfKernel(hardware::Machine& machine, const plugin::Kernel& netns, MachineNetnsOf idOf);

    std::vector<plugin::VfInfo> vfs(int pfIndex) override;
    void setVfMac(int pfIndex, int vf, const std::string& mac) override;
    void setVfVlan(int pfIndex, int vf, int vlan, int qos, int protocol) override;
    void setVfRate(int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) override;
    void setVfSpoofCheck(int pfIndex, int vf, bool on) override;
    void setVfTrust(int pfIndex, int vf, bool on) override;
    void setVfLinkState(int pfIndex, int vf, plugin::VfLinkState state) override;
    void setVfNodeGuid(int pfIndex, int vf, std::uint64_t guid) override;
    void setVfPortGuid(int pfIndex, int vf, std::uint64_t guid) override;

private:
    const hardware::Nic* pf(int index) const; // null: a link without SR-IOV. Throws ENODEV.
    void change(int pfIndex, int vf, const std::function<void(const hardware::Nic&, hardware::VfSettings&)>& change);

    hardware::Machine& machine_;
    WorldState& world_;
    NetnsId netns_;
    MachineNetnsOf idOf_;
};

} // namespace rdmalab::kernel
