// NETLINK_RDMA (nldev) messages: filling requests and reading answers. Numbers: rdma/rdma_netlink.h.
#pragma once

#include "plugins/kernel/rdma_kernel.h"

struct nlmsghdr;

namespace rdmalab::plugin {

class NetlinkMessage;

int rdmaMessageType(int command); // RDMA_NLDEV_CMD_* of the client nldev

void fillRdmaDevice(NetlinkMessage& message, std::uint32_t index); // GET of one device; dump of its ports
void fillRdmaRename(NetlinkMessage& message, std::uint32_t index, const std::string& name);
void fillRdmaMove(NetlinkMessage& message, std::uint32_t index, int netnsFd);
void fillRdmaNetnsMode(NetlinkMessage& message, RdmaNetnsMode mode);
void fillRdmaCharDevice(NetlinkMessage& message, const std::string& type, std::optional<std::uint32_t> index);

// Nothing when an attribute that every kernel sends is missing.
std::optional<RdmaNetnsMode> decodeRdmaNetnsMode(const nlmsghdr& message);
std::optional<RdmaDevice> decodeRdmaDevice(const nlmsghdr& message);
std::optional<RdmaPort> decodeRdmaPort(const nlmsghdr& message);
std::optional<RdmaCharDevice> decodeRdmaCharDevice(const nlmsghdr& message);

} // namespace rdmalab::plugin
