// The configuration file of the RDMA shared device plugin (k8s-rdma-shared-dev-plugin config.json).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace rdmalab::plugin {

// One line of the plugin's log, without time stamp or newline. May be called from several threads by the gRPC server.
using PluginLog = std::function<void(const std::string&)>;

// Something the plugin cannot go on after; what() is the whole last line of its log, the exit code is 1.
class RsdpFatal : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// Which upstream behaviour: up to v1.5.1 a NIC needs an issm device too (dropped in v1.5.2, commit c1873a6), and only the
// first character device of a kind is used (rdmamap before v1.2.0).
enum class RsdpRelease { untilV1_5_1, current };

// From a version ("v1.5.1", "1.3.2"), an image reference ("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3") or "latest",
// which means current, as does anything unknown.
RsdpRelease rsdpReleaseOf(std::string_view versionOrImage);

// OR inside one list, AND between the lists that are not empty.
struct RsdpSelectors {
    std::vector<std::string> vendors, deviceIds, drivers, ifNames, linkTypes;
    bool empty() const { return vendors.empty() && deviceIds.empty() && drivers.empty() && ifNames.empty() && linkTypes.empty(); }
};

struct RsdpResourceConfig {
    std::string name, prefix = "rdma";
    std::int64_t hcaMax = 0; // how many devices are advertised, whatever the number of HCAs
    RsdpSelectors selectors;

    std::string fullName() const { return prefix + "/" + name; }
};

struct RsdpConfig {
    std::chrono::seconds updateInterval{60}; // 0 = never look again
    std::vector<RsdpResourceConfig> resources;
};

// Throws RsdpFatal with upstream's text: a raw Go JSON error, or `Exiting.. one or more invalid configuration(s) given: ...`.
RsdpConfig parseRsdpConfig(std::string_view json, const PluginLog& log);

} // namespace rdmalab::plugin
