// Packets that tell the neighbours of a link who has an address. Both act in the calling thread's namespace and throw
// KernelError.
#pragma once

#include "util/ip.h"

#include <vector>

namespace rdmalab::plugin {

// The payload of a gratuitous ARP request for Ethernet and IPv4, and of an unsolicited neighbour advertisement (ICMPv6 without
// its checksum, which the kernel fills in). `mac` has six bytes.
std::vector<unsigned char> gratuitousArp(const std::vector<unsigned char>& mac, const IpAddress& ip);
std::vector<unsigned char> neighbourAdvertisement(const std::vector<unsigned char>& mac, const IpAddress& ip);

void sendGratuitousArp(int linkIndex, const std::vector<unsigned char>& mac, const IpAddress& ip);
void sendNeighbourAdvertisement(int linkIndex, const std::vector<unsigned char>& mac, const IpAddress& ip);

} // namespace rdmalab::plugin
