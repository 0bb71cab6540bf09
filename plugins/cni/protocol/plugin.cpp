#include "plugins/cni/protocol/plugin.h"

#include "plugins/kernel/kernel.h"
#include "plugins/kernel/rdma_kernel.h"
#include "plugins/kernel/vf_kernel.h"

#include <thread>

namespace rdmalab::plugin {

std::unique_ptr<RdmaKernel> rdmaKernelOf(CniServices& services, Kernel& netns) {
    if (!services.rdmaKernel)
        throw KernelError("operation not supported", EOPNOTSUPP);
    return services.rdmaKernel(netns);
}

std::unique_ptr<VfKernel> vfKernelOf(CniServices& services, Kernel& netns) {
    if (!services.vfKernel)
        throw KernelError("operation not supported", EOPNOTSUPP);
    return services.vfKernel(netns);
}

std::chrono::system_clock::time_point timeNow(const CniServices& services) {
    return services.now ? services.now() : std::chrono::system_clock::now();
}

void sleepFor(const CniServices& services, std::chrono::milliseconds time) {
    if (services.sleep)
        services.sleep(time);
    else
        std::this_thread::sleep_for(time);
}

} // namespace rdmalab::plugin
