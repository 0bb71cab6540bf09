#include "plugins/kernel/kernel_conformance.h"
#include "sim/kernel/model_world.h"

namespace rdmalab::kernel {
namespace {

class SimulatedWorld {
public:
    static std::string unavailable() { return ""; }

    SimulatedWorld() : world_(fabric_) {
        const NetnsId node = world_.addNode("node");
        const NetnsId host = world_.addNetns(node, "host"), pod = world_.addNetns(node, "pod");
        world_.bindNetns(node, "/var/run/netns/pod", pod);
        world_.bindPlainFile(node, "/var/run/netns/plain");
        host_ = world_.kernel(host);
        pod_ = world_.kernel(pod);
    }
    plugin::Kernel& host() { return *host_; }
    plugin::Kernel& pod() { return *pod_; }
    std::string podPath() const { return "/run/netns//pod"; }
    std::string plainFilePath() const { return "/var/run/netns/plain"; }

private:
    fabric::Fabric fabric_;
    ModelWorld world_;
    std::unique_ptr<plugin::Kernel> host_, pod_;
};

} // namespace
} // namespace rdmalab::kernel

namespace rdmalab::plugin {
using Simulated = rdmalab::kernel::SimulatedWorld;
INSTANTIATE_TYPED_TEST_SUITE_P(Model, KernelConformance, Simulated);
} // namespace rdmalab::plugin
