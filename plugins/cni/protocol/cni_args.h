// CNI_ARGS (spec/cni.md 1.5, pkg/types/args.go).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace rdmalab::plugin {

// "K=V;K=V" of the keys in `known`; the others only with IgnoreUnknown. Throws std::runtime_error with libcni's texts.
std::map<std::string, std::string> parseCniArgs(const std::string& text, const std::vector<std::string>& known);

// Keys that Kubernetes passes, for plugins that want to know the pod.
const std::vector<std::string>&
kubernetesCniArgs(); // IP, K8S_POD_NAME, K8S_POD_NAMESPACE, K8S_POD_INFRA_CONTAINER_ID, K8S_POD_UID

} // namespace rdmalab::plugin
