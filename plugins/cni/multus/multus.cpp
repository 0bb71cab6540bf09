// The multus plugin, thin: one process per call (multus pkg/multus/multus.go; spec/cni.md, section 6).

#include "plugins/cni/multus/multus_run.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/skeleton.h"

namespace rdmalab::plugin {

CniOutcome multusMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = [](const CniRequest& request) { return multus::MultusRun(request).add(); };
    commands.del = [](const CniRequest& request) {
        multus::MultusRun(request).del();
        return std::string();
    };
    commands.check = [](const CniRequest& request) {
        multus::MultusRun(request).check();
        return std::string();
    };
    commands.versions = allCniVersions();
    commands.about = "meta-plugin that delegates to other CNI plugins";
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
