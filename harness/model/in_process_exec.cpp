#include "harness/model/in_process_exec.h"

#include "plugins/kernel/files.h"

#include <stdexcept>

namespace rdmalab::harness {

const std::map<std::string, plugin::CniPlugin>& InProcessExec::plugins() {
    static const std::map<std::string, plugin::CniPlugin> table = {{"macvlan", plugin::macvlanMain},
                                                                   {"spiderpool", plugin::spiderpoolMain},
                                                                   {"coordinator", plugin::coordinatorMain},
                                                                   {"multus", plugin::multusMain}};
    return table;
}

std::string InProcessExec::find(const std::string& type, const std::vector<std::string>& directories) {
    for (const auto& directory : directories)
        if (files_.status(directory + "/" + type).kind == plugin::FileKind::regular)
            return directory + "/" + type;
    return {};
}

plugin::CniOutcome InProcessExec::run(const std::string& path, const plugin::CniInvocation& invocation) {
    const auto found = plugins().find(path.substr(path.rfind('/') + 1));
    if (found == plugins().end())
        throw std::runtime_error("fork/exec " + path + ": the model has no such plugin");
    auto services = services_(*this);
    return found->second(invocation, services);
}

} // namespace rdmalab::harness
