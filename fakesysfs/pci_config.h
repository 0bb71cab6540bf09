// The windows and the configuration space of PCI functions and bridges, as far as lspci looks at them (spec 1.3).
#pragma once

#include "sim/hardware/machine.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rdmalab::fakesysfs {

// A window of the function in memory, as in the `resource` file.
struct Resource {
    int line = 0; // 0..5 BARs, 6 ROM, 7..12 BARs of the VFs, 13..15 what a bridge forwards
    std::uint64_t start = 0, size = 0, flags = 0;
    bool prefetchable = false;
};
// Deterministic addresses that stay when other functions come and go. `number` counts the machine's physical functions and keeps
// large windows below 4 GiB apart. A VF (`pf` is its physical function, `number` that one's) has its slice of the PF's.
std::vector<Resource> resources(const hardware::Nic& nic, const hardware::Nic* pf, std::size_t number);
std::vector<Resource> resources(const hardware::PlainFunction& plain, std::size_t number);
// What a bridge forwards so that all of `below` is reached.
std::vector<Resource> bridgeWindows(const std::vector<Resource>& below);

unsigned interruptLine(const hardware::PciAddress& address); // of the wired interrupt

// 4096 bytes, or 256 when the device is not PCI Express.
std::string configSpace(const hardware::Nic& nic, const hardware::Nic* pf, std::size_t number);
std::string configSpace(const hardware::PlainFunction& plain, std::size_t number);
std::string configSpace(const hardware::Bridge& bridge, const std::vector<Resource>& windows);
// Vital product data: product name and a serial number.
std::string vitalProductData(const hardware::Nic& nic);

} // namespace rdmalab::fakesysfs
