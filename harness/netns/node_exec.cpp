#include "harness/netns/node_exec.h"

#include "harness/sandbox/child_process.h"
#include "harness/sandbox/namespaces.h"
#include "plugins/kernel/files.h"

namespace rdmalab::harness {

std::string NodeExec::find(const std::string& type, const std::vector<std::string>& directories) {
    for (const auto& directory : directories) {
        const std::string path = directory + "/" + type;
        if (files_.status(path).kind == plugin::FileKind::regular)
            return path;
    }
    return {};
}

plugin::CniOutcome NodeExec::run(const std::string& path, const plugin::CniInvocation& invocation) {
    ProcessSpec process;
    process.argv = {path};
    process.environment = invocation.environment;
    process.namespaces = &node_;
    process.supervise = supervise_;
    // containerd waits for a plugin as long as the kubelet's own limit on a sandbox request.
    const auto result = runProcess(process, invocation.input, 240);
    return {result.status.code, result.output, result.errors};
}

} // namespace rdmalab::harness
