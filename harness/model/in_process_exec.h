#pragma once

#include "plugins/cni/protocol/plugin.h"

#include <functional>
#include <map>
#include <string>

namespace rdmalab::harness {

// Runs CNI plugins as functions. A plugin is found where its file is on the node, so installing and removing work as on disk.
class InProcessExec final : public plugin::CniExec {
public:
    // `services` gives what a plugin process on this node would have; its `exec` is this object.
    InProcessExec(plugin::Files& files, std::function<plugin::CniServices(plugin::CniExec&)> services)
        : files_(files), services_(std::move(services)) {}
    std::string find(const std::string& type, const std::vector<std::string>& directories) override;
    plugin::CniOutcome run(const std::string& path, const plugin::CniInvocation& invocation) override;

    static const std::map<std::string, plugin::CniPlugin>& plugins(); // by executable name

private:
    plugin::Files& files_;
    std::function<plugin::CniServices(plugin::CniExec&)> services_;
};

} // namespace rdmalab::harness
