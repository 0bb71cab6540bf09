// The body of every plugin's main(): environment and standard input in, output, errors and exit status out.
#pragma once

#include "plugins/cni/protocol/plugin.h"

namespace rdmalab::plugin {

// Clients that a plugin does not use are left out, which keeps its executable small.
struct PluginClients {
    UnixHttpClient http = {};
    std::function<std::unique_ptr<KubeClient>(const std::string&)> kube = {};
    std::function<std::unique_ptr<RdmaKernel>(Kernel&)> rdmaKernel = {};
    std::function<std::unique_ptr<VfKernel>(Kernel&)> vfKernel = {};
};

int runAsProcess(CniPlugin plugin, PluginClients clients = {});

} // namespace rdmalab::plugin
