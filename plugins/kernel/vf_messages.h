// RTM_GETLINK answers and RTM_SETLINK requests about virtual functions: IFLA_VFINFO_LIST { IFLA_VF_INFO { IFLA_VF_* } }
// (linux/if_link.h).
#pragma once

#include "plugins/kernel/vf_kernel.h"

struct nlmsghdr;

namespace rdmalab::plugin {

class NetlinkMessage;

// The message is an RTM_SETLINK without any content yet.
void fillVfMac(NetlinkMessage& message, int pfIndex, int vf, const std::string& mac); // KernelError EINVAL: no address
void fillVfVlan(NetlinkMessage& message, int pfIndex, int vf, int vlan, int qos, int protocol);
void fillVfRate(NetlinkMessage& message, int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate);
void fillVfSpoofCheck(NetlinkMessage& message, int pfIndex, int vf, bool on);
void fillVfTrust(NetlinkMessage& message, int pfIndex, int vf, bool on);
void fillVfLinkState(NetlinkMessage& message, int pfIndex, int vf, VfLinkState state);
void fillVfNodeGuid(NetlinkMessage& message, int pfIndex, int vf, std::uint64_t guid);
void fillVfPortGuid(NetlinkMessage& message, int pfIndex, int vf, std::uint64_t guid);

// The VFs of an RTM_NEWLINK message, in their order.
std::vector<VfInfo> decodeVfs(const nlmsghdr& message);

} // namespace rdmalab::plugin
