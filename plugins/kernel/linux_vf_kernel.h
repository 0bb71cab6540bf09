// Virtual functions as this machine's kernel manages them, over NETLINK_ROUTE.
#pragma once

#include "plugins/kernel/vf_kernel.h"

#include <functional>
#include <memory>

namespace rdmalab::plugin {

class Kernel;
class NetlinkMessage;
class NetlinkSocket;

// One network namespace, the one that the PFs are in.
class LinuxVfKernel final : public VfKernel {
public:
    explicit LinuxVfKernel(int netnsFd);
    explicit LinuxVfKernel(const Kernel& netns); // must be a LinuxKernel
    ~LinuxVfKernel() override;

    std::vector<VfInfo> vfs(int pfIndex) override;
    void setVfMac(int pfIndex, int vf, const std::string& mac) override;
    void setVfVlan(int pfIndex, int vf, int vlan, int qos, int protocol) override;
    void setVfRate(int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) override;
    void setVfSpoofCheck(int pfIndex, int vf, bool on) override;
    void setVfTrust(int pfIndex, int vf, bool on) override;
    void setVfLinkState(int pfIndex, int vf, VfLinkState state) override;
    void setVfNodeGuid(int pfIndex, int vf, std::uint64_t guid) override;
    void setVfPortGuid(int pfIndex, int vf, std::uint64_t guid) override;

private:
    void set(const std::function<void(NetlinkMessage&)>& fill);

    std::unique_ptr<NetlinkSocket> socket_;
};

} // namespace rdmalab::plugin
