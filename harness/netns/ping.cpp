#include "harness/netns/ping.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

namespace rdmalab::harness {

namespace {

std::uint16_t checksum(const unsigned char* data, std::size_t size) {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i + 1 < size; i += 2)
        sum += static_cast<std::uint32_t>(data[i] << 8 | data[i + 1]);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

struct Echo {
    unsigned char bytes[64] = {};
    Echo(bool v4, std::uint16_t id, std::uint16_t sequence) {
        bytes[0] = v4 ? static_cast<unsigned char>(ICMP_ECHO) : static_cast<unsigned char>(ICMP6_ECHO_REQUEST);
        bytes[4] = static_cast<unsigned char>(id >> 8);
        bytes[5] = static_cast<unsigned char>(id);
        bytes[6] = static_cast<unsigned char>(sequence >> 8);
        bytes[7] = static_cast<unsigned char>(sequence);
        if (v4) { // the kernel fills in that of ICMPv6
            const auto sum = checksum(bytes, sizeof bytes);
            bytes[2] = static_cast<unsigned char>(sum >> 8);
            bytes[3] = static_cast<unsigned char>(sum);
        }
    }
};

sockaddr_storage socketAddress(const IpAddress& ip, socklen_t& size) {
    sockaddr_storage storage{};
    if (ip.isV4()) {
        auto* in = reinterpret_cast<sockaddr_in*>(&storage);
        in->sin_family = AF_INET;
        std::memcpy(&in->sin_addr, ip.data(), 4);
        size = sizeof *in;
    } else {
        auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
        in->sin6_family = AF_INET6;
        std::memcpy(&in->sin6_addr, ip.data(), 16);
        size = sizeof *in;
    }
    return storage;
}

// True when a packet that is our answer has been read.
bool takeAnswer(int fd, bool v4, std::uint16_t id) {
    unsigned char packet[1500];
    const auto got = ::recv(fd, packet, sizeof packet, MSG_DONTWAIT);
    std::size_t offset = 0;
    if (v4 && got > 0)
        offset = static_cast<std::size_t>(packet[0] & 0x0f) * 4;
    if (got < static_cast<ssize_t>(offset) + 8)
        return false;
    const unsigned char* icmp = packet + offset;
    const unsigned char wanted = v4 ? static_cast<unsigned char>(ICMP_ECHOREPLY) : static_cast<unsigned char>(ICMP6_ECHO_REPLY);
    return icmp[0] == wanted && icmp[4] == id >> 8 && icmp[5] == (id & 0xff);
}

} // namespace

PingResult ping(const IpAddress& destination, int tries, int timeoutMs) {
    const bool v4 = destination.isV4();
    const int protocol = v4 ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
    const UniqueFd fd(checked("open a raw ICMP socket", ::socket(destination.family(), SOCK_RAW | SOCK_CLOEXEC, protocol)));
    static std::uint16_t counter = 0;
    const auto id = static_cast<std::uint16_t>(::getpid() * 31 + ++counter);
    socklen_t size = 0;
    const auto address = socketAddress(destination, size);

    for (int sequence = 1; sequence <= tries; ++sequence) {
        const Echo echo(v4, id, static_cast<std::uint16_t>(sequence));
        if (::sendto(fd.get(), echo.bytes, sizeof echo.bytes, 0, reinterpret_cast<const sockaddr*>(&address), size) < 0)
            return {false, "sending to " + destination.str() + ": " + goErrnoText(errno)};
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeoutMs);
        for (;;) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
            if (left <= 0)
                break;
            pollfd wait{fd.get(), POLLIN, 0};
            if (::poll(&wait, 1, static_cast<int>(left)) <= 0)
                continue;
            if (takeAnswer(fd.get(), v4, id))
                return {true, "answer to packet " + std::to_string(sequence)};
            int error = 0;
            socklen_t length = sizeof error;
            ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
        }
    }
    return {false, "no answer from " + destination.str() + " to " + std::to_string(tries) + " packets"};
}

} // namespace rdmalab::harness
