// The GID table of an RDMA port. Entries keep their slot as long as they live, and new ones take the first free slot, as the
// kernel does (drivers/infiniband/core/cache.c, roce_gid_mgmt.c).
#pragma once

#include "sim/hardware/machine_spec.h"
#include "sim/hardware/nic_model.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace rdmalab::hardware {

enum class GidType { ib, roceV1, roceV2 };

using GidBytes = std::array<std::uint8_t, 16>; // network order

struct Gid {
    GidBytes bytes{};
    GidType type = GidType::roceV2;
    std::string netdev; // empty on InfiniBand
    friend bool operator==(const Gid&, const Gid&) = default;
};

// A network interface that gives GIDs: the port's own, or one on top of it.
struct GidInterface {
    std::string netdev, mac;
    std::vector<Cidr> addresses;
    NetnsId netns = defaultNodeNetns;
};

// The table by slot number. Holds the used slots only: nearly all of the 256 of a port are empty.
class GidSlots {
public:
    explicit GidSlots(unsigned length = 0) : length_(length) {}
    std::size_t size() const noexcept { return length_; }
    const Gid* operator[](std::size_t slot) const noexcept; // null: empty
    friend bool operator==(const GidSlots&, const GidSlots&) = default;

private:
    friend class GidTable;
    unsigned length_;
    std::vector<std::pair<unsigned, Gid>> used_; // in the order of the slots
};

class GidTable {
public:
    // RoCE: for each interface its link-local GID from the MAC, then one per address, each once per type.
    static std::vector<Gid> roceEntries(const GidInterface& interface, bool v1, bool v2);
    // InfiniBand: the default subnet prefix and the port's GUID.
    static std::vector<Gid> infinibandEntries(std::uint64_t portGuid);

    explicit GidTable(unsigned length = 0) : slots_(length) {}
    // Removes what is not wanted, adds what is missing. Entries beyond the table's length are dropped. True if changed.
    bool update(const std::vector<Gid>& wanted);
    const GidSlots& slots() const noexcept { return slots_; }

private:
    GidSlots slots_;
};

// "fe80:0000:...": eight groups of four digits, as sysfs prints it.
std::string gidText(const GidBytes& gid);
// "b8ce:f603:00aa:bbcc".
std::string guidText(std::uint64_t guid);
// Text of ports/N/gid_attrs/types/I: "IB/RoCE v1" or "RoCE v2".
std::string gidTypeText(GidType type);

} // namespace rdmalab::hardware
