// The configuration space of a PCI function, as far as lspci looks at it (spec 1.3).
#pragma once

#include "sim/hardware/machine.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

// A window of the function in memory, as in the `resource` file.
struct Resource {
    int line = 0; // 0..5 BARs, 6 ROM, 7..12 BARs of the VFs
    std::uint64_t start = 0, size = 0, flags = 0;
    bool prefetchable = false;
};
// Deterministic addresses; `number` counts the machine's NICs and keeps their windows apart.
std::vector<Resource> resources(const hardware::Nic& nic, std::size_t number);

unsigned interruptLine(std::size_t number);

// 4096 bytes, or 256 when the device is not PCI Express.
std::string nicConfig(const hardware::Nic& nic, std::size_t number);
std::string rootPortConfig(const hardware::PciFunction& pci, const hardware::NicModel& model);
// Vital product data: product name and a serial number.
std::string vitalProductData(const hardware::Nic& nic);

} // namespace rdmalab::fakesysfs
