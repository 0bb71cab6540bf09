#pragma once

#include "plugins/kube/kube_client.h"

#include <memory>
#include <string>

namespace rdmalab::plugin {

// A client for the current context of a kubeconfig file. Servers are reached over plain HTTP.
// Throws KubeError (code 0) when the file is missing or broken, or its server needs what is not supported (TLS).
std::unique_ptr<KubeClient> kubeClientFromKubeconfig(const std::string& path);

} // namespace rdmalab::plugin
