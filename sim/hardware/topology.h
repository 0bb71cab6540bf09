// Where PCI functions sit: host bridges, root ports, PCI Express switches and their bus numbers.
#pragma once

#include "sim/hardware/machine.h"

#include <optional>
#include <string>
#include <vector>

namespace rdmalab::hardware {

// A function to be placed. Its address is fixed; bridges, rootBus and (below a switch) the NUMA node are filled in.
struct Placement {
    PciFunction* function = nullptr;
    std::string field;                     // "nics[1]", for complaints
    bool express = true;                   // no port above a conventional device
    std::optional<std::string> pcieSwitch; // functions that name the same one sit below one switch
    std::optional<PcieLink> link;
    bool numaGiven = false;
    // How many VFs the description asks for, and in which of its keys: these must have a place. The others up to
    // function->totalVfs get bus numbers as far as there are any.
    unsigned askedVfs = 0;
    std::string askedIn; // "nics[1].totalVfs"
};

// A card on bus 0 is part of the root complex and has no port above it; any other bus hangs below a root port of its own, or
// below a downstream port of its switch. The root port's bus is the nearest lower one that nothing else needs. Returns the
// ports, parents before their children. HardwareError, naming the field, when the bus numbers do not work out.
std::vector<Bridge> buildTopology(std::vector<Placement> placements);

} // namespace rdmalab::hardware
