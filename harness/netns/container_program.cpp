#include "harness/netns/container_program.h"

#include "harness/components/component.h"
#include "sim/cluster/node_host.h"

#include <stdexcept>

namespace rdmalab::harness {

namespace {
constexpr const char* kubeconfigDirectory = "/etc/rdmalab";

std::string executable(const char* name) { return std::string(pluginsInContainer) + "/" + name; }
} // namespace

ContainerProgram containerProgram(const cluster::ContainerConfig& config, const ComponentContext& context) {
    ContainerProgram program;
    const Component component = componentOf(config.image);
    program.needsPlugins = component != Component::none;
    const std::string kubeconfig = std::string("--kubeconfig=") + kubeconfigDirectory + "/kubeconfig";
    if (component == Component::spiderpoolAgent || component == Component::spiderpoolInit ||
        component == Component::multusInstaller)
        program.files[kubeconfigDirectory] = {{"kubeconfig", context.kubeconfig}};

    switch (component) {
    case Component::none:
        program.argv = config.command;
        program.argv.insert(program.argv.end(), config.args.begin(), config.args.end());
        if (config.command.empty())
            throw std::runtime_error("image \"" + config.image +
                                     "\" is not one that rdmalab brings, and its entry point is unknown: give the container a command");
        break;
    case Component::spiderpoolAgent:
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
        program.argv = {executable("multus-entrypoint"),
                        "--multus-conf-file=/tmp/multus-conf/00-multus.conf",
                        "--cni-conf-dir=/host/etc/cni/net.d",
                        std::string("--cni-bin-source=") + pluginsInContainer,
                        "--cni-bin-dir=/host/opt/cni/bin"};
        break;
    case Component::rdmaSharedDevicePlugin:
        program.argv = {executable("k8s-rdma-shared-dp"), "-config-file", "/k8s-rdma-shared-dev-plugin/config.json",
                        "--release=" + tagOf(config.image)};
        break;
    }
    return program;
}

} // namespace rdmalab::harness
