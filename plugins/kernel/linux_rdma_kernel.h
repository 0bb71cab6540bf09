// The RDMA subsystem of this machine's kernel, over NETLINK_RDMA.
#pragma once

#include "plugins/kernel/rdma_kernel.h"
#include "util/unique_fd.h"

namespace rdmalab::plugin {

class NetlinkSocket;

// One network namespace. The socket is opened in it with the first request. The caller's own namespace never changes.
class LinuxRdmaKernel final : public RdmaKernel {
public:
    // The namespace behind the descriptor, which is duplicated.
    explicit LinuxRdmaKernel(int netnsFd);
    explicit LinuxRdmaKernel(const Kernel& netns); // must be a LinuxKernel
    ~LinuxRdmaKernel() override;

    RdmaNetnsMode netnsMode() override;
    void setNetnsMode(RdmaNetnsMode mode) override;
    std::vector<RdmaDevice> devices() override;
    std::vector<RdmaPort> ports(std::uint32_t device) override;
    void renameDevice(std::uint32_t device, const std::string& name) override;
    void moveDevice(std::uint32_t device, Kernel& target) override; // must be a LinuxKernel
    std::optional<RdmaCharDevice> charDevice(const std::string& type, std::optional<std::uint32_t> device) override;

private:
    NetlinkSocket& socket();

    UniqueFd netns_;
    std::unique_ptr<NetlinkSocket> socket_;
};

} // namespace rdmalab::plugin
