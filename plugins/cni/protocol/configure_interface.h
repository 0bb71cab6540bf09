// Putting a result's addresses and routes on a container's interface, and checking that they are still there
// (plugins pkg/ipam/ipam_linux.go, pkg/ip/utils_linux.go; spec/cni.md 2.2).
#pragma once

#include "plugins/cni/protocol/cni_result.h"

namespace rdmalab::plugin {

class Kernel;

// `netns` is the container's. Errors: std::runtime_error with upstream's texts. Duplicate address detection of IPv6 is not
// waited for.
void configureInterface(Kernel& netns, const std::string& ifName, const CniResult& result);

void checkInterfaceIps(Kernel& netns, const std::string& ifName, const std::vector<CniIp>& ips);
void checkRoutes(Kernel& netns, const std::vector<CniRoute>& routes);

} // namespace rdmalab::plugin
