#include "plugins/cni/protocol/plugin_process.h"
#include "plugins/kernel/linux_rdma_kernel.h"
#include "plugins/kernel/linux_vf_kernel.h"

int main() {
    using namespace rdmalab::plugin;
    PluginClients clients;
    clients.rdmaKernel = [](Kernel& netns) { return std::make_unique<LinuxRdmaKernel>(netns); };
    clients.vfKernel = [](Kernel& netns) { return std::make_unique<LinuxVfKernel>(netns); };
    return runAsProcess(rdmaMain, std::move(clients));
}
