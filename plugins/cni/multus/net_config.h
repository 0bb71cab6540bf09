// Multus' own configuration (pkg/types/{types,conf}.go LoadNetConf; spec/cni.md 6.1).
#pragma once

#include "plugins/cni/multus/delegate.h"

#include <map>

namespace rdmalab::plugin::multus {

struct NetConf {
    std::string cniVersion;
    std::string confDir = "/etc/cni/multus/net.d", cniDir = "/var/lib/cni/multus", binDir = "/opt/cni/bin";
    std::string kubeconfig, clusterNetwork, multusNamespace = "kube-system";
    std::string readinessIndicatorFile;
    std::vector<std::string> defaultNetworks, systemNamespaces{"kube-system"}, globalNamespaces{"default"};
    bool namespaceIsolation = false, retryDeleteOnError = false;
    std::string runtimeConfig; // JSON object; empty = none
    std::vector<Delegate> delegates;

    bool isSystemNamespace(const std::string& name) const;
};

// Throws std::runtime_error.
NetConf loadNetConf(const std::string& input);

} // namespace rdmalab::plugin::multus
