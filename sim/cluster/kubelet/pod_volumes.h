// A pod's volumes as sources of mounts: hostPath, emptyDir, configMap, secret, downwardAPI, projected.
#pragma once

#include "sim/cluster/store.h"

#include <map>
#include <stdexcept>
#include <string>

namespace rdmalab::plugin {
class Files;
}

namespace rdmalab::cluster {

struct VolumeSource {
    std::string hostPath;                     // on the node; empty when `files` is meant
    std::map<std::string, std::string> files; // name -> content
};

// What an event FailedMount says: `MountVolume.SetUp failed for volume "x" : configmap "y" not found`.
struct MountError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Where kubelet keeps a pod's own directories.
std::string podDirectory(const std::string& podUid);

// By volume name. Makes the directories of emptyDir and DirectoryOrCreate. Throws MountError.
std::map<std::string, VolumeSource> preparePodVolumes(const Json& pod, const Store& store, plugin::Files& files);

// The value of a fieldRef (metadata.*, spec.nodeName, status.hostIP, ...); nullopt for a field that is not supported.
std::optional<std::string> fieldValue(const Json& pod, const std::string& fieldPath);

} // namespace rdmalab::cluster
