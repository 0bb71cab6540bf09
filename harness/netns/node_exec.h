#pragma once

#include "plugins/cni/protocol/plugin.h"

namespace rdmalab::plugin {
class Files;
}

namespace rdmalab::harness {

struct Namespaces;

// Runs CNI plugins as processes of a node, in its network and mount namespaces. Both arguments must outlive the object.
class NodeExec final : public plugin::CniExec {
public:
    NodeExec(const Namespaces& node, plugin::Files& files) : node_(node), files_(files) {}
    std::string find(const std::string& type, const std::vector<std::string>& directories) override;
    plugin::CniOutcome run(const std::string& path, const plugin::CniInvocation& invocation) override;

private:
    const Namespaces& node_;
    plugin::Files& files_;
};

} // namespace rdmalab::harness
