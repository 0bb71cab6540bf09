// The spiderpool IPAM plugin: asks the agent of the node (cmd/spiderpool; spec/spiderpool.md, section 8).

#include "plugins/cni/protocol/agent_client.h"
#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kernel/kernel.h"

#include <algorithm>
#include <fmt/format.h>

namespace rdmalab::plugin {

namespace {

const std::vector<std::string> versions{"0.3.0", "0.3.1", "0.4.0", "1.0.0"};

struct Config {
    nlohmann::json ipam;
    std::string version, socket;
};

Config loadConfig(const CniRequest& request) {
    Config config;
    const std::string prefix = "failed to load CNI network configuration: ";
    nlohmann::json json;
    try {
        json = parseJson(request.input);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(prefix + "failed to parse CNI network configuration: " + error.what());
    }
    config.ipam = memberOf(json, "ipam");
    config.version = stringOf(json, "cniVersion");
    if (std::find(versions.begin(), versions.end(), config.version) == versions.end())
        throw std::runtime_error(
            fmt::format("{}unsupported specified CNI version {}, the CNI versions supported by Spiderpool: {}", prefix,
                        config.version, goList(versions)));
    config.socket = stringOf(config.ipam, "ipam_unix_socket_path");
    if (config.socket.empty())
        config.socket = defaultAgentSocket;
    return config;
}

std::map<std::string, std::string> podArgs(const CniRequest& request) {
    try {
        return parseCniArgs(request.args, kubernetesCniArgs());
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to load CNI ENV args: ") + error.what());
    }
}

AgentClient healthyAgent(const CniRequest& request, const Config& config) {
    AgentClient agent(request.services.http, config.socket);
    try {
        agent.call("GET", "/ipam/healthy", "", "getIpamHealthy", "InternalServerError");
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("unhealthy spiderpool-agent backend, failed to check: ") + error.what());
    }
    return agent;
}

nlohmann::json pools(const Config& config, const char* key) {
    const auto& list = memberOf(config.ipam, key);
    return list.is_array() ? list : nlohmann::json();
}

nlohmann::json podIdentity(const CniRequest& request, std::map<std::string, std::string> args) {
    return {{"containerID", request.containerId},
            {"ifName", request.ifName},
            {"podName", args["K8S_POD_NAME"]},
            {"podNamespace", args["K8S_POD_NAMESPACE"]},
            {"podUID", args["K8S_POD_UID"]}};
}

// The agent answers for every NIC of the pod; the plugin keeps its own.
CniResult resultOf(const nlohmann::json& answer, const std::string& ifName) {
    CniResult result;
    result.dns = parseCniDns(memberOf(answer, "dns"));
    if (const auto& routes = memberOf(answer, "routes"); routes.is_array())
        for (const auto& entry : routes) {
            if (stringOf(entry, "ifName") != ifName)
                continue;
            const auto dst = Cidr::parse(stringOf(entry, "dst"));
            if (!dst)
                throw std::runtime_error("invalid CIDR address: " + stringOf(entry, "dst"));
            CniRoute route;
            route.dst = {dst->network(), dst->prefix};
            route.gateway = IpAddress::parse(stringOf(entry, "gw"));
            result.routes.push_back(route);
        }
    if (const auto& ips = memberOf(answer, "ips"); ips.is_array())
        for (const auto& entry : ips) {
            if (stringOf(entry, "nic") != ifName)
                continue;
            const auto text = stringOf(entry, "address");
            const auto address = Cidr::parse(text);
            if (!address)
                throw std::runtime_error(fmt::format("invalid CIDR format in IPv{} '{}'", intOf(entry, "version"), text));
            result.ips.push_back({std::nullopt, *address, IpAddress::parse(stringOf(entry, "gateway"))});
        }
    if (result.ips.empty())
        throw std::runtime_error(fmt::format("no Interface {} IP allocation found", ifName));
    return result;
}

std::string add(const CniRequest& request) {
    const auto config = loadConfig(request);
    auto args = podArgs(request);
    try {
        request.services.kernel.openNetns(request.netns);
    } catch (const KernelError& error) {
        throw std::runtime_error(fmt::format("failed to GetNS {}: {}", goQuote(request.netns), error.what()));
    }
    const auto agent = healthyAgent(request, config);

    auto body = podIdentity(request, std::move(args));
    body["netNamespace"] = request.netns;
    body["defaultIPv4IPPool"] = pools(config, "default_ipv4_ippool");
    body["defaultIPv6IPPool"] = pools(config, "default_ipv6_ippool");
    if (boolOf(config.ipam, "clean_gateway"))
        body["cleanGateway"] = true;
    if (boolOf(config.ipam, "match_master_subnet"))
        body["matchMasterSubnet"] = true;
    try {
        const auto answer = agent.call("POST", "/ipam/ip", goJson(body) + "\n", "postIpamIp");
        return resultOf(answer, request.ifName).print(config.version);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("spiderpool IP allocation error: ") + error.what());
    }
}

std::string del(const CniRequest& request) {
    const auto config = loadConfig(request);
    auto args = podArgs(request);
    const auto agent = healthyAgent(request, config);
    auto body = podIdentity(request, std::move(args));
    if (!request.netns.empty())
        body["netNamespace"] = request.netns;
    try {
        agent.call("DELETE", "/ipam/ip", goJson(body) + "\n", "deleteIpamIp");
    } catch (const std::runtime_error&) {
        // The garbage collection frees what the agent could not; a pod must not hang in Terminating for it.
    }
    return "";
}

} // namespace

CniOutcome spiderpoolMain(const CniInvocation& invocation, CniServices& services) {
    CniCommands commands;
    commands.add = add;
    commands.del = del;
    commands.check = [](const CniRequest&) { return std::string(); };
    commands.versions = versions;
    commands.about = "Spiderpool IPAM";
    return runCniCommand(commands, invocation, services);
}

} // namespace rdmalab::plugin
