#include "plugins/kernel/rdma_messages.h"

#include "plugins/kernel/netlink_socket.h"

#include <array>
#include <cstring>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <rdma/rdma_netlink.h>
#include <sys/sysmacros.h>

namespace rdmalab::plugin {

namespace {

// There is no header between nlmsghdr and the attributes. Newer kernels add attributes of higher numbers, which nobody here
// reads.
class Attributes {
public:
    explicit Attributes(const nlmsghdr& message) {
        auto* attribute = nlmsg_attrdata(&message, 0);
        for (int left = nlmsg_attrlen(&message, 0); nla_ok(attribute, left); attribute = nla_next(attribute, &left))
            if (const auto type = static_cast<std::size_t>(nla_type(attribute)); type < found_.size())
                found_[type] = attribute;
    }
    template <typename Value>
    std::optional<Value> number(int type) const {
        const nlattr* const attribute = found_[static_cast<std::size_t>(type)];
        if (attribute == nullptr || nla_len(attribute) < static_cast<int>(sizeof(Value)))
            return std::nullopt;
        Value value;
        std::memcpy(&value, nla_data(attribute), sizeof value);
        return value;
    }
    std::optional<std::string> text(int type) const {
        const nlattr* const attribute = found_[static_cast<std::size_t>(type)];
        if (attribute == nullptr)
            return std::nullopt;
        const std::string value(static_cast<const char*>(nla_data(attribute)), static_cast<std::size_t>(nla_len(attribute)));
        return value.substr(0, value.find('\0'));
    }

private:
    std::array<const nlattr*, RDMA_NLDEV_ATTR_MAX> found_{};
};

} // namespace

const char* rdmaNetnsModeName(RdmaNetnsMode mode) noexcept {
    return mode == RdmaNetnsMode::exclusive ? "exclusive" : "shared";
}

int rdmaMessageType(int command) {
    return RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);
}

void fillRdmaDevice(NetlinkMessage& message, std::uint32_t index) {
    message.putU32(RDMA_NLDEV_ATTR_DEV_INDEX, index);
}

void fillRdmaRename(NetlinkMessage& message, std::uint32_t index, const std::string& name) {
    message.putU32(RDMA_NLDEV_ATTR_DEV_INDEX, index).put(RDMA_NLDEV_ATTR_DEV_NAME, name);
}

void fillRdmaMove(NetlinkMessage& message, std::uint32_t index, int netnsFd) {
    message.putU32(RDMA_NLDEV_ATTR_DEV_INDEX, index).putU32(RDMA_NLDEV_NET_NS_FD, static_cast<std::uint32_t>(netnsFd));
}

void fillRdmaNetnsMode(NetlinkMessage& message, RdmaNetnsMode mode) {
    message.putU8(RDMA_NLDEV_SYS_ATTR_NETNS_MODE, static_cast<std::uint8_t>(mode));
}

void fillRdmaCharDevice(NetlinkMessage& message, const std::string& type, std::optional<std::uint32_t> index) {
    if (index) {
        message.putU32(RDMA_NLDEV_ATTR_DEV_INDEX, *index);
        if (type != "uverbs")
            message.putU32(RDMA_NLDEV_ATTR_PORT_INDEX, 1);
    }
    message.put(RDMA_NLDEV_ATTR_CHARDEV_TYPE, type);
}

std::optional<RdmaNetnsMode> decodeRdmaNetnsMode(const nlmsghdr& message) {
    const auto mode = Attributes(message).number<std::uint8_t>(RDMA_NLDEV_SYS_ATTR_NETNS_MODE);
    if (!mode)
        return std::nullopt;
    return *mode == 0 ? RdmaNetnsMode::exclusive : RdmaNetnsMode::shared;
}

std::optional<RdmaDevice> decodeRdmaDevice(const nlmsghdr& message) {
    const Attributes attributes(message);
    const auto index = attributes.number<std::uint32_t>(RDMA_NLDEV_ATTR_DEV_INDEX);
    const auto name = attributes.text(RDMA_NLDEV_ATTR_DEV_NAME);
    if (!index || !name)
        return std::nullopt;
    RdmaDevice device;
    device.index = *index;
    device.name = *name;
    device.firmware = attributes.text(RDMA_NLDEV_ATTR_FW_VERSION).value_or("");
    device.nodeGuid = attributes.number<std::uint64_t>(RDMA_NLDEV_ATTR_NODE_GUID).value_or(0);
    device.systemImageGuid = attributes.number<std::uint64_t>(RDMA_NLDEV_ATTR_SYS_IMAGE_GUID).value_or(0);
    device.ports = attributes.number<std::uint32_t>(RDMA_NLDEV_ATTR_PORT_INDEX).value_or(0);
    device.nodeType = attributes.number<std::uint8_t>(RDMA_NLDEV_ATTR_DEV_NODE_TYPE).value_or(0);
    device.protocol = attributes.text(RDMA_NLDEV_ATTR_DEV_PROTOCOL).value_or("");
    return device;
}

std::optional<RdmaPort> decodeRdmaPort(const nlmsghdr& message) {
    const Attributes attributes(message);
    const auto number = attributes.number<std::uint32_t>(RDMA_NLDEV_ATTR_PORT_INDEX);
    if (!number)
        return std::nullopt;
    RdmaPort port;
    port.port = *number;
    port.state = attributes.number<std::uint8_t>(RDMA_NLDEV_ATTR_PORT_STATE).value_or(0);
    port.physicalState = attributes.number<std::uint8_t>(RDMA_NLDEV_ATTR_PORT_PHYS_STATE).value_or(0);
    if (const auto netdev = attributes.number<std::uint32_t>(RDMA_NLDEV_ATTR_NDEV_INDEX))
        port.netdevIndex = static_cast<int>(*netdev);
    port.netdev = attributes.text(RDMA_NLDEV_ATTR_NDEV_NAME).value_or("");
    return port;
}

std::optional<RdmaCharDevice> decodeRdmaCharDevice(const nlmsghdr& message) {
    const Attributes attributes(message);
    const auto name = attributes.text(RDMA_NLDEV_ATTR_CHARDEV_NAME);
    const auto number = attributes.number<std::uint64_t>(RDMA_NLDEV_ATTR_CHARDEV);
    if (!name || !number)
        return std::nullopt;
    // The kernel's "huge" encoding is that of glibc's dev_t as long as both parts are small: 12 bits of major, 20 of minor.
    RdmaCharDevice device;
    device.name = *name;
    device.major = ::major(*number);
    device.minor = ::minor(*number);
    device.abi = attributes.number<std::uint64_t>(RDMA_NLDEV_ATTR_CHARDEV_ABI).value_or(0);
    return device;
}

} // namespace rdmalab::plugin
