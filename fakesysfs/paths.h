// Where things are in /sys. All paths are relative to /sys and without a slash at either end.
#pragma once

#include "sim/hardware/machine.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace rdmalab::fakesysfs {

std::string hostBridgePath(const hardware::PciFunction& pci); // "devices/pci0000:ae"
std::string rootPortPath(const hardware::PciFunction& pci);   // "" when there is none
std::string functionPath(const hardware::PciFunction& pci);
// The device that the netdev's `device` link names: the function or, for a model with `childBus`, that child. `number` counts
// the machine's NICs and names the child.
std::string netdevParentPath(const hardware::Nic& nic, std::size_t number);

// Target of a link in `directory` to `target`, as the kernel writes it (fs/kernfs/symlink.c): up to the nearest directory that
// contains both, so that a link to a parent device names that device again.
std::string linkTarget(std::string_view directory, std::string_view target);

} // namespace rdmalab::fakesysfs
