// The coordinator plugin: routes between a pod, its node and the cluster's services next to the NICs that others made.

#include "plugins/cni/coordinator/pod_network.h"
#include "plugins/cni/protocol/agent_client.h"
#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kernel/kernel.h"

#include <cerrno>
#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {

coordinator::Config loadConfig(const CniRequest& request) {
    std::map<std::string, std::string> args;
    try {
        args = parseCniArgs(request.args, kubernetesCniArgs());
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to load CNI ENV args: ") + error.what());
    }
    const nlohmann::json body{{"podName", args["K8S_POD_NAME"]}, {"podNamespace", args["K8S_POD_NAMESPACE"]}};
    nlohmann::json answer;
    try {
        // The socket's path cannot be configured for this plugin.
        answer = AgentClient(request.services.http, defaultAgentSocket)
                     .call("GET", "/coordinator/config", goJson(body) + "\n", "getCoordinatorConfig");
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to GetCoordinatorConfig: ") + error.what());
    }
    return coordinator::parseConfig(request.input, answer);
}

std::string add(const CniRequest& request) {
    const auto config = loadConfig(request);
    const auto printPrevious = [&config] {
        if (config.prevResult.empty())
            throw std::runtime_error("required prevResult missing");
        return CniResult::parse(parseJson(config.prevResult), config.version).print(config.version);
    };
    auto output = printPrevious();
    if (config.mode == "disable")
        return output;
    std::unique_ptr<Kernel> pod;
    try {
        pod = request.services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to GetNS {}: {}", goQuote(request.netns), error.what()));
    }
    coordinator::PodNetwork(request.services.kernel, *pod, config, request.containerId, request.ifName).setUp();
    return output;
}

void deleteHostVeth(Kernel& host, const std::string& name) {
    const auto veth = host.linkByName(name);
    if (!veth)
        return;
    try {
        host.deleteLink(veth->index);
    } catch (const KernelError& error) {
        if (error.code() != ENODEV)
            throw std::runtime_error(fmt::format("failed to del hostVeth {}: {}", name, error.what()));
    }
}

std::string del(const CniRequest& request) {
    const auto config = loadConfig(request);
    if (config.mode == "disable" || request.netns.empty())
        return "";
    auto& host = request.services.kernel;
    std::unique_ptr<Kernel> pod;
    try {
        pod = host.openNetns(request.netns);
    } catch (const KernelError& error) {
        if (error.code() == ENOENT)
            return ""; // the veth went with it
        throw std::runtime_error(fmt::format("failed to GetNS {}: {}", request.netns, error.what()));
    }
    deleteHostVeth(host, coordinator::hostVethName(request.containerId));

    const auto link = pod->linkByName(request.ifName);
    if (!link)
        return "";
    for (const auto& address : coordinator::unicastAddresses(*pod, link->index)) {
        Rule rule;
        rule.family = address.address.family();
        rule.table = config.hostRuleTable;
        rule.to = Cidr{address.address, address.address.bits()};
        try {
            host.deleteRule(rule);
        } catch (const KernelError& error) {
            if (error.code() != ENOENT)
                throw std::runtime_error(std::string("failed to DelToRuleTable: ") + error.what());
        }
    }
    return "";
}

} // namespace

CniOutcome coordinatorMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = add;
    commands.del = del;
    commands.check = [](const CniRequest&) { return std::string(); };
    commands.versions = allCniVersions();
    commands.about = "Coordinator";
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
