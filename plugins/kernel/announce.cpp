#include "plugins/kernel/announce.h"

#include "plugins/kernel/kernel.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace rdmalab::plugin {

namespace {

void append(std::vector<unsigned char>& packet, const IpAddress& ip) {
    packet.insert(packet.end(), ip.data(), ip.data() + ip.size());
}

[[noreturn]] void fail(const char* action) {
    const int code = errno;
    throw KernelError(std::string(action) + ": " + goErrnoText(code), code);
}

UniqueFd openSocket(int family, int type, int protocol) {
    UniqueFd fd(::socket(family, type | SOCK_CLOEXEC, protocol));
    if (!fd.valid())
        fail("socket");
    return fd;
}

template <typename Address>
void send(const UniqueFd& socket, const std::vector<unsigned char>& packet, const Address& to) {
    if (::sendto(socket.get(), packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) == -1)
        fail("sendto");
}

} // namespace

std::vector<unsigned char> gratuitousArp(const std::vector<unsigned char>& mac, const IpAddress& ip) {
    std::vector<unsigned char> packet{0, 1, 8, 0, 6, 4, 0, 1}; // Ethernet, IPv4, their address lengths, request
    packet.insert(packet.end(), mac.begin(), mac.end());
    append(packet, ip);
    packet.insert(packet.end(), 6, 0xff);
    append(packet, ip);
    return packet;
}

std::vector<unsigned char> neighbourAdvertisement(const std::vector<unsigned char>& mac, const IpAddress& ip) {
    // Override without Solicited: entries that exist are to be replaced.
    std::vector<unsigned char> packet{ND_NEIGHBOR_ADVERT, 0, 0, 0, 0x20, 0, 0, 0};
    append(packet, ip);
    packet.insert(packet.end(), {ND_OPT_TARGET_LINKADDR, 1});
    packet.insert(packet.end(), mac.begin(), mac.end());
    return packet;
}

void sendGratuitousArp(int linkIndex, const std::vector<unsigned char>& mac, const IpAddress& ip) {
    const UniqueFd socket = openSocket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_protocol = htons(ETH_P_ARP);
    to.sll_ifindex = linkIndex;
    to.sll_halen = 6;
    std::memset(to.sll_addr, 0xff, 6);
    send(socket, gratuitousArp(mac, ip), to);
}

void sendNeighbourAdvertisement(int linkIndex, const std::vector<unsigned char>& mac, const IpAddress& ip) {
    const UniqueFd socket = openSocket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
    const int hops = 255; // anything else is ignored by the receiver
    if (::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) == -1)
        fail("set IPv6 multicast hops");
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_scope_id = static_cast<std::uint32_t>(linkIndex);
    to.sin6_addr.s6_addr[0] = 0xff; // ff02::1, all nodes
    to.sin6_addr.s6_addr[1] = 2;
    to.sin6_addr.s6_addr[15] = 1;
    send(socket, neighbourAdvertisement(mac, ip), to);
}

} // namespace rdmalab::plugin
