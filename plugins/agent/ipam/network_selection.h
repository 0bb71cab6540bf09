// Which networks a pod is attached to, as its annotations say it (pkg/multuscniconfig; spec/cni.md, section 6.2).
#pragma once

#include <string>
#include <vector>

namespace rdmalab::plugin::ipam {

struct NetworkSelection {
    std::string ns, name, ifName;
};

// JSON or "[ns/]name[@if],...". Throws std::runtime_error.
std::vector<NetworkSelection> parseNetworks(const std::string& text, const std::string& defaultNs);

} // namespace rdmalab::plugin::ipam
