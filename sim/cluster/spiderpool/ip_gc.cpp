#include "sim/cluster/spiderpool/ip_gc.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <charconv>

namespace rdmalab::cluster {
namespace {

using std::chrono::seconds;

bool isFinished(const Json& pod) {
    const std::string phase = stringAt(pod, {"status", "phase"});
    return phase == "Succeeded" || phase == "Failed";
}

std::string addressOf(const std::string& cidr) {
    return cidr.substr(0, cidr.find('/'));
}

bool hasIps(const Json& pod) {
    return !at(pod, {"status", "podIPs"}).empty();
}

} // namespace

IpGc::IpGc(Store& store, clock::EventLoop& loop, IpGcOptions options)
    : store_(store), loop_(loop), options_(std::move(options)) {}

IpGc::~IpGc() {
    stop();
}

void IpGc::start() {
    if (running_ || !options_.enabled)
        return;
    running_ = true;
    pods_ = store_.watch("Pod", [this](const WatchEvent& event) { onPod(event); });
    // After the watch has told of the pods that are there.
    scan_ = loop_.after(clock::Duration::zero(), [this] {
        scanAll();
        armScan();
    });
}

void IpGc::stop() {
    running_ = false;
    pods_.reset();
    loop_.cancel(tracer_);
    loop_.cancel(scan_);
    tracerArmed_ = false;
    traced_.clear();
}

void IpGc::armScan() {
    scan_ = loop_.after(options_.interval, [this] {
        scanAll();
        armScan();
    });
}

// --- tracing -------------------------------------------------------------------------------------------------------------

bool IpGc::wantedOnNode(const Json& pod) const {
    const ObjectPtr node = store_.find("Node", "", stringAt(pod, {"spec", "nodeName"}));
    bool ready = false;
    if (node)
        for (const Json& condition : at(*node, {"status", "conditions"}))
            ready = ready || (stringAt(condition, {"type"}) == "Ready" && stringAt(condition, {"status"}) == "True");
    return ready ? options_.onReadyNode : options_.onNotReadyNode;
}

bool IpGc::keepsAddress(const std::string& ns, const std::string& name, const std::string& ownerKind) const {
    if (ownerKind != "StatefulSet" || !options_.enableStatefulSet)
        return false;
    const auto dash = name.rfind('-');
    if (dash == std::string::npos)
        return false;
    std::int64_t ordinal = -1;
    const char* end = name.data() + name.size();
    if (const auto [rest, error] = std::from_chars(name.data() + dash + 1, end, ordinal); error != std::errc() || rest != end)
        return false;
    const ObjectPtr set = store_.find("StatefulSet", ns, name.substr(0, dash));
    if (!set)
        return false;
    const auto first = intAt(*set, {"spec", "ordinals", "start"});
    return ordinal >= first && ordinal < first + intAt(*set, {"spec", "replicas"}, 1);
}

void IpGc::onPod(const WatchEvent& event) {
    const Json& pod = *event.object;
    if (boolAt(pod, {"spec", "hostNetwork"}))
        return;
    if (keepsAddress(namespaceOf(pod), nameOf(pod), stringAt(controllerOf(pod), {"kind"})))
        return;
    const auto graceOfSpec = seconds(intAt(pod, {"spec", "terminationGracePeriodSeconds"}, 30));
    if (event.type == WatchEvent::Type::removed) {
        trace(pod, loop_.now() + options_.additionalDelay);
    } else if (isTerminating(pod)) {
        if ((event.old && isTerminating(*event.old)) || !wantedOnNode(pod))
            return;
        const auto when = parseTimestamp(stringAt(pod, {"metadata", "deletionTimestamp"})).value_or(loop_.now());
        // The time stamp holds the grace period already; upstream adds it once more.
        trace(pod, when + seconds(intAt(pod, {"metadata", "deletionGracePeriodSeconds"})) + options_.additionalDelay);
    } else if (isFinished(pod)) {
        if ((event.old && isFinished(*event.old)) || !wantedOnNode(pod))
            return;
        std::optional<clock::TimePoint> last;
        for (const Json& container : at(pod, {"status", "containerStatuses"}))
            if (const auto when = parseTimestamp(stringAt(container, {"state", "terminated", "finishedAt"})))
                last = std::max(last.value_or(*when), *when);
        if (last)
            trace(pod, *last + graceOfSpec + options_.additionalDelay);
    }
}

void IpGc::trace(const Json& pod, clock::TimePoint due) {
    traced_[{namespaceOf(pod), nameOf(pod)}] = {uidOf(pod), due};
    armTracer();
}

void IpGc::armTracer() {
    if (tracerArmed_ || traced_.empty())
        return;
    tracerArmed_ = true;
    tracer_ = loop_.after(options_.traceGap, [this] {
        tracerArmed_ = false;
        checkTraced();
        armTracer();
    });
}

void IpGc::checkTraced() {
    Released released;
    for (auto it = traced_.begin(); it != traced_.end();) {
        if (loop_.now() < it->second.due) {
            ++it;
            continue;
        }
        releaseTraced(it->first, it->second, released);
        it = traced_.erase(it);
    }
    release(released);
}

void IpGc::releaseTraced(const Key& key, const Entry& entry, Released& released) {
    const ObjectPtr endpoint = store_.find("SpiderEndpoint", key.first, key.second);
    // Another pod of the same name has taken the endpoint over: the scan sorts that out.
    if (!endpoint || stringAt(*endpoint, {"status", "current", "uid"}) != entry.uid)
        return;
    for (const Json& nic : at(*endpoint, {"status", "current", "ips"}))
        for (const char* family : {"ipv4", "ipv6"}) {
            const std::string pool = stringAt(nic, {std::string(family) + "Pool"}), cidr = stringAt(nic, {family});
            if (!pool.empty() && !cidr.empty())
                released[pool].insert({addressOf(cidr), entry.uid});
        }
    dropEndpoint(key.first, key.second);
}

// --- scanning ------------------------------------------------------------------------------------------------------------

void IpGc::scanAll() {
    Released released;
    std::set<Key> endpoints;
    for (const ObjectPtr& pool : store_.list("SpiderIPPool")) {
        const std::string text = stringAt(*pool, {"status", "allocatedIPs"});
        const Json records = Json::parse(text.empty() ? "{}" : text, nullptr, false);
        if (records.is_object())
            for (const auto& [ip, record] : records.items())
                scanRecord(nameOf(*pool), ip, record, released, endpoints);
    }
    release(released);
    for (const auto& [ns, name] : endpoints)
        dropEndpoint(ns, name);
}

void IpGc::scanRecord(const std::string& pool, const std::string& ip, const Json& record, Released& released,
                      std::set<Key>& endpoints) {
    const std::string owner = stringAt(record, {"pod"}), uid = stringAt(record, {"podUid"});
    const auto slash = owner.find('/');
    if (slash == std::string::npos)
        return;
    const std::string ns = owner.substr(0, slash), name = owner.substr(slash + 1);
    const ObjectPtr endpoint = store_.find("SpiderEndpoint", ns, name);
    const ObjectPtr pod = store_.find("Pod", ns, name);
    if (!pod) {
        if (endpoint && keepsAddress(ns, name, stringAt(*endpoint, {"status", "ownerControllerType"})))
            return;
        released[pool].insert({ip, uid});
        if (endpoint)
            endpoints.insert({ns, name});
        return;
    }
    const bool isStatic = options_.enableStatefulSet && stringAt(controllerOf(*pod), {"kind"}) == "StatefulSet";
    const bool keeps = isStatic && keepsAddress(ns, name, "StatefulSet");
    bool free = false, traceIt = false;
    if (isTerminating(*pod) && stringAt(*pod, {"status", "phase"}) != "Pending" && !isStatic) {
        if (wantedOnNode(*pod)) {
            const auto due = parseTimestamp(stringAt(*pod, {"metadata", "deletionTimestamp"})).value_or(loop_.now());
            free = loop_.now() > due;
            traceIt = !free;
        }
    } else if (isFinished(*pod)) {
        free = isStatic && !keeps;
    } else if (stringAt(*pod, {"status", "phase"}) == "Pending" || hasIps(*pod)) {
        free = false;
    } else if (isStatic) {
        free = !keeps;
    } else {
        free = stringAt(*pod, {"status", "phase"}) != "Running" || options_.runningWithoutIps;
    }
    if (traceIt && !traced_.contains({ns, name}))
        trace(*pod, parseTimestamp(stringAt(*pod, {"metadata", "deletionTimestamp"})).value_or(loop_.now()) +
                        seconds(intAt(*pod, {"metadata", "deletionGracePeriodSeconds"})) + options_.additionalDelay);
    const bool otherPod = uidOf(*pod) != uid;
    // A new pod of the same name: a stateless one never takes the old record over, a static one does while it starts.
    if (otherPod)
        free = !isStatic || hasIps(*pod) || !keeps;
    if (!free)
        return;
    released[pool].insert({ip, uid});
    if (endpoint && (!otherPod || stringAt(*endpoint, {"status", "current", "uid"}) == uid))
        endpoints.insert({ns, name});
}

// --- releasing -----------------------------------------------------------------------------------------------------------

void IpGc::release(const Released& released) {
    for (const auto& [name, addresses] : released) {
        const ObjectPtr pool = store_.find("SpiderIPPool", "", name);
        if (!pool)
            continue;
        Json records = Json::parse(stringAt(*pool, {"status", "allocatedIPs"}, "{}"), nullptr, false);
        if (!records.is_object())
            continue;
        std::int64_t freed = 0;
        for (const auto& [ip, uid] : addresses)
            if (const auto it = records.find(ip); it != records.end() && stringAt(*it, {"podUid"}) == uid) {
                records.erase(it);
                ++freed;
            }
        if (freed == 0)
            continue;
        Json changed = *pool;
        Json& status = changed["status"];
        // No record at all is no field at all; the pool's finalizer looks at that.
        if (records.empty())
            status.erase("allocatedIPs");
        else
            status["allocatedIPs"] = records.dump();
        status["allocatedIPCount"] = std::max<std::int64_t>(0, intAt(status, {"allocatedIPCount"}) - freed);
        store_.updateStatus(std::move(changed));
    }
}

void IpGc::dropEndpoint(const std::string& ns, const std::string& name) {
    ObjectPtr endpoint = store_.find("SpiderEndpoint", ns, name);
    if (!endpoint)
        return;
    if (!isTerminating(*endpoint)) {
        store_.remove("SpiderEndpoint", ns, name);
        endpoint = store_.find("SpiderEndpoint", ns, name);
    }
    if (!endpoint)
        return;
    Json changed = *endpoint;
    if (removeFinalizer(changed, spiderpoolFinalizer))
        store_.update(std::move(changed));
}

} // namespace rdmalab::cluster
