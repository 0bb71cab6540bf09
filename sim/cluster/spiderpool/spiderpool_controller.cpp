#include "sim/cluster/spiderpool/spiderpool_controller.h"

#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/ip_ranges.h"
#include "sim/cluster/spiderpool/net_attach_def.h"
#include "sim/cluster/spiderpool/webhooks.h"

#include <charconv>

namespace rdmalab::cluster {
namespace {

bool asFlag(const std::string& text) {
    return text == "true" || text == "1";
}

std::vector<IpRange> usable(const Json& object) {
    return usableRanges(ipam_rules::strings(at(object, {"spec", "ips"})),
                        ipam_rules::strings(at(object, {"spec", "excludeIPs"})));
}

bool hasRecords(const Json& pool) {
    const std::string text = stringAt(pool, {"status", "allocatedIPs"});
    return !text.empty() && text != "{}" && text != "null";
}

} // namespace

void SpiderpoolControllerOptions::readEnvironment(const std::map<std::string, std::string>& environment) {
    const auto flag = [&](const char* key, bool& target) {
        if (const auto it = environment.find(key); it != environment.end())
            target = asFlag(it->second);
    };
    const auto duration = [&](const char* key, clock::Duration& target) {
        const auto it = environment.find(key);
        std::int64_t value = 0;
        if (it != environment.end() &&
            std::from_chars(it->second.data(), it->second.data() + it->second.size(), value).ec == std::errc())
            target = std::chrono::seconds(value);
    };
    flag("SPIDERPOOL_GC_IP_ENABLED", gc.enabled);
    flag("SPIDERPOOL_GC_STATELESS_TERMINATING_POD_ON_READY_NODE_ENABLED", gc.onReadyNode);
    flag("SPIDERPOOL_GC_STATELESS_TERMINATING_POD_ON_NOT_READY_NODE_ENABLED", gc.onNotReadyNode);
    flag("SPIDERPOOL_GC_ENABLE_STATELESS_RUNNING_POD_ON_EMPTY_POD_STATUS_IPS", gc.runningWithoutIps);
    if (const auto it = environment.find("SPIDERPOOL_GC_TERMINATING_POD_IP_ENABLED"); it != environment.end()) // v0.8: one switch
        gc.onReadyNode = gc.onNotReadyNode = asFlag(it->second);
    duration("SPIDERPOOL_GC_DEFAULT_INTERVAL_DURATION", gc.interval);
    duration("SPIDERPOOL_GC_TRACE_POD_GAP_DURATION", gc.traceGap);
    duration("SPIDERPOOL_GC_ADDITIONAL_GRACE_DELAY", gc.additionalDelay);
    flag("SPIDERPOOL_MULTUS_CONFIG_ENABLED", enableMultusConfig);
    flag("SPIDERPOOL_COORDINATOR_ENABLED", enableCoordinator);
    if (const auto it = environment.find("SPIDERPOOL_COORDINATOR_DEAFULT_NAME"); it != environment.end())
        coordinatorName = it->second;
}

SpiderpoolController::SpiderpoolController(Store& store, clock::EventLoop& loop, SpiderpoolControllerOptions options)
    : store_(store), loop_(loop), options_(std::move(options)), gc_(store, loop, options_.gc) {}

SpiderpoolController::~SpiderpoolController() {
    stop();
}

void SpiderpoolController::start() {
    if (running_)
        return;
    running_ = true;
    if (options_.enableMultusConfig) {
        watches_.push_back(store_.watch("SpiderMultusConfig", [this](const WatchEvent& event) { onMultusConfig(event); }));
        watches_.push_back(
            store_.watch("NetworkAttachmentDefinition", [this](const WatchEvent& event) { onNetAttachDef(event); }));
    }
    if (options_.enableCoordinator)
        watches_.push_back(store_.watch("SpiderCoordinator", [this](const WatchEvent& event) {
            if (event.type != WatchEvent::Type::removed && nameOf(*event.object) == options_.coordinatorName)
                syncCoordinator();
        }));
    watches_.push_back(store_.watch("SpiderIPPool", [this](const WatchEvent& event) {
        if (event.type != WatchEvent::Type::removed)
            if (const ObjectPtr pool = store_.find("SpiderIPPool", "", nameOf(*event.object)))
                syncPool(*pool);
        const Json& owner = controllerOf(*event.object);
        if (stringAt(owner, {"kind"}) == "SpiderSubnet")
            if (const ObjectPtr subnet = store_.find("SpiderSubnet", "", stringAt(owner, {"name"})))
                syncSubnet(*subnet);
    }));
    watches_.push_back(store_.watch("SpiderSubnet", [this](const WatchEvent& event) {
        if (event.type != WatchEvent::Type::removed)
            if (const ObjectPtr subnet = store_.find("SpiderSubnet", "", nameOf(*event.object)))
                syncSubnet(*subnet);
    }));
    gc_.start();
    publishEndpoints();
}

void SpiderpoolController::stop() {
    if (!running_)
        return;
    running_ = false;
    watches_.clear();
    for (const auto& [key, timer] : retries_)
        loop_.cancel(timer);
    retries_.clear();
    gc_.stop();
    publishEndpoints();
}

// Kubernetes' endpoints controller does this for the Service, as the pods get ready.
void SpiderpoolController::publishEndpoints() {
    Json endpoints = {
        {"apiVersion", "v1"}, {"kind", "Endpoints"}, {"metadata", {{"name", options_.name}, {"namespace", options_.ns}}}};
    const ObjectPtr there = store_.find("Endpoints", options_.ns, options_.name);
    if (there)
        endpoints = *there;
    endpoints.erase("subsets");
    if (running_ && !options_.addresses.empty()) {
        Json addresses = Json::array();
        for (const std::string& address : options_.addresses)
            addresses.push_back({{"ip", address}});
        endpoints["subsets"] =
            Json::array({{{"addresses", std::move(addresses)},
                          {"ports", Json::array({{{"name", "webhook"}, {"port", options_.webhookPort}, {"protocol", "TCP"}}})}}});
    }
    if (there)
        store_.update(std::move(endpoints));
    else if (running_)
        store_.create(std::move(endpoints));
}

// --- SpiderMultusConfig ------------------------------------------------------------------------------------------------------

void SpiderpoolController::onMultusConfig(const WatchEvent& event) {
    // A removed one takes its NAD along through the owner reference.
    if (event.type != WatchEvent::Type::removed)
        syncMultusConfig(namespaceOf(*event.object), nameOf(*event.object));
}

void SpiderpoolController::onNetAttachDef(const WatchEvent& event) {
    // One that was changed or removed by hand comes back.
    const Json& owner = controllerOf(event.old ? *event.old : *event.object);
    if (event.type != WatchEvent::Type::added && stringAt(owner, {"kind"}) == "SpiderMultusConfig")
        syncMultusConfig(namespaceOf(*event.object), stringAt(owner, {"name"}));
}

void SpiderpoolController::retryMultusConfig(const std::string& ns, const std::string& name) {
    retries_[{ns, name}] = loop_.after(std::chrono::seconds(1), [this, ns, name] {
        retries_.erase({ns, name});
        syncMultusConfig(ns, name);
    });
}

void SpiderpoolController::syncMultusConfig(const std::string& ns, const std::string& name) {
    const ObjectPtr smc = store_.find("SpiderMultusConfig", ns, name);
    if (!smc || isTerminating(*smc))
        return;
    Json wanted;
    try {
        wanted = generateNetAttachDef(*smc, options_.profile);
    } catch (const std::runtime_error&) {
        return; // upstream logs it and drops the item
    }
    const ObjectPtr there = store_.find("NetworkAttachmentDefinition", ns, nameOf(wanted));
    if (!there) {
        store_.create(std::move(wanted));
        return;
    }
    if (isTerminating(*there)) {
        retryMultusConfig(ns, name);
        return;
    }
    Json changed = *there;
    Json& meta = changed["metadata"];
    const Json& annotations = at(wanted, {"metadata", "annotations"});
    if (annotations.is_null())
        meta.erase("annotations");
    else
        meta["annotations"] = annotations;
    const Json& config = at(wanted, {"spec", "config"});
    if (config.is_null() && changed.contains("spec"))
        changed["spec"].erase("config");
    else if (!config.is_null())
        changed["spec"]["config"] = config;
    // A NAD of somebody else is taken over.
    if (stringAt(controllerOf(*there), {"uid"}) != uidOf(*smc))
        meta["ownerReferences"] = at(wanted, {"metadata", "ownerReferences"});
    store_.update(std::move(changed));
}

// --- SpiderCoordinator -------------------------------------------------------------------------------------------------------

std::string SpiderpoolController::podCidrType(const Json& coordinator) const {
    const std::string type = stringAt(coordinator, {"spec", "podCIDRType"});
    if (type != "auto")
        return type;
    const std::string cni = options_.defaultCniName ? options_.defaultCniName() : std::string();
    if (cni == "calico" || cni == "k8s-pod-network")
        return "calico";
    if (cni == "cilium")
        return "cilium";
    return cni == "flannel" ? "cluster" : "none";
}

// Upstream never takes its finalizer off a SpiderCoordinator: a deleted one stays Terminating until somebody removes it.
void SpiderpoolController::syncCoordinator() {
    const ObjectPtr coordinator = store_.find("SpiderCoordinator", "", options_.coordinatorName);
    if (!coordinator)
        return;
    const bool hasReason = options_.profile != SpiderpoolProfile::v0_8;
    Json changed = *coordinator;
    Json& status = changed["status"];
    if (!status.is_object())
        status = Json::object();
    if (options_.podCIDR.empty() || options_.serviceCIDR.empty()) {
        status["phase"] = "NotReady";
        if (hasReason)
            status["reason"] = "No kube-controller-manager pod found, unable to get clusterCIDR";
    } else {
        const std::string type = podCidrType(*coordinator);
        if (type == "none")
            status["overlayPodCIDR"] = Json::array();
        else if (type == "cluster" || options_.overlayPodCIDR.empty())
            status["overlayPodCIDR"] = options_.podCIDR;
        else
            status["overlayPodCIDR"] = options_.overlayPodCIDR;
        status["serviceCIDR"] = options_.serviceCIDR;
        status["phase"] = "Synced";
        status.erase("reason");
    }
    if (status != at(*coordinator, {"status"}))
        store_.updateStatus(std::move(changed));
}

// --- SpiderIPPool, SpiderSubnet ----------------------------------------------------------------------------------------------

void SpiderpoolController::syncPool(const Json& pool) {
    Json changed = pool;
    if (isTerminating(pool) && !hasRecords(pool)) {
        if (removeFinalizer(changed, spiderpoolFinalizer))
            store_.update(std::move(changed));
        return;
    }
    const auto total = countAddresses(usable(pool));
    const Json& status = at(pool, {"status"});
    if (status.contains("allocatedIPCount") && intAt(status, {"totalIPCount"}, -1) == total)
        return;
    if (!status.contains("allocatedIPCount"))
        changed["status"]["allocatedIPCount"] = 0;
    changed["status"]["totalIPCount"] = total;
    store_.updateStatus(std::move(changed));
}

void SpiderpoolController::syncSubnet(const Json& subnet) {
    // The pools that this subnet controls, with the addresses that they hold.
    Json controlled = Json::object();
    std::int64_t allocated = 0;
    for (const ObjectPtr& pool : store_.list("SpiderIPPool")) {
        if (stringAt(controllerOf(*pool), {"uid"}) != uidOf(subnet))
            continue;
        Json ips = Json::array();
        const auto ranges = usable(*pool);
        for (const IpRange& range : ranges)
            ips.push_back(range.str());
        allocated += countAddresses(ranges);
        controlled[nameOf(*pool)] = {{"ips", std::move(ips)}};
    }
    Json changed = subnet;
    if (isTerminating(subnet) && controlled.empty()) {
        if (removeFinalizer(changed, spiderpoolFinalizer))
            store_.update(std::move(changed));
        return;
    }
    Json& status = changed["status"];
    status["totalIPCount"] = countAddresses(usable(subnet));
    status["allocatedIPCount"] = allocated;
    if (controlled.empty())
        status.erase("controlledIPPools");
    else
        status["controlledIPPools"] = controlled.dump();
    if (status != at(subnet, {"status"}))
        store_.updateStatus(std::move(changed));
}

} // namespace rdmalab::cluster
