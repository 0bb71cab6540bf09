// What the plugins need of a kernel for the virtual functions of a physical one, for one network namespace: what `ip link show`
// tells about them and `ip link set PF vf N ...` sets. LinuxVfKernel answers with NETLINK_ROUTE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::plugin {

enum class VfLinkState : std::uint32_t { automatic = 0, enable = 1, disable = 2 }; // IFLA_VF_LINK_STATE_*

struct VfInfo {
    int vf = 0;
    std::string mac; // as the PF's owner set it: lower case, colons
    int vlan = 0, qos = 0;
    int vlanProtocol = 0;                       // 0x8100 802.1Q, 0x88a8 802.1ad; 0: not told
    std::uint32_t minTxRate = 0, maxTxRate = 0; // Mb/s, 0 = unlimited
    bool spoofCheck = false, trust = false;     // also true when the driver tells nothing about it
    VfLinkState linkState = VfLinkState::automatic;
    std::optional<std::uint64_t> nodeGuid, portGuid; // host order; InfiniBand only
};

// Refusals throw KernelError (kernel.h): EOPNOTSUPP from a driver without the operation, EINVAL for a VF that does not exist,
// EPERM.
class VfKernel {
public:
    VfKernel() = default;
    VfKernel(const VfKernel&) = delete;
    VfKernel& operator=(const VfKernel&) = delete;
    virtual ~VfKernel() = default;

    // Empty for a link without VFs. KernelError ENODEV for a link that does not exist.
    virtual std::vector<VfInfo> vfs(int pfIndex) = 0;

    virtual void setVfMac(int pfIndex, int vf, const std::string& mac) = 0;
    virtual void setVfVlan(int pfIndex, int vf, int vlan, int qos, int protocol) = 0; // VLAN 0, QoS 0: none
    virtual void setVfRate(int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) = 0;
    virtual void setVfSpoofCheck(int pfIndex, int vf, bool on) = 0;
    virtual void setVfTrust(int pfIndex, int vf, bool on) = 0;
    virtual void setVfLinkState(int pfIndex, int vf, VfLinkState state) = 0;
    virtual void setVfNodeGuid(int pfIndex, int vf, std::uint64_t guid) = 0;
    virtual void setVfPortGuid(int pfIndex, int vf, std::uint64_t guid) = 0;
};

} // namespace rdmalab::plugin
