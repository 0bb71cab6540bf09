#include "harness/netns/container_program.h"

#include "harness/components/component.h"
#include "harness/components/multus_config.h"
#include "sim/cluster/node_host.h"

#include <stdexcept>

namespace rdmalab::harness {

namespace {
constexpr const char* kubeconfigDirectory = "/etc/rdmalab";

std::string executable(const char* name) {
    return std::string(pluginsInContainer) + "/" + name;
}
} // namespace

ContainerProgram containerProgram(const cluster::ContainerConfig& config, const ComponentContext& context) {
    ContainerProgram program;
    const Component component = componentOf(config.image, config.command.empty() ? "" : config.command.front());
    program.needsPlugins = component != Component::none;
    const std::string kubeconfig = std::string("--kubeconfig=") + kubeconfigDirectory + "/kubeconfig";
    if (component == Component::spiderpoolAgent || component == Component::spiderpoolInit ||
        component == Component::multusInstaller)
        program.files[kubeconfigDirectory] = {{"kubeconfig", context.kubeconfig}};

    // The agent's own plugins go along: upstream its postStart hook copies them.
    const std::string bin = std::string(pluginsInContainer) + "/";
    const std::string installBinaries = "cp " + bin + "multus " + bin + "spiderpool " + bin + "coordinator /host/opt/cni/bin/";
    const std::string installMultus = installBinaries + " && " + bin + "multus-entrypoint --cni-conf-dir=/host/etc/cni/net.d";
    const std::string confFile = " --multus-conf-file=/tmp/multus-conf/00-multus.conf";
    switch (component) {
    case Component::none:
        program.argv = config.command;
        program.argv.insert(program.argv.end(), config.args.begin(), config.args.end());
        if (config.command.empty())
            throw std::runtime_error(
                "image \"" + config.image +
                "\" is not one that rdmalab brings, and its entry point is unknown: give the container a command");
        break;
    case Component::spiderpoolAgent:
        if (config.name == "multus-cni") { // the sidecar of later charts
            const auto cluster = config.env.find("MULTUS_CLUSTER_NETWORK");
            if (cluster != config.env.end() && !cluster->second.empty())
                program.files["/tmp/multus-conf"] = {{"00-multus.conf", multusConfig(cluster->second)}};
            program.argv = {"sh", "-c",
                            bin + "multus-entrypoint --cni-conf-dir=/host/etc/cni/net.d" +
                                (program.files.contains("/tmp/multus-conf") ? confFile : " --multus-conf-file=auto") +
                                " && exec sleep infinity"};
            break;
        }
        program.argv = {executable("spiderpool-agent")};
        program.argv.insert(program.argv.end(), config.args.begin(), config.args.end());
        program.argv.insert(program.argv.end(), {kubeconfig, "--compat=" + context.release, "--node-name=" + context.nodeName});
        program.readySocket = "/var/run/spidernet/spiderpool.sock";
        break;
    case Component::spiderpoolController:
        // The controllers run in the simulated control plane; this process stands for the pod's life.
        program.argv = {"sleep", "infinity"};
        break;
    case Component::spiderpoolInit:
        program.argv = {executable("spiderpool-init"), kubeconfig, "--compat=" + context.release};
        break;
    case Component::pluginInstaller:
        // What install-plugins copies (macvlan and others) every node has already.
        program.argv = {"true"};
        break;
    case Component::multusInstaller:
        program.argv = {"sh", "-c", config.name == "multus-cni" ? installMultus + confFile : installBinaries};
        break;
    case Component::rdmaSharedDevicePlugin:
        program.argv = {executable("k8s-rdma-shared-dp"), "-config-file", "/k8s-rdma-shared-dev-plugin/config.json",
                        "--release=" + sharedPluginRelease(config.image, context.release)};
        break;
    }
    return program;
}

} // namespace rdmalab::harness
