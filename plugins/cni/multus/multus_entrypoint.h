// What the multus container does on a node: configuration, kubeconfig and executables to where the runtime looks for them
// (multus images/entrypoint.sh as the v0.8 chart starts it, charts/spiderpool/templates/{daemonset,configmap}.yaml).
#pragma once

#include <string>

namespace rdmalab::plugin {

class Files;

struct MultusEntrypointOptions {
    std::string cniConfDir = "/host/etc/cni/net.d";
    std::string multusConfFile = "/tmp/multus-conf/00-multus.conf"; // "auto": from the first other file in cniConfDir
    std::string cniVersion = "0.3.1";                               // only for "auto"
    std::string multusNamespace = "kube-system";                    // only for "auto"
    std::string kubeApiServer = "http://127.0.0.1:6443";
    std::string serviceAccountToken; // a file; empty or missing = no token in the kubeconfig
    std::string kubeconfigHostPath = "/etc/cni/net.d/multus.d/multus.kubeconfig"; // as the plugin on the node sees it; "auto"
    std::string cniBinSource; // every regular file in it is installed; empty = none
    std::string cniBinDir = "/host/opt/cni/bin";
};

// Repeatable. Throws std::runtime_error that says what is missing, SystemError when something cannot be written.
void multusEntrypoint(Files& files, const MultusEntrypointOptions& options);

} // namespace rdmalab::plugin
