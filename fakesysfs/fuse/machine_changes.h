#pragma once

#include "fakesysfs/fuse/mounted_tree.h"
#include "sim/hardware/machine.h"

namespace rdmalab::fakesysfs {

// Whose names in /sys may be others after the event; none when only contents are (link, addresses, settings of a VF).
Changes changesOf(const hardware::Machine& machine, const hardware::HardwareEvent& event);

} // namespace rdmalab::fakesysfs
