// Paths of network namespaces on a node.
#pragma once

#include <string>

namespace rdmalab::kernel {

// One spelling for a path: no doubled or final slashes, and /var/run is /run as on every distribution.
std::string normalisedNetnsPath(const std::string& path);

} // namespace rdmalab::kernel
