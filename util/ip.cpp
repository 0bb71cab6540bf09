#include "util/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace rdmalab {

namespace {
IpAddress masked(const IpAddress& ip, int prefix, bool ones) {
    unsigned char bytes[16];
    std::memcpy(bytes, ip.data(), ip.size());
    for (std::size_t i = 0; i < ip.size(); ++i) {
        const int kept = prefix - static_cast<int>(i) * 8;
        const unsigned char mask = kept >= 8 ? 0xff : kept <= 0 ? 0 : static_cast<unsigned char>(0xff << (8 - kept));
        bytes[i] = static_cast<unsigned char>((bytes[i] & mask) | (ones ? ~mask : 0));
    }
    return IpAddress::fromBytes(bytes, ip.family());
}
} // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    const std::string copy(text);
    unsigned char bytes[16];
    if (inet_pton(AF_INET, copy.c_str(), bytes) == 1)
        return fromBytes(bytes, AF_INET);
    if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1)
        return fromBytes(bytes, AF_INET6);
    return std::nullopt;
}

IpAddress IpAddress::fromBytes(const unsigned char* bytes, int family) {
    IpAddress ip;
    ip.v4_ = family == AF_INET;
    std::memcpy(ip.bytes_.data() + (ip.v4_ ? 12 : 0), bytes, ip.v4_ ? 4 : 16);
    return ip;
}

int IpAddress::family() const noexcept {
    return v4_ ? AF_INET : AF_INET6;
}

std::string IpAddress::str() const {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family(), data(), text, sizeof text);
    return text;
}

IpAddress IpAddress::next() const {
    IpAddress ip = *this;
    for (int i = 15; i >= (v4_ ? 12 : 0); --i) {
        if (++ip.bytes_[static_cast<std::size_t>(i)] != 0)
            break;
    }
    return ip;
}

bool IpAddress::isLinkLocal() const noexcept {
    return v4_ ? bytes_[12] == 169 && bytes_[13] == 254 : bytes_[0] == 0xfe && (bytes_[1] & 0xc0) == 0x80;
}

bool IpAddress::isLoopback() const noexcept {
    if (v4_)
        return bytes_[12] == 127;
    for (std::size_t i = 0; i < 15; ++i)
        if (bytes_[i] != 0)
            return false;
    return bytes_[15] == 1;
}

std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) noexcept {
    if (a.v4_ != b.v4_)
        return a.v4_ ? std::strong_ordering::less : std::strong_ordering::greater;
    return std::memcmp(a.bytes_.data(), b.bytes_.data(), 16) <=> 0;
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const auto address = IpAddress::parse(text.substr(0, slash));
    const auto digits = text.substr(slash + 1);
    int prefix = -1;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    if (!address || error != std::errc{} || end != digits.data() + digits.size() || prefix < 0 || prefix > address->bits())
        return std::nullopt;
    return Cidr{*address, prefix};
}

IpAddress Cidr::network() const {
    return masked(address, prefix, false);
}
IpAddress Cidr::broadcast() const {
    return masked(address, prefix, true);
}

bool Cidr::contains(const IpAddress& ip) const {
    return ip.isV4() == address.isV4() && masked(ip, prefix, false) == network();
}

std::string Cidr::str() const {
    return address.str() + "/" + std::to_string(prefix);
}

std::optional<IpRange> IpRange::parse(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = IpAddress::parse(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : IpAddress::parse(text.substr(dash + 1));
    if (!first || !last || first->isV4() != last->isV4())
        return std::nullopt;
    return IpRange{*first, *last};
}

std::string IpRange::str() const {
    return first == last ? first.str() : first.str() + "-" + last.str();
}

} // namespace rdmalab
