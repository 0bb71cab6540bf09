#pragma once

#include <string>
#include <vector>

namespace rdmalab::harness {

// Leaves the calling thread with what a container runtime gives an unprivileged container, plus `added` ("IPC_LOCK").
// MKNOD is not among them: no device cgroup guards the machine's own devices here. Throws SystemError, or
// std::runtime_error for an unknown name.
void dropToContainerCapabilities(const std::vector<std::string>& added);

} // namespace rdmalab::harness
