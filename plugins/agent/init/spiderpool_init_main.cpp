// spiderpool-init [--kubeconfig=FILE] [--compat=0.8|1.2]: runs once after an installation; all else is told by the environment.
#include "plugins/agent/init/spiderpool_init.h"
#include "plugins/agent/process.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kube/kubeconfig_client.h"

namespace {

using namespace rdmalab::plugin;

int initialise(Options& options, StopSignal& stop) {
    const auto release = parseAgentRelease(options.value("compat", "1.2"));
    const auto kubeconfig = options.value("kubeconfig", environment()["KUBECONFIG"]);
    if (const auto unknown = options.unused(); !unknown.empty())
        throw std::runtime_error("unknown flag: " + unknown);
    LinuxFiles files;
    const auto kube = kubeClientFromKubeconfig(kubeconfig);
    SpiderpoolInit init(*kube, files, readInitConfig(release, environment()), logLine);
    for (;;) {
        const InitStep step = init.run();
        if (step.state == InitStep::State::done) {
            logLine("Finish init");
            return 0;
        }
        if (step.state == InitStep::State::failed)
            throw std::runtime_error(step.reason);
        if (stop.waitFor(step.retryAfter))
            return 143; // as a process that SIGTERM ends
    }
}

} // namespace

int main(int argc, char** argv) {
    return runProcess(argc, argv, {}, initialise);
}
