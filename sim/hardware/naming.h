// Names, MACs and GUIDs as firmware and udev give them.
#pragma once

#include "sim/hardware/machine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace rdmalab::hardware {

// udev's predictable name: "enp175s0f0np0", with a slot "ens6f0np0", InfiniBand "ibp175s0f0". The function is named when the
// slot has several; `portName` ("p0") is appended as "np0". More than 15 characters drop the port name, as udev does.
std::string predictableNetdevName(const PciAddress& address, bool multifunction, LinkLayer layer, std::optional<int> slot,
                                  const std::string& portName);
// "ens6f0" of "ens6f0np0", "ibp59s0" of itself: what udev derives the names of VFs from. nullopt for a name that udev's rules
// for PCI do not give.
std::optional<std::string> predictableStem(std::string_view netdev);
// rdma-core's rdma_rename, policy NAME_FALLBACK: "rocep175s0f0" or "ibp175s0f0".
std::string predictableRdmaName(const PciAddress& address, bool multifunction, LinkLayer layer);

// Lower-case text of six octets: `prefix` ("b8:ce:f6") plus three that depend on the machine and the address alone. 21 bits are
// a hash: among thousands of machines two may share one.
std::string deriveMac(std::string_view prefix, std::string_view machine, const PciAddress& address);
// What a VF's driver makes up when nobody chose: locally administered, the same each time for a machine and address.
std::string randomMac(std::string_view machine, const PciAddress& address);
// Normalised MAC (lower case) of `octets` octets, or nullopt.
std::optional<std::string> normalMac(std::string_view text, std::size_t octets);
// The MAC with ff:fe in its middle, no bit flipped (mlx5).
std::uint64_t guidFromMac(std::string_view mac);
// IPoIB hardware address: queue pair number, default subnet prefix, port GUID.
std::string infinibandMac(std::uint64_t portGuid);
std::uint64_t portGuidOf(std::string_view infinibandMac);

// 12 of "mlx5_12" behind "mlx5_"; nullopt for anything but a plain number below a million.
std::optional<unsigned> numberBehind(std::string_view name, std::string_view prefix);

// Nothing, or why the kernel refuses the name for a network interface (dev_valid_name).
std::optional<std::string> netdevNameProblem(std::string_view name);
// The known name closest to `wanted`, when it is close enough to be what was meant.
std::optional<std::string> closest(std::string_view wanted, const std::vector<std::string>& known);

} // namespace rdmalab::hardware
