// From a pod's container to what NodeHost starts: command, environment, mounts, devices.
#pragma once

#include "sim/cluster/kubelet/pod_volumes.h"
#include "sim/cluster/node_host.h"
#include "sim/cluster/store.h"

#include <map>
#include <stdexcept>
#include <string>

namespace rdmalab::cluster {

// Waiting reason CreateContainerConfigError.
struct ConfigError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct ContainerInputs {
    const Json& pod; // with status.podIP and status.hostIP as far as they are known
    const Json& container;
    const Store& store;
    plugin::Files& files;
    const std::map<std::string, VolumeSource>& volumes;
    const std::map<std::string, std::string>& serviceEnv;
    const AllocateResponse& devices;
    const Json& node;
};

// Everything but sandboxId and attempt. Throws ConfigError.
ContainerConfig containerConfig(const ContainerInputs& inputs);

} // namespace rdmalab::cluster
