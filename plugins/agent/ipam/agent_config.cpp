#include "plugins/agent/ipam/agent_config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <stdexcept>

namespace rdmalab::plugin {

AgentRelease parseAgentRelease(const std::string& text) {
    if (text == "0.8")
        return AgentRelease::v0_8;
    if (text == "1.2")
        return AgentRelease::v1_2;
    throw std::invalid_argument(fmt::format("unknown release \"{}\" of Spiderpool: 0.8 or 1.2", text));
}

const char* nameOf(AgentRelease release) {
    return release == AgentRelease::v0_8 ? "0.8" : "1.2";
}

namespace {

template <typename Value>
void read(const YAML::Node& node, const char* key, Value& value) {
    if (const auto found = node[key]; found && !found.IsNull())
        value = found.as<Value>();
}

void readNumber(const std::map<std::string, std::string>& environment, const char* name, int& value) {
    const auto found = environment.find(name);
    if (found == environment.end() || found->second.empty())
        return;
    try {
        std::size_t end = 0;
        value = std::stoi(found->second, &end);
        if (end == found->second.size())
            return;
    } catch (const std::exception&) {
        // told below
    }
    throw std::runtime_error(fmt::format("error: {} require a int value, but get {}", name, found->second));
}

void readText(const std::map<std::string, std::string>& environment, const char* name, std::string& value) {
    if (const auto found = environment.find(name); found != environment.end() && !found->second.empty())
        value = found->second;
}

} // namespace

AgentConfig readAgentConfig(AgentRelease release, const std::string& yaml,
                            const std::map<std::string, std::string>& environment) {
    AgentConfig config;
    config.release = release;
    // What a conf.yml leaves out is off, as in Go.
    config.enableIPv4 = config.enableIPv6 = config.enableStatefulSet = config.enableKubevirtStaticIP = config.tuneSysctlConfig =
        false;
    try {
        const YAML::Node node = YAML::Load(yaml);
        if (!node.IsNull()) {
            std::string socket;
            read(node, "ipamUnixSocketPath", socket);
            if (!socket.empty())
                config.ipamUnixSocketPath = socket;
            read(node, "enableIPv4", config.enableIPv4);
            read(node, "enableIPv6", config.enableIPv6);
            read(node, "enableStatefulSet", config.enableStatefulSet);
            read(node, "enableKubevirtStaticIP", config.enableKubevirtStaticIP);
            read(node, "enableSpiderSubnet", config.enableSpiderSubnet);
            read(node, "enableAutoPoolForApplication", config.enableAutoPool);
            read(node, "enableIPConflictDetection", config.enableIPConflictDetection);
            read(node, "enableGatewayDetection", config.enableGatewayDetection);
            read(node, "tuneSysctlConfig", config.tuneSysctlConfig);
        }
    } catch (const YAML::Exception& error) {
        throw std::runtime_error(std::string("failed to parse configmap, error: ") + error.what());
    }
    readText(environment, "SPIDERPOOL_POD_NAMESPACE", config.agentNamespace);
    readText(environment, "MULTUS_CLUSTER_NETWORK", config.multusClusterNetwork);
    readText(environment, "SPIDERPOOL_NODE_NAME", config.nodeName);
    readNumber(environment, "SPIDERPOOL_HEALTH_PORT", config.healthPort);
    readNumber(environment, "SPIDERPOOL_IPPOOL_MAX_ALLOCATED_IPS", config.maxAllocatedIPs);
    std::string takeBack = "true";
    readText(environment, "SPIDERPOOL_ENABLED_RELEASE_CONFLICT_IPS", takeBack);
    config.releaseConflictIps = takeBack == "true" || takeBack == "1";
    return config;
}

} // namespace rdmalab::plugin
