#include "plugins/agent/init/spiderpool_init.h"
#include "util/ip.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

using Environment = std::map<std::string, std::string>;
constexpr const char* coordinatorPrefix = "SPIDERPOOL_INIT_DEFAULT_COORDINATOR_";

[[noreturn]] void refuse(const std::string& variable, const std::string& why) {
    throw std::invalid_argument("ENV " + variable + " " + why);
}

std::string without(std::string text, const char* letters) {
    std::erase_if(text, [&](char c) { return std::string(letters).find(c) != std::string::npos; });
    return text;
}

// The chart quotes its values once more.
std::string text(const Environment& environment, const std::string& variable) {
    const auto found = environment.find(variable);
    return found == environment.end() ? std::string() : without(found->second, "\"");
}

std::string required(const Environment& environment, const std::string& variable, const char* more = "") {
    auto value = text(environment, variable);
    if (value.empty())
        refuse(variable, std::string("must be specified") + more);
    return value;
}

bool flag(const Environment& environment, const std::string& variable) { // strconv.ParseBool
    const auto value = text(environment, variable);
    for (const char* word : {"1", "t", "T", "true", "TRUE", "True"})
        if (value == word)
            return true;
    for (const char* word : {"0", "f", "F", "false", "FALSE", "False"})
        if (value == word)
            return false;
    refuse(variable, fmt::format("{}: strconv.ParseBool: parsing \"{}\": invalid syntax", value, value));
}

// A JSON list of words, or words with commas or blanks between.
std::vector<std::string> words(const Environment& environment, const std::string& variable) {
    auto value = without(text(environment, variable), "\\[]");
    std::replace(value.begin(), value.end(), ',', ' ');
    std::istringstream stream(value);
    std::vector<std::string> result;
    for (std::string word; stream >> word;)
        result.push_back(word);
    return result;
}

// "a" becomes "a/32" or "a/128"; host bits go.
std::string prefixOf(const std::string& value, const std::string& variable) {
    if (const auto ip = IpAddress::parse(value))
        return fmt::format("{}/{}", ip->str(), ip->bits());
    const auto cidr = Cidr::parse(value);
    if (!cidr)
        refuse(variable, fmt::format("invalid: invalid CIDR address: {}", value));
    return fmt::format("{}/{}", cidr->network().str(), cidr->prefix);
}

void readCoordinator(InitConfig& config, const Environment& environment) {
    const std::string prefix = coordinatorPrefix;
    config.coordinatorName = text(environment, prefix + "NAME");
    if (config.coordinatorName.empty())
        return;
    if (const auto mode = text(environment, prefix + "MODE"); !mode.empty())
        config.coordinatorMode = mode;
    config.podCidrType = text(environment, prefix + "POD_CIDR_TYPE");
    config.tunePodRoutes = flag(environment, prefix + "TUNE_POD_ROUTES");
    for (const auto& word : words(environment, prefix + "HIJACK_CIDR"))
        config.hijackCidr.push_back(prefixOf(word, prefix + "HIJACK_CIDR"));
    if (config.release == AgentRelease::v0_8) {
        config.detectGateway = flag(environment, prefix + "DETECT_GATEWAY");
        config.detectIpConflict = flag(environment, prefix + "DETECT_IP_CONFLICT");
        return;
    }
    config.vethLinkAddress = text(environment, prefix + "VETH_LINK_ADDRESS");
    if (const auto mtu = text(environment, prefix + "VETH_MTU"); !mtu.empty()) {
        try {
            std::size_t end = 0;
            config.vethMtu = std::stoi(mtu, &end);
            if (end != mtu.size())
                throw std::invalid_argument(mtu);
        } catch (const std::exception&) {
            refuse(prefix + "VETH_MTU", fmt::format("{0}: strconv.Atoi: parsing \"{0}\": invalid syntax", mtu));
        }
        if (config.vethMtu <= 0)
            refuse(prefix + "VETH_MTU", mtu + ": veth MTU must be greater than 0");
    }
    const std::string variable = prefix + "POLICY_ROUTES";
    const auto found = environment.find(variable);
    if (found == environment.end() || found->second.empty())
        return;
    auto list = nlohmann::json::parse(without(found->second, "\\"), nullptr, false);
    if (!list.is_array() && !list.is_null())
        refuse(variable, "invalid: it is no JSON list");
    for (const auto& route : list)
        config.policyRoutes.push_back({prefixOf(route.value("dst", ""), variable), route.value("gw", "")});
}

void readFamily(InitConfig::Family& family, const Environment& environment, int version) {
    const std::string prefix = fmt::format("SPIDERPOOL_INIT_DEFAULT_IPV{}_", version);
    family.subnetName = text(environment, prefix + "SUBNET_NAME");
    family.poolName = text(environment, prefix + "IPPOOL_NAME");
    if (family.subnetName.empty() && family.poolName.empty())
        return;
    const auto ofFamily = [&](const IpAddress& ip) { return ip.version() == version; };
    family.cidr = required(environment, prefix + "IPPOOL_SUBNET",
                           fmt::format(", if you need to create a default IPv{} Subnet or IPPool", version).c_str());
    if (const auto cidr = Cidr::parse(family.cidr); !cidr || !ofFamily(cidr->address))
        refuse(prefix + "IPPOOL_SUBNET", fmt::format("{0}: invalid CIDR format in IPv{1} '{0}'", family.cidr, version));
    family.gateway = text(environment, prefix + "IPPOOL_GATEWAY");
    if (const auto ip = IpAddress::parse(family.gateway); !family.gateway.empty() && (!ip || !ofFamily(*ip)))
        refuse(prefix + "IPPOOL_GATEWAY", fmt::format("{0}: invalid IP format in IPv{1} '{0}'", family.gateway, version));
    family.ranges = words(environment, prefix + "IPPOOL_IPRANGES");
    for (const auto& word : family.ranges)
        if (const auto range = IpRange::parse(word); !range || !ofFamily(range->first) || range->last < range->first)
            refuse(prefix + "IPPOOL_IPRANGES", fmt::format("{0}: invalid IP range format in IPv{1} '{0}'", word, version));
}

} // namespace

InitConfig readInitConfig(AgentRelease release, const Environment& environment) {
    InitConfig config;
    config.release = release;
    config.ns = required(environment, "SPIDERPOOL_NAMESPACE");
    config.controllerName = required(environment, "SPIDERPOOL_CONTROLLER_NAME");
    config.agentName = required(environment, "SPIDERPOOL_AGENT_NAME");
    readCoordinator(config, environment);
    readFamily(config.v4, environment, 4);
    readFamily(config.v6, environment, 6);
    if (!config.v4.subnetName.empty() && config.v4.subnetName == config.v6.subnetName)
        throw std::invalid_argument("Default IPv4 Subnet name cannot be the same as IPv6 one");
    if (!config.v4.poolName.empty() && config.v4.poolName == config.v6.poolName)
        throw std::invalid_argument("Default IPv4 IPPool name cannot be the same as IPv6 one");
    config.enableMultusConfig = flag(environment, "SPIDERPOOL_INIT_ENABLE_MULTUS_CONFIG");
    config.cniDir = text(environment, "SPIDERPOOL_INIT_DEFAULT_CNI_DIR");
    config.cniName = text(environment, "SPIDERPOOL_INIT_DEFAULT_CNI_NAME");
    config.cniNamespace = text(environment, "SPIDERPOOL_INIT_DEFAULT_CNI_NAMESPACE");
    config.multusConfigMap = text(environment, "SPIDERPOOL_INIT_MULTUS_CONFIGMAP");
    if (const auto file = text(environment, "SPIDERPOOL_INIT_READINESS_FILE"); !file.empty())
        config.readinessFile = file;
    return config;
}

} // namespace rdmalab::plugin
