// Where things are in /sys. All paths are relative to /sys and without a slash at either end.
#pragma once

#include "sim/hardware/machine.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace rdmalab::fakesysfs {

std::string hostBridgePath(const hardware::PciAddress& address, std::uint8_t rootBus); // "devices/pci0000:ae"
std::string bridgePath(const hardware::Bridge& bridge);
std::string parentPath(const hardware::PciFunction& pci); // the bridge, or the host bridge
std::string functionPath(const hardware::PciFunction& pci);
// Whether a driver that makes network interfaces is bound: then the function has a `net` directory.
bool hasNetdev(const hardware::Nic& nic);
// The device that the netdev's `device` link names: the function or, for a model with `childBus`, that child.
std::string netdevParentPath(const hardware::Machine& machine, const hardware::Nic& nic);

// Target of a link in `directory` to `target`, as the kernel writes it (fs/kernfs/symlink.c): up to the nearest directory that
// contains both, so that a link to a parent device names that device again.
std::string linkTarget(std::string_view directory, std::string_view target);

} // namespace rdmalab::fakesysfs
