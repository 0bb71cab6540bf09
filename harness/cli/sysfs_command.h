// `rdmalab sysfs`: the /sys of a machine as plain files, and compared with another.
#pragma once

#include "harness/cli/machine_argument.h"

#include <ostream>
#include <string>
#include <vector>

namespace rdmalab::harness {

struct SysfsExportOptions {
    std::string machine, directory;
    MachineOptions machineOptions;
    bool force = false; // into a directory that is not empty
};

// Exit code 0; what is wrong with the request is a UsageError, a file that cannot be written a SystemError.
int sysfsExport(const SysfsExportOptions& options, std::ostream& out);

struct SysfsDiffOptions {
    std::string directory, other; // `other`: a directory or a MACHINE
    MachineOptions machineOptions;
    std::vector<std::string> ignore;
    bool normalise = false; // leave out what differs between two boots
    bool namesOnly = false;
};

// Exit code 0: same, 1: different.
int sysfsDiff(const SysfsDiffOptions& options, std::ostream& out);

} // namespace rdmalab::harness
