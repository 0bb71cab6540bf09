#pragma once

#include "harness/sandbox/child_process.h"
#include "plugins/cni/protocol/plugin.h"

#include <functional>
#include <memory>

namespace rdmalab::plugin {
class Files;
}

namespace rdmalab::harness {

struct Namespaces;

// Runs CNI plugins as processes of a node, in its network and mount namespaces. The arguments must outlive the object.
class NodeExec final : public plugin::CniExec {
public:
    using Supervise = std::function<std::unique_ptr<LaunchHook>()>; // as ProcessSpec::supervise
    NodeExec(const Namespaces& node, plugin::Files& files, const Supervise& supervise)
        : node_(node), files_(files), supervise_(supervise) {}
    std::string find(const std::string& type, const std::vector<std::string>& directories) override;
    plugin::CniOutcome run(const std::string& path, const plugin::CniInvocation& invocation) override;

private:
    const Namespaces& node_;
    plugin::Files& files_;
    const Supervise& supervise_;
};

} // namespace rdmalab::harness
