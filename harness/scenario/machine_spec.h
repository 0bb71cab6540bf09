#pragma once

#include "sim/hardware/machine_spec.h"

namespace rdmalab::scenario {

struct Node;

// The hardware of a node, as the hardware model wants it described. Field numbers in its errors ("nics[1].pci") are those of
// node.nics, node.gpus and node.numa. A NIC without a switch has no live partner.
hardware::MachineSpec machineSpec(const Node& node);

} // namespace rdmalab::scenario
