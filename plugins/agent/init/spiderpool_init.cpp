#include "plugins/agent/init/spiderpool_init.h"

#include "plugins/agent/ipam/json_access.h"
#include "plugins/agent/ipam/label_selector.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace rdmalab::plugin {

using ipam::Json;
using ipam::textAt;
using OrderedJson = nlohmann::ordered_json;

namespace {

constexpr std::chrono::milliseconds retryInterval{2000};
// Upstream waits its 2 s from the first time on. Looking sooner at first changes nothing but the wait.
constexpr std::chrono::milliseconds firstRetry{20};
constexpr std::chrono::milliseconds patience{300000}; // of 0.8; later ones wait for ever
constexpr const char* group = "spiderpool.spidernet.io/v2beta1";
const ResourceType subnetType{group, "spidersubnets", "SpiderSubnet", false};

bool endsWith(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

Json familySpec(const InitConfig::Family& family, int version) {
    Json spec = {{"ipVersion", version}, {"subnet", family.cidr}};
    if (!family.ranges.empty())
        spec["ips"] = family.ranges;
    if (!family.gateway.empty())
        spec["gateway"] = family.gateway;
    return spec;
}

} // namespace

class SpiderpoolInit::NotYet : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

SpiderpoolInit::SpiderpoolInit(KubeClient& kube, Files& files, InitConfig config, std::function<void(const std::string&)> log)
    : kube_(kube), files_(files), config_(std::move(config)), log_(std::move(log)) {}

void SpiderpoolInit::log(const std::string& line) const {
    if (log_)
        log_(line);
}

InitStep SpiderpoolInit::run() {
    try {
        while (stage_ != Stage::done) {
            const Stage before = stage_;
            perform(stage_);
            if (stage_ == before)
                stage_ = static_cast<Stage>(static_cast<int>(stage_) + 1);
        }
        return {};
    } catch (const NotYet& reason) {
        if (config_.release == AgentRelease::v0_8 && waited_ >= patience)
            return {InitStep::State::failed, "context deadline exceeded", {}};
        const auto pause = std::clamp(waited_, firstRetry, retryInterval); // doubles
        waited_ += pause;
        log(reason.what());
        return {InitStep::State::retry, reason.what(), pause};
    } catch (const std::runtime_error& error) {
        return {InitStep::State::failed, error.what(), {}};
    }
}

void SpiderpoolInit::perform(Stage stage) {
    const bool old = config_.release == AgentRelease::v0_8;
    switch (stage) {
    case Stage::controller: {
        Json endpoints;
        try {
            endpoints = kube_.get(resource::endpoints, config_.ns, config_.controllerName);
        } catch (const KubeError&) {
            // told below
        }
        if (ipam::emptyAt(endpoints, {"subsets"}))
            throw NotYet("Spiderpool controller is not ready, recheck in 2s");
        break;
    }
    case Stage::coordinator:
        if (!config_.coordinatorName.empty())
            createCoordinator();
        break;
    case Stage::subnet4:
        createSubnet(config_.v4, 4);
        break;
    case Stage::subnet6:
        createSubnet(config_.v6, 6);
        break;
    case Stage::pool4:
        createPool(config_.v4, 4);
        break;
    case Stage::pool6:
        createPool(config_.v6, 6);
        break;
    case Stage::network:
        if (old || config_.enableMultusConfig)
            createNetwork();
        if (!old)
            stage_ = Stage::done;
        break;
    case Stage::configMap:
        if (!pointMultusTo(network_))
            stage_ = Stage::readiness;
        break;
    case Stage::agentRestart:
        restartAgent();
        break;
    case Stage::agentReady:
        awaitAgent();
        break;
    case Stage::readiness:
        writeReadiness();
        break;
    case Stage::done:
        break;
    }
}

void SpiderpoolInit::create(const ResourceType& type, const std::string& title, const std::string& object) {
    try {
        kube_.create(type, Json::parse(object));
        log(fmt::format("Succeed to create {}", title));
    } catch (const KubeError& error) {
        if (error.alreadyExists()) {
            log(fmt::format("{} is already exists, ignore creating", title));
            return;
        }
        throw NotYet(fmt::format("Failed to create {}, recreate in 2s: {}", title, error.what()));
    }
}

void SpiderpoolInit::createCoordinator() {
    Json spec = {{"mode", config_.coordinatorMode},
                 {"podCIDRType", config_.podCidrType},
                 {"tunePodRoutes", config_.tunePodRoutes},
                 {"podDefaultRouteNIC", ""},
                 {"podMACPrefix", ""},
                 {"hijackCIDR", config_.hijackCidr}};
    if (config_.release == AgentRelease::v0_8) {
        spec["detectGateway"] = config_.detectGateway;
        spec["detectIPConflict"] = config_.detectIpConflict;
    } else {
        spec["vethLinkAddress"] = config_.vethLinkAddress;
        spec["vethMTU"] = config_.vethMtu;
        for (const auto& [dst, gw] : config_.policyRoutes)
            spec["policyRoutes"].push_back({{"dst", dst}, {"gw", gw}});
    }
    create(resource::coordinator, "default Coordinator " + config_.coordinatorName,
           Json{{"apiVersion", group},
                {"kind", "SpiderCoordinator"},
                {"metadata", {{"name", config_.coordinatorName}}},
                {"spec", spec}}
               .dump());
}

void SpiderpoolInit::createSubnet(const InitConfig::Family& family, int version) {
    if (family.subnetName.empty())
        return;
    create(subnetType, fmt::format("default IPv{} Subnet {}", version, family.subnetName),
           Json{{"apiVersion", group},
                {"kind", "SpiderSubnet"},
                {"metadata", {{"name", family.subnetName}}},
                {"spec", familySpec(family, version)}}
               .dump());
}

void SpiderpoolInit::createPool(const InitConfig::Family& family, int version) {
    if (family.poolName.empty())
        return;
    Json spec = familySpec(family, version);
    spec["default"] = true;
    create(
        resource::ipPool, fmt::format("default IPv{} IPPool {}", version, family.poolName),
        Json{{"apiVersion", group}, {"kind", "SpiderIPPool"}, {"metadata", {{"name", family.poolName}}}, {"spec", spec}}.dump());
}

void SpiderpoolInit::createNetwork() {
    std::string type;
    findDefaultNetwork(network_, type);
    Json metadata = {{"name", network_}, {"namespace", config_.cniNamespace}};
    // Calico's own name is not one that Kubernetes would let it keep as a resource of its users (projectcalico/calico#7837).
    if (network_ == "k8s-pod-network") {
        metadata["name"] = "calico";
        metadata["annotations"]["multus.spidernet.io/cr-name"] = network_;
    }
    create(resource::multusConfig, fmt::format("multuscniconfig {}/{}", config_.cniNamespace, textAt(metadata, {"name"})),
           Json{{"apiVersion", group},
                {"kind", "SpiderMultusConfig"},
                {"metadata", metadata},
                {"spec", {{"cniType", type}, {"enableCoordinator", false}}}}
               .dump());
}

// The name that the chart was given, else that of the node's first CNI configuration.
void SpiderpoolInit::findDefaultNetwork(std::string& name, std::string& type) const {
    type = "custom";
    if (!config_.cniName.empty()) {
        name = config_.cniName;
        return;
    }
    std::vector<DirectoryEntry> entries;
    try {
        if (!config_.cniDir.empty())
            entries = files_.list(config_.cniDir);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("ENV SPIDERPOOL_INIT_DEFAULT_CNI_DIR:{} invalid: open {}: {}", config_.cniDir,
                                             config_.cniDir, goErrnoText(error.code())));
    }
    const auto first = std::find_if(entries.begin(), entries.end(), [](const DirectoryEntry& entry) {
        return entry.kind != FileKind::directory && (endsWith(entry.name, ".conf") || endsWith(entry.name, ".conflist")) &&
               entry.name.find("00-multus") == std::string::npos;
    });
    if (first == entries.end()) {
        name = "default";
        return;
    }
    const std::string path = config_.cniDir + "/" + first->name;
    const bool isList = endsWith(path, ".conflist");
    const Json conf = Json::parse(files_.read(path), nullptr, false);
    const Json& plugins = ipam::at(conf, {"plugins"});
    const auto refuse = [&](const char* why) {
        throw std::runtime_error(fmt::format("error loading CNI {} file {}: {}", isList ? "conflist" : "config", path, why));
    };
    if (!conf.is_object())
        refuse("error parsing configuration: it is no JSON object");
    if (isList && plugins.empty())
        refuse("error parsing configuration list: no plugins in list");
    name = textAt(conf, {"name"});
    const auto plugin = textAt(isList ? plugins.front() : conf, {"type"});
    if (name.empty() && isList)
        refuse("error parsing configuration list: no name");
    if (plugin.empty())
        refuse("error parsing configuration: missing 'type'");
    for (const char* known : {"macvlan", "ipvlan", "sriov"})
        if (plugin == known)
            type = plugin;
    for (const char* known : {"ib-sriov", "ipoib"})
        if (plugin == known && config_.release != AgentRelease::v0_8)
            type = plugin;
}

bool SpiderpoolInit::pointMultusTo(const std::string& network) {
    const Json map = kube_.get(resource::configMap, config_.cniNamespace, config_.multusConfigMap);
    // In the order of its keys, since users read it.
    OrderedJson conf = OrderedJson::parse(textAt(map, {"data", "cni-conf.json"}), nullptr, false);
    if (!conf.is_object())
        throw std::runtime_error("failed to unmarshal multus config: it is no JSON object");
    if (conf.value("clusterNetwork", "") == network) {
        log(fmt::format("multus clusterNetwork is {}, don't need to update multus configMap", network));
        return false;
    }
    conf["clusterNetwork"] = network;
    try {
        kube_.mergePatch(resource::configMap, config_.cniNamespace, config_.multusConfigMap,
                         {{"data", {{"cni-conf.json", conf.dump()}}}});
    } catch (const KubeError& error) {
        throw std::runtime_error(std::string("failed to patch multus configMap: ") + error.what());
    }
    return true;
}

// The agent's pods install Multus with the ConfigMap's content as it was when they started.
void SpiderpoolInit::restartAgent() {
    const Json set = kube_.get(resource::daemonSet, config_.cniNamespace, config_.agentName);
    const Json& labels = ipam::at(set, {"spec", "template", "metadata", "labels"});
    agentLabels_ = labels.dump();
    for (const Json& pod : kube_.list(resource::pod, config_.cniNamespace))
        if (ipam::selects({{"matchLabels", labels}}, ipam::at(pod, {"metadata", "labels"}))) {
            try {
                kube_.remove(resource::pod, config_.cniNamespace, ipam::nameOf(pod));
            } catch (const KubeError& error) {
                if (!error.notFound())
                    throw;
            }
        }
    stage_ = Stage::agentReady;
    throw NotYet("spiderpool-agent not ready, waiting...");
}

void SpiderpoolInit::awaitAgent() const {
    const Json selector = {{"matchLabels", Json::parse(agentLabels_)}};
    bool any = false;
    for (const Json& pod : kube_.list(resource::pod, config_.cniNamespace)) {
        if (!ipam::selects(selector, ipam::at(pod, {"metadata", "labels"})))
            continue;
        any = true;
        // One that is on its way out says nothing about its successor.
        if (ipam::isTerminating(pod) || textAt(pod, {"status", "phase"}) != "Running")
            throw NotYet("spiderpool-agent not ready, waiting...");
    }
    if (!any)
        throw NotYet("spiderpool-agent not ready, waiting...");
}

void SpiderpoolInit::writeReadiness() {
    const auto slash = config_.readinessFile.rfind('/');
    try {
        files_.makeDirectories(config_.readinessFile.substr(0, slash), 0755);
        files_.write(config_.readinessFile, "ready", 0777);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("open {}: {}", config_.readinessFile, goErrnoText(error.code())));
    }
}

} // namespace rdmalab::plugin
