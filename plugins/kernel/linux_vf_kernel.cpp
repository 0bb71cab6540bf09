#include "plugins/kernel/linux_vf_kernel.h"

#include "plugins/kernel/linux_kernel.h"
#include "plugins/kernel/netlink_socket.h"
#include "plugins/kernel/netns.h"
#include "plugins/kernel/vf_messages.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

namespace rdmalab::plugin {

namespace {

int netnsFdOf(const Kernel& kernel) {
    const auto* const real = dynamic_cast<const LinuxKernel*>(&kernel);
    if (real == nullptr)
        throw KernelError("the other namespace is not one of this kernel", EINVAL);
    return real->netnsFd();
}

} // namespace

LinuxVfKernel::LinuxVfKernel(int netnsFd) {
    runInNetns(netnsFd, [this] { socket_ = std::make_unique<NetlinkSocket>(); });
}

LinuxVfKernel::LinuxVfKernel(const Kernel& netns) : LinuxVfKernel(netnsFdOf(netns)) {}

LinuxVfKernel::~LinuxVfKernel() = default;

std::vector<VfInfo> LinuxVfKernel::vfs(int pfIndex) {
    ifinfomsg header{};
    header.ifi_index = pfIndex;
    NetlinkMessage message(RTM_GETLINK, 0);
    message.header(header).putU32(IFLA_EXT_MASK, RTEXT_FILTER_VF);
    std::vector<VfInfo> found;
    socket_->request(message, [&](const nlmsghdr& reply) { found = decodeVfs(reply); });
    return found;
}

void LinuxVfKernel::set(const std::function<void(NetlinkMessage&)>& fill) {
    NetlinkMessage message(RTM_SETLINK, 0);
    fill(message);
    socket_->request(message);
}

void LinuxVfKernel::setVfMac(int pfIndex, int vf, const std::string& mac) {
    set([&](NetlinkMessage& message) { fillVfMac(message, pfIndex, vf, mac); });
}
void LinuxVfKernel::setVfVlan(int pfIndex, int vf, int vlan, int qos, int protocol) {
    set([&](NetlinkMessage& message) { fillVfVlan(message, pfIndex, vf, vlan, qos, protocol); });
}
void LinuxVfKernel::setVfRate(int pfIndex, int vf, std::uint32_t minTxRate, std::uint32_t maxTxRate) {
    set([&](NetlinkMessage& message) { fillVfRate(message, pfIndex, vf, minTxRate, maxTxRate); });
}
void LinuxVfKernel::setVfSpoofCheck(int pfIndex, int vf, bool on) {
    set([&](NetlinkMessage& message) { fillVfSpoofCheck(message, pfIndex, vf, on); });
}
void LinuxVfKernel::setVfTrust(int pfIndex, int vf, bool on) {
    set([&](NetlinkMessage& message) { fillVfTrust(message, pfIndex, vf, on); });
}
void LinuxVfKernel::setVfLinkState(int pfIndex, int vf, VfLinkState state) {
    set([&](NetlinkMessage& message) { fillVfLinkState(message, pfIndex, vf, state); });
}
void LinuxVfKernel::setVfNodeGuid(int pfIndex, int vf, std::uint64_t guid) {
    set([&](NetlinkMessage& message) { fillVfNodeGuid(message, pfIndex, vf, guid); });
}
void LinuxVfKernel::setVfPortGuid(int pfIndex, int vf, std::uint64_t guid) {
    set([&](NetlinkMessage& message) { fillVfPortGuid(message, pfIndex, vf, guid); });
}

} // namespace rdmalab::plugin
