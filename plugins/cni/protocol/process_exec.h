// Plugins as executables of this machine.
#pragma once

#include "plugins/cni/protocol/plugin.h"

namespace rdmalab::plugin {

class ProcessExec final : public CniExec {
public:
    std::string find(const std::string& type, const std::vector<std::string>& directories) override;
    // The environment is exactly the invocation's. An executable that is being written ("text file busy") is tried again up to
    // five times, a second apart. Throws std::runtime_error `fork/exec P: permission denied` when it cannot be started.
    CniOutcome run(const std::string& path, const CniInvocation& invocation) override;
};

} // namespace rdmalab::plugin
