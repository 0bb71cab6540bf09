#include "plugins/cni/protocol/plugin_process.h"
#include "plugins/kernel/linux_vf_kernel.h"
#include "plugins/kernel/rdma_kernel.h"

int main() {
    using namespace rdmalab::plugin;
    PluginClients clients;
    clients.vfKernel = [](Kernel& netns) { return std::make_unique<LinuxVfKernel>(netns); };
    return runAsProcess(sriovMain, std::move(clients));
}
