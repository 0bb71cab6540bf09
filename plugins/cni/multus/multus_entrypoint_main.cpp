#include "plugins/cni/multus/multus_entrypoint.h"
#include "plugins/kernel/linux_files.h"

#include <CLI/CLI.hpp>

#include <iostream>

int main(int argc, char** argv) {
    rdmalab::plugin::MultusEntrypointOptions options;
    CLI::App app("Installs the multus CNI plugin on a node");
    app.add_option("--cni-conf-dir", options.cniConfDir, "Directory of the node's CNI configuration")->capture_default_str();
    app.add_option("--multus-conf-file", options.multusConfFile, "Configuration to install as 00-multus.conf, or \"auto\"")
        ->capture_default_str();
    app.add_option("--cni-version", options.cniVersion, "cniVersion of a generated configuration")->capture_default_str();
    app.add_option("--multus-namespace", options.multusNamespace, "multusNamespace of a generated configuration")
        ->capture_default_str();
    app.add_option("--multus-kubeconfig-file-host", options.kubeconfigHostPath, "Kubeconfig path in a generated configuration")
        ->capture_default_str();
    app.add_option("--kube-api-server", options.kubeApiServer, "API server in the kubeconfig")->capture_default_str();
    app.add_option("--service-account-token", options.serviceAccountToken, "File with the token for the kubeconfig");
    app.add_option("--cni-bin-source", options.cniBinSource, "Directory of plugins to install");
    app.add_option("--cni-bin-dir", options.cniBinDir, "Where plugins are installed")->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    try {
        rdmalab::plugin::LinuxFiles files;
        rdmalab::plugin::multusEntrypoint(files, options);
        return 0;
    } catch (const std::exception& error) {
        std::cerr << "multus-entrypoint: " << error.what() << '\n';
        return 1;
    }
}
