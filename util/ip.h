// IP addresses, prefixes and ranges as values. Text forms are those of Go's net package (lower case, compressed IPv6).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab {

class IpAddress {
public:
    IpAddress() = default; // 0.0.0.0
    static std::optional<IpAddress> parse(std::string_view text);
    // `bytes` holds 4 or 16 octets in network order.
    static IpAddress fromBytes(const unsigned char* bytes, int family);

    bool isV4() const noexcept { return v4_; }
    int family() const noexcept; // AF_INET or AF_INET6
    int version() const noexcept { return v4_ ? 4 : 6; }
    int bits() const noexcept { return v4_ ? 32 : 128; }
    const unsigned char* data() const noexcept { return v4_ ? bytes_.data() + 12 : bytes_.data(); }
    std::size_t size() const noexcept { return v4_ ? 4 : 16; }
    std::string str() const;
    IpAddress next() const; // +1, wraps at the end of the family
    bool isLinkLocal() const noexcept;
    bool isLoopback() const noexcept;

    // IPv4 sorts before IPv6.
    friend std::strong_ordering operator<=>(const IpAddress& a, const IpAddress& b) noexcept;
    friend bool operator==(const IpAddress&, const IpAddress&) = default;

private:
    std::array<unsigned char, 16> bytes_{};
    bool v4_ = true;
};

struct Cidr {
    IpAddress address;
    int prefix = 0;

    static std::optional<Cidr> parse(std::string_view text); // "a/len"; host bits are kept
    IpAddress network() const;
    IpAddress broadcast() const; // last address of the prefix
    bool contains(const IpAddress& ip) const;
    std::string str() const; // "a/len" with the address as given
    bool isDefault() const noexcept { return prefix == 0; }
    friend bool operator==(const Cidr&, const Cidr&) = default;
};

struct IpRange {
    IpAddress first, last;

    // "a" or "a-b"; nullopt when an end does not parse or families differ. A reversed range parses.
    static std::optional<IpRange> parse(std::string_view text);
    bool contains(const IpAddress& ip) const { return first <= ip && ip <= last; }
    std::string str() const; // "a" or "a-b"
};

} // namespace rdmalab
