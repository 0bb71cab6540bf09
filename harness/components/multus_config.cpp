#include "harness/components/multus_config.h"

#include <nlohmann/json.hpp>

namespace rdmalab::harness {

std::string multusConfig(const std::string& clusterNetwork) {
    const nlohmann::ordered_json config = {{"cniVersion", "0.3.1"},
                                           {"name", "multus-cni-network"},
                                           {"type", "multus"},
                                           {"confDir", "/etc/cni/net.d/"},
                                           {"logLevel", "debug"},
                                           {"logFile", "/var/log/multus.log"},
                                           {"capabilities", {{"portMappings", true}, {"bandwidth", true}}},
                                           {"namespaceIsolation", false},
                                           {"clusterNetwork", clusterNetwork},
                                           {"defaultNetworks", nlohmann::ordered_json::array()},
                                           {"multusNamespace", "kube-system"},
                                           {"systemNamespaces", nlohmann::ordered_json::array()},
                                           {"kubeconfig", "/etc/cni/net.d/multus.d/multus.kubeconfig"}};
    return config.dump(2);
}

} // namespace rdmalab::harness
