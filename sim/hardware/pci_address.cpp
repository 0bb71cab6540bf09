#include "sim/hardware/pci_address.h"

#include <fmt/format.h>

#include <charconv>

namespace rdmalab::hardware {
namespace {

// A hexadecimal number of exactly `digits` digits at the front of `text`, which is consumed.
std::optional<unsigned> takeHex(std::string_view& text, std::size_t digits) {
    unsigned value = 0;
    if (text.size() < digits)
        return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, 16);
    if (error != std::errc() || end != text.data() + digits)
        return std::nullopt;
    text.remove_prefix(digits);
    return value;
}

bool takeChar(std::string_view& text, char wanted) {
    if (text.empty() || text.front() != wanted)
        return false;
    text.remove_prefix(1);
    return true;
}

} // namespace

std::optional<PciAddress> PciAddress::parse(std::string_view text) {
    unsigned domain = 0;
    if (text.size() == 12) {
        const auto parsed = takeHex(text, 4);
        if (!parsed || !takeChar(text, ':'))
            return std::nullopt;
        domain = *parsed;
    }
    const auto bus = takeHex(text, 2);
    if (!bus || !takeChar(text, ':'))
        return std::nullopt;
    const auto device = takeHex(text, 2);
    if (!device || *device > 0x1f || !takeChar(text, '.'))
        return std::nullopt;
    const auto function = takeHex(text, 1);
    if (!function || *function > 7 || !text.empty())
        return std::nullopt;
    PciAddress address;
    address.domain = static_cast<std::uint16_t>(domain);
    address.bus = static_cast<std::uint8_t>(*bus);
    address.device = static_cast<std::uint8_t>(*device);
    address.function = static_cast<std::uint8_t>(*function);
    return address;
}

std::string PciAddress::str() const {
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, device, function);
}

std::string PciAddress::busStr() const {
    return fmt::format("{:04x}:{:02x}", domain, bus);
}

PciAddress PciAddress::fromRoutingId(std::uint16_t domain, unsigned id) noexcept {
    PciAddress address;
    address.domain = domain;
    address.bus = static_cast<std::uint8_t>(id >> 8);
    address.device = static_cast<std::uint8_t>(id >> 3 & 0x1f);
    address.function = static_cast<std::uint8_t>(id & 7);
    return address;
}

} // namespace rdmalab::hardware
