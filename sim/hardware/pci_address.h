// A PCI address as a value, in sysfs notation: DDDD:BB:DD.F.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::hardware {

struct PciAddress {
    std::uint16_t domain = 0;
    std::uint8_t bus = 0, device = 0, function = 0;

    // "0000:af:00.1" or, as lspci prints it, "af:00.1". nullopt when it does not parse or device > 1f or function > 7.
    static std::optional<PciAddress> parse(std::string_view text);
    std::string str() const;    // always with the domain, lower case
    std::string busStr() const; // "0000:af"
    // bus << 8 | device << 3 | function, which SR-IOV offset and stride count in.
    unsigned routingId() const noexcept { return unsigned(bus) << 8 | unsigned(device) << 3 | function; }
    static PciAddress fromRoutingId(std::uint16_t domain, unsigned id) noexcept;
    bool sameSlot(const PciAddress& other) const noexcept {
        return domain == other.domain && bus == other.bus && device == other.device;
    }
    auto operator<=>(const PciAddress&) const = default;
};

} // namespace rdmalab::hardware
