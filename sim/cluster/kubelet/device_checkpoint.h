// The device manager's checkpoint file (spec/kubernetes.md, section 4), as multus and the kubelet itself read it.
#pragma once

#include "sim/cluster/device_plugin.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster {

inline constexpr const char* deviceCheckpointPath = "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";

struct DeviceCheckpoint {
    struct Entry {
        std::string podUid, container, resource;
        std::map<std::int64_t, std::vector<std::string>> ids; // NUMA node (-1: none) -> ids
        AllocateResponse response;
    };
    std::vector<Entry> entries;
    std::map<std::string, std::vector<std::string>> registered; // resource -> healthy ids
};

// One line of JSON. `Checksum` is a hash of our own: the kubelet's is not reproducible outside Go.
std::string encodeCheckpoint(const DeviceCheckpoint& checkpoint);
// Throws std::runtime_error for what is no checkpoint. Unknown fields and foreign checksums are accepted, and the flat id lists
// of kubelets before 1.20.
DeviceCheckpoint decodeCheckpoint(const std::string& text);

} // namespace rdmalab::cluster
