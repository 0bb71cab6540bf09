// rtnetlink messages as the structures of kernel.h. Decoders say nullopt for messages of another type and for entries that
// the Kernel interface leaves out.
#pragma once

#include "plugins/kernel/kernel.h"

struct nlmsghdr;

namespace rdmalab::plugin {

struct LinkAddress {
    int linkIndex = 0;
    Address address;
};

std::optional<Link> decodeLink(const nlmsghdr& message);
std::optional<LinkAddress> decodeAddress(const nlmsghdr& message);
std::optional<Route> decodeRoute(const nlmsghdr& message);
std::optional<Rule> decodeRule(const nlmsghdr& message);
std::optional<Neighbour> decodeNeighbour(const nlmsghdr& message);

// "0a:1b:..." as bytes (6, or 20 for InfiniBand); empty when it is none.
std::vector<unsigned char> parseHardwareAddress(const std::string& text);
std::optional<std::uint32_t> macvlanModeNumber(const std::string& mode); // IFLA_MACVLAN_MODE

} // namespace rdmalab::plugin
