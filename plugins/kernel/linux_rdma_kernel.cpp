#include "plugins/kernel/linux_rdma_kernel.h"

#include "plugins/kernel/linux_kernel.h"
#include "plugins/kernel/netlink_socket.h"
#include "plugins/kernel/netns.h"
#include "plugins/kernel/rdma_messages.h"
#include "util/syscall.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <rdma/rdma_netlink.h>

namespace rdmalab::plugin {

namespace {

int netnsFdOf(const Kernel& kernel) {
    const auto* const real = dynamic_cast<const LinuxKernel*>(&kernel);
    if (real == nullptr)
        throw KernelError("the other namespace is not one of this kernel", EINVAL);
    return real->netnsFd();
}

// A kernel that acknowledges a GET without having answered it.
[[noreturn]] void noAnswer() {
    throw KernelError("No valid response from kernel", EPROTO);
}

} // namespace

LinuxRdmaKernel::LinuxRdmaKernel(int netnsFd)
    : netns_(checked("duplicate network namespace descriptor", ::fcntl(netnsFd, F_DUPFD_CLOEXEC, 0))) {}

LinuxRdmaKernel::LinuxRdmaKernel(const Kernel& netns) : LinuxRdmaKernel(netnsFdOf(netns)) {}

LinuxRdmaKernel::~LinuxRdmaKernel() = default;

NetlinkSocket& LinuxRdmaKernel::socket() {
    if (!socket_)
        runInNetns(netns_.get(), [this] { socket_ = std::make_unique<NetlinkSocket>(NETLINK_RDMA); });
    return *socket_;
}

RdmaNetnsMode LinuxRdmaKernel::netnsMode() {
    std::optional<RdmaNetnsMode> mode;
    NetlinkMessage message(rdmaMessageType(RDMA_NLDEV_CMD_SYS_GET), 0);
    socket().request(message, [&](const nlmsghdr& reply) { mode = decodeRdmaNetnsMode(reply); });
    if (!mode)
        noAnswer();
    return *mode;
}

void LinuxRdmaKernel::setNetnsMode(RdmaNetnsMode mode) {
    NetlinkMessage message(rdmaMessageType(RDMA_NLDEV_CMD_SYS_SET), 0);
    fillRdmaNetnsMode(message, mode);
    socket().request(message);
}

std::vector<RdmaDevice> LinuxRdmaKernel::devices() {
    std::vector<RdmaDevice> found;
    socket().dump([](NetlinkMessage&) {}, rdmaMessageType(RDMA_NLDEV_CMD_GET),
                  [&](const nlmsghdr& reply) {
                      if (auto device = decodeRdmaDevice(reply))
                          found.push_back(std::move(*device));
                  },
                  [&] { found.clear(); });
    return found;
}

std::vector<RdmaPort> LinuxRdmaKernel::ports(std::uint32_t device) {
    std::vector<RdmaPort> found;
    socket().dump([&](NetlinkMessage& message) { fillRdmaDevice(message, device); }, rdmaMessageType(RDMA_NLDEV_CMD_PORT_GET),
                  [&](const nlmsghdr& reply) {
                      if (auto port = decodeRdmaPort(reply))
                          found.push_back(std::move(*port));
                  },
                  [&] { found.clear(); });
    return found;
}

void LinuxRdmaKernel::renameDevice(std::uint32_t device, const std::string& name) {
    NetlinkMessage message(rdmaMessageType(RDMA_NLDEV_CMD_SET), 0);
    fillRdmaRename(message, device, name);
    socket().request(message);
}

void LinuxRdmaKernel::moveDevice(std::uint32_t device, Kernel& target) {
    NetlinkMessage message(rdmaMessageType(RDMA_NLDEV_CMD_SET), 0);
    fillRdmaMove(message, device, netnsFdOf(target));
    NetlinkSocket& open = socket();
    // The kernel looks the device up in the socket's namespace but compares its owner with the thread's: ENODEV from elsewhere.
    runInNetns(netns_.get(), [&] { open.request(message); });
}

std::optional<RdmaCharDevice> LinuxRdmaKernel::charDevice(const std::string& type, std::optional<std::uint32_t> device) {
    std::optional<RdmaCharDevice> found;
    NetlinkMessage message(rdmaMessageType(RDMA_NLDEV_CMD_GET_CHARDEV), 0);
    fillRdmaCharDevice(message, type, device);
    try {
        socket().request(message, [&](const nlmsghdr& reply) { found = decodeRdmaCharDevice(reply); });
    } catch (const KernelError& error) {
        // EOPNOTSUPP: no client of that name, or not for such a device. ENODATA: the client has nothing for this one.
        if (error.code() != EOPNOTSUPP && error.code() != ENODATA && error.code() != ENOENT)
            throw;
    }
    return found;
}

} // namespace rdmalab::plugin
