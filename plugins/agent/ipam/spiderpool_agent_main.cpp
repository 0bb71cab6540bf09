// spiderpool-agent daemon --config-path=CONF [--kubeconfig=FILE] [--compat=0.8|1.2]: serves CNI plugins on the unix socket of its
// configuration and probes on a TCP port of loopback, until SIGTERM or SIGINT.
#include "plugins/agent/ipam/ipam_agent.h"
#include "plugins/agent/process.h"
#include "plugins/http/http_server.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"
#include "plugins/kube/kube_client.h"
#include "plugins/kube/kubeconfig_client.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <thread>

namespace {

using namespace rdmalab;
using namespace rdmalab::plugin;

int serve(Options& options, StopSignal& stop) {
    const auto release = parseAgentRelease(options.value("compat", "1.2"));
    const auto configPath = options.value("config-path", "/tmp/spiderpool/config-map/conf.yml");
    const auto kubeconfig = options.value("kubeconfig", environment()["KUBECONFIG"]);
    const auto nodeName = options.value("node-name", "");
    if (const auto unknown = options.unused(); !unknown.empty())
        throw std::runtime_error("unknown flag: " + unknown);
    LinuxFiles files;
    std::string yaml;
    try {
        yaml = files.read(configPath);
    } catch (const SystemError& error) {
        throw std::runtime_error("failed to read configmap file, error: open " + configPath + ": " + goErrnoText(error.code()));
    }
    AgentConfig config = readAgentConfig(release, yaml, environment());
    if (!nodeName.empty())
        config.nodeName = nodeName;
    if (release != AgentRelease::v0_8 && config.tuneSysctlConfig) {
        LinuxKernel kernel;
        tuneHostSysctls(kernel);
    }
    const auto kube = kubeClientFromKubeconfig(kubeconfig);
    AgentHost host;
    host.sleep = [](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); };
    host.log = logLine;
    IpamAgent agent(*kube, config, host);
    const auto handler = [&agent](const HttpRequest& request, const HttpServer::Reply& reply) { reply(agent.handle(request)); };

    const std::string socket = config.ipamUnixSocketPath;
    files.makeDirectories(socket.substr(0, socket.rfind('/')), 0755);
    {
        const HttpServer probes(listenTcp("127.0.0.1", config.healthPort), handler);
        const HttpServer plugins(listenUnix(socket), handler);
        logLine(
            fmt::format("spiderpool-agent of node \"{}\", profile {}, serves on {}", config.nodeName, nameOf(release), socket));
        stop.wait();
    }
    files.remove(socket);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    return runProcess(argc, argv, {"daemon"}, serve);
}
