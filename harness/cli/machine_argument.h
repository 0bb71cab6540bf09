// MACHINE on a command line.
#pragma once

#include "sim/hardware/catalogue.h"
#include "sim/hardware/machine.h"

#include <memory>
#include <string>
#include <vector>

namespace rdmalab::harness {

struct MachineOptions {
    std::vector<std::string> nicModels; // files, on top of the built-in models and of the scenario's own
    std::vector<std::string> numVfs;    // "0000:3b:00.0=4"
};

// SCENARIO.yaml (with one node), SCENARIO.yaml:NODE, or the name of a NIC model: a machine with one such card at 0000:3b:00.0,
// all ports of it. UsageError for what is none of these, for a mistake in a scenario or NIC file (with its place), and for VFs
// that the machine refuses.
std::unique_ptr<hardware::Machine> machineFromArgument(const std::string& argument, const MachineOptions& options);

// Whether the argument can only be a MACHINE, not a directory.
bool namesMachine(const std::string& argument);

} // namespace rdmalab::harness
