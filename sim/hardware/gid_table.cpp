#include "sim/hardware/gid_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace rdmalab::hardware {
namespace {

constexpr std::uint64_t defaultSubnetPrefix = 0xfe80000000000000;

void putBigEndian(GidBytes& gid, std::size_t offset, std::uint64_t value) {
    for (std::size_t i = 0; i < 8; ++i)
        gid[offset + i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
}

GidBytes linkLocal(const std::string& mac) {
    GidBytes gid{};
    putBigEndian(gid, 0, defaultSubnetPrefix);
    std::array<std::uint8_t, 6> octets{};
    for (std::size_t i = 0; i < octets.size() && mac.size() >= i * 3 + 2; ++i)
        std::from_chars(mac.data() + i * 3, mac.data() + i * 3 + 2, octets[i], 16);
    // EUI-64: ff:fe in the middle, universal/local bit flipped.
    const std::array<std::uint8_t, 8> id = {
        static_cast<std::uint8_t>(octets[0] ^ 2), octets[1], octets[2], 0xff, 0xfe, octets[3], octets[4], octets[5]};
    std::copy(id.begin(), id.end(), gid.begin() + 8);
    return gid;
}

GidBytes mapped(const IpAddress& address) {
    GidBytes gid{};
    if (address.isV4()) {
        gid[10] = gid[11] = 0xff;
        std::copy_n(address.data(), 4, gid.begin() + 12);
    } else {
        std::copy_n(address.data(), 16, gid.begin());
    }
    return gid;
}

} // namespace

std::vector<Gid> GidTable::roceEntries(const GidInterface& interface, bool v1, bool v2) {
    std::vector<Gid> entries;
    const auto add = [&](const GidBytes& bytes) {
        for (const auto& [enabled, type] : {std::pair(v1, GidType::roceV1), std::pair(v2, GidType::roceV2)}) {
            const Gid gid{bytes, type, interface.netdev};
            // The interface's own link-local address is usually the default entry.
            if (enabled && std::find(entries.begin(), entries.end(), gid) == entries.end())
                entries.push_back(gid);
        }
    };
    add(linkLocal(interface.mac));
    for (const Cidr& address : interface.addresses)
        add(mapped(address.address));
    return entries;
}

std::vector<Gid> GidTable::infinibandEntries(std::uint64_t portGuid) {
    Gid gid;
    gid.type = GidType::ib;
    putBigEndian(gid.bytes, 0, defaultSubnetPrefix);
    putBigEndian(gid.bytes, 8, portGuid);
    return {gid};
}

const Gid* GidSlots::operator[](std::size_t slot) const noexcept {
    for (const auto& [number, gid] : used_)
        if (number == slot)
            return &gid;
    return nullptr;
}

bool GidTable::update(const std::vector<Gid>& wanted) {
    auto& used = slots_.used_;
    bool changed = std::erase_if(used, [&](const auto& entry) {
                       return std::find(wanted.begin(), wanted.end(), entry.second) == wanted.end();
                   }) != 0;
    const auto known = [&](const Gid& gid) {
        return std::any_of(used.begin(), used.end(), [&](const auto& entry) { return entry.second == gid; });
    };
    used.reserve(std::min<std::size_t>(wanted.size(), slots_.length_));
    std::size_t next = 0; // everything before it is used
    for (const Gid& gid : wanted) {
        if (known(gid))
            continue;
        while (next < used.size() && used[next].first == next)
            ++next;
        if (next == slots_.length_)
            break;
        used.emplace(used.begin() + static_cast<std::ptrdiff_t>(next), static_cast<unsigned>(next), gid);
        changed = true;
    }
    return changed;
}

std::string gidText(const GidBytes& gid) {
    std::string text;
    text.reserve(39);
    for (std::size_t i = 0; i < gid.size(); i += 2)
        fmt::format_to(std::back_inserter(text), "{}{:02x}{:02x}", i ? ":" : "", gid[i], gid[i + 1]);
    return text;
}

std::string guidText(std::uint64_t guid) {
    return fmt::format("{:04x}:{:04x}:{:04x}:{:04x}", guid >> 48, guid >> 32 & 0xffff, guid >> 16 & 0xffff, guid & 0xffff);
}

std::string gidTypeText(GidType type) {
    return type == GidType::roceV2 ? "RoCE v2" : "IB/RoCE v1";
}

} // namespace rdmalab::hardware
