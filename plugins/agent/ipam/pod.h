// What the IPAM wants to know about pods and their owners (pkg/podmanager, pkg/statefulsetmanager).
#pragma once

#include "plugins/agent/ipam/json_access.h"

#include <optional>

namespace rdmalab::plugin {
class KubeClient;
}

namespace rdmalab::plugin::ipam {

struct TopController { // the pod itself when nobody owns it
    std::string apiVersion, kind, ns, name, uid;

    bool isPod() const { return apiVersion == "v1" && kind == "Pod"; }
    bool isStatefulSet() const { return apiVersion == "apps/v1" && kind == "StatefulSet"; }
    bool isVirtualMachine() const { return apiVersion == "kubevirt.io/v1" && kind == "VirtualMachineInstance"; }
};

// Neither terminating nor finished for good.
bool isAlive(const Json& pod);
// Throws std::runtime_error `failed to get pod 'ns/name' owner: ...`.
TopController topControllerOf(KubeClient& kube, const Json& pod);
// The object or nullopt when there is none; other refusals are passed on.
std::optional<Json> findPod(KubeClient& kube, const std::string& ns, const std::string& name);
// Whether the StatefulSet of a pod of this name exists and wants that ordinal.
bool isWantedByStatefulSet(KubeClient& kube, const std::string& ns, const std::string& podName);
std::optional<std::string> annotation(const Json& object, const char* key);

} // namespace rdmalab::plugin::ipam
