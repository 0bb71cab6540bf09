#include "plugins/cni/coordinator/config.h"

#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"

#include <fmt/format.h>
#include <regex>
#include <stdexcept>

namespace rdmalab::plugin::coordinator {

namespace {

using Json = nlohmann::json;

void requireAgentFields(const Json& agent) {
    std::string missing;
    for (const char* key : {"mode", "overlayPodCIDR", "serviceCIDR", "tunePodRoutes"})
        if (memberOf(agent, key).is_null())
            missing += fmt::format("\n{} in body is required", key);
    if (!missing.empty())
        throw std::runtime_error("validation failure list:" + missing);
}

// The conf's value unless it is absent or empty.
std::string chooseText(const Json& conf, const char* confKey, const Json& agent, const char* agentKey) {
    const auto own = stringOf(conf, confKey);
    return own.empty() ? stringOf(agent, agentKey) : own;
}

void appendCidrs(std::vector<Cidr>& target, const Json& conf, const Json& agent, const char* key) {
    auto texts = stringsOf(conf, key);
    if (texts.empty())
        texts = stringsOf(agent, key);
    for (const auto& text : texts) {
        const auto first = text.find_first_not_of(' ');
        const auto trimmed = first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(' ') - first + 1);
        const auto cidr = Cidr::parse(trimmed);
        if (!cidr)
            throw std::runtime_error("invalid CIDR address: " + trimmed);
        target.push_back({cidr->network(), cidr->prefix});
    }
}

std::vector<PolicyRoute> policyRoutes(const Json& conf, const Json& agent) {
    const Json* list = &memberOf(conf, "policyRoutes");
    if (!list->is_array() || list->empty())
        list = &memberOf(agent, "policyRoutes");
    std::vector<PolicyRoute> routes;
    if (!list->is_array())
        return routes;
    for (const auto& entry : *list) {
        const auto dstText = stringOf(entry, "dst"), gatewayText = stringOf(entry, "gw");
        auto dst = Cidr::parse(dstText);
        if (const auto bare = IpAddress::parse(dstText); bare && !dst)
            dst = Cidr{*bare, bare->bits()};
        if (!dst)
            throw std::runtime_error(fmt::format("invalid route dst {}: invalid IP or CIDR", goQuote(dstText)));
        const auto gateway = IpAddress::parse(gatewayText);
        if (!gateway)
            throw std::runtime_error("invalid route gw " + goQuote(gatewayText));
        if (dst->address.isV4() != gateway->isV4())
            throw std::runtime_error(
                fmt::format("route dst {} and gw {} must use the same IP family", goQuote(dst->str()), goQuote(gatewayText)));
        routes.push_back({{dst->network(), dst->prefix}, *gateway});
    }
    return routes;
}

void checkMacPrefix(const std::string& prefix) {
    static const std::regex shape("^([a-fA-F0-9][a-fA-F,0,2-9][:-][a-fA-F0-9]{2})$");
    if (!prefix.empty() && !std::regex_match(prefix, shape))
        throw std::runtime_error(
            "mac_prefix format should be match regex: [a-fA-F0-9][a-fA-F,0,2-9][:][a-fA-F0-9]{2}, like '0a:1b'");
}

void checkDuration(const Json& options, const char* key, const char* what) {
    static const std::regex shape("^[-+]?(0|([0-9]*\\.?[0-9]+(ns|us|µs|ms|s|m|h))+)$");
    const auto text = stringOf(options, key, "1s");
    if (!text.empty() && !std::regex_match(text, shape))
        throw std::runtime_error(fmt::format("invalid detectOptions.{} {}: time: invalid duration {}, input like: 1s or 1m", what,
                                             text, goQuote(text)));
}

int rpFilter(const Json& conf, const Json& agent) {
    for (const char* key : {"podRPFilter", "hostRPFilter"})
        if (memberOf(conf, key).is_number())
            return static_cast<int>(intOf(conf, key));
    return static_cast<int>(intOf(agent, "podRPFilter"));
}

} // namespace

Config parseConfig(const std::string& input, const Json& agent) {
    Json conf;
    try {
        conf = parseJson(input);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("failed to parse config: ") + error.what());
    }
    Config config;
    config.version = stringOf(conf, "cniVersion", "0.1.0");
    if (const auto& previous = memberOf(conf, "prevResult"); previous.is_object()) {
        try {
            CniResult::parse(previous, config.version);
        } catch (const std::runtime_error& error) {
            throw std::runtime_error(std::string("failed to parse prevResult: could not parse prevResult: ") + error.what());
        }
        config.prevResult = previous.dump();
    }
    requireAgentFields(agent);

    config.podFirstInterface = stringOf(conf, "podDefaultCniNic");
    if (config.podFirstInterface.empty())
        config.podFirstInterface = "eth0";
    if (const auto level = stringOf(memberOf(conf, "logOptions"), "logLevel");
        !level.empty() && !std::regex_match(level, std::regex("debug|info|warn|error|fatal|panic", std::regex::icase)))
        throw std::runtime_error("unsupported log level " + level);
    config.macPrefix = chooseText(conf, "podMACPrefix", agent, "podMACPrefix");
    checkMacPrefix(config.macPrefix);

    std::vector<Cidr> services, pods, extra;
    appendCidrs(services, conf, agent, "serviceCIDR");
    appendCidrs(pods, conf, agent, "overlayPodCIDR");
    appendCidrs(extra, conf, agent, "hijackCIDR");
    config.hijackCidrs = pods;
    config.hijackCidrs.insert(config.hijackCidrs.end(), services.begin(), services.end());
    config.hijackCidrs.insert(config.hijackCidrs.end(), extra.begin(), extra.end());
    config.policyRoutes = policyRoutes(conf, agent);

    config.podRpFilter = rpFilter(conf, agent);
    if (config.podRpFilter > 2) // upstream prints the pointer to the value
        throw std::runtime_error("invalid rp_filter value 0xc0000127a8, available options: [-1,0,1,2]");
    if (memberOf(conf, "hostRPFilter").is_number())
        config.hostRpFilter = static_cast<int>(intOf(conf, "hostRPFilter"));

    const auto& detect = memberOf(conf, "detectOptions");
    checkDuration(detect, "interval", "interval");
    checkDuration(detect, "timeout", "timeout");

    config.hostRuleTable =
        static_cast<int>(intOf(conf, "hostRuleTable", intOf(agent, "hostRuleTable") > 0 ? intOf(agent, "hostRuleTable") : 500));
    config.txQueueLength = static_cast<int>(intOf(conf, "txQueueLen", intOf(agent, "txQueueLen")));
    config.tunePodRoutes = boolOf(conf, "tunePodRoutes", boolOf(agent, "tunePodRoutes"));
    config.mode = chooseText(conf, "mode", agent, "mode");
    config.defaultRouteNic = chooseText(conf, "podDefaultRouteNic", agent, "podDefaultRouteNIC");
    config.vethLinkAddress = chooseText(conf, "vethLinkAddress", agent, "vethLinkAddress");
    if (memberOf(conf, "vethMTU").is_number() && intOf(conf, "vethMTU") <= 0)
        throw std::runtime_error("vethMTU must be greater than 0");
    config.vethMtu = static_cast<int>(intOf(conf, "vethMTU", intOf(agent, "vethMTU") > 0 ? intOf(agent, "vethMTU") : 1500));
    config.podNics = stringsOf(agent, "podNICs");
    return config;
}

} // namespace rdmalab::plugin::coordinator
