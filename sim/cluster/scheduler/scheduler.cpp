#include "sim/cluster/scheduler/scheduler.h"

#include "sim/clock/event_loop.h"
#include "sim/cluster/kubelet/pod_status.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/failure_text.h"
#include "sim/cluster/scheduler/placement.h"
#include "sim/cluster/scheduler/pod_affinity.h"
#include "sim/cluster/scheduler/preemption.h"

#include <fmt/format.h>

namespace rdmalab::cluster {

namespace {

constexpr const char* component = "default-scheduler";

bool isOver(const Json& pod) {
    const std::string phase = stringAt(pod, {"status", "phase"});
    return phase == "Succeeded" || phase == "Failed";
}

bool isGated(const Json& pod) {
    const Json& gates = at(pod, {"spec", "schedulingGates"});
    return gates.is_array() && !gates.empty();
}

struct Waiting {
    enum class State { active, backoff, unschedulable, gated } state = State::gated;
    ObjectPtr pod;
    std::shared_ptr<PodClass> podClass;
    int priority = 0, attempts = 0;
    std::uint64_t arrival = 0;
    bool constrained = false; // depends on other pods
    clock::TimePoint failedAt{};
    clock::EventLoop::TimerId timer;
};

} // namespace

struct Scheduler::Impl {
    Store& store;
    clock::EventLoop& loop;
    SchedulerOptions options;
    Placement placement;
    std::unordered_map<std::string, Waiting> waiting; // by uid
    std::set<std::tuple<int, std::uint64_t, std::string>> active;
    std::map<std::uint64_t, std::string> unschedulable; // arrival -> uid
    std::set<std::string> withAntiAffinity;             // uids of bound pods
    std::uint64_t arrivals = 0;
    bool runPosted = false, flushSet = false;
    Statistics statistics;
    std::shared_ptr<int> alive = std::make_shared<int>();
    Store::Subscription podWatch, nodeWatch;

    Impl(Store& s, clock::EventLoop& l, PodSource& pods, SchedulerOptions o) : store(s), loop(l), options(o), placement(o.texts) {
        nodeWatch = store.watch("Node", [this](const WatchEvent& event) { nodeEvent(event); });
        podWatch = pods.watchAll([this](const WatchEvent& event) { podEvent(event); });
    }
    ~Impl() {
        for (auto& [uid, entry] : waiting)
            loop.cancel(entry.timer);
    }

    clock::EventLoop::TimerId after(clock::Duration delay, std::function<void()> action) {
        return loop.after(delay, [weak = std::weak_ptr(alive), action = std::move(action)] {
            if (!weak.expired())
                action();
        });
    }

    // --- events ------------------------------------------------------------------------------------------------------

    void nodeEvent(const WatchEvent& event) {
        if (event.type == WatchEvent::Type::removed)
            placement.removeNode(nameOf(*event.object));
        else if (!placement.setNode(*event.object))
            return;
        // A node may suit anybody now, and the counts in the messages are out of date in any case.
        std::vector<std::string> all;
        for (const auto& [arrival, uid] : unschedulable)
            all.push_back(uid);
        for (const auto& uid : all)
            retry(uid);
    }

    void podEvent(const WatchEvent& event) {
        const ObjectPtr& pod = event.object;
        const std::string& uid = uidOf(*pod);
        if (event.type == WatchEvent::Type::removed) {
            dropWaiting(uid);
            release(uid);
            return;
        }
        if (isOver(*pod)) {
            dropWaiting(uid);
            release(uid);
            return;
        }
        const std::string node = stringAt(*pod, {"spec", "nodeName"});
        if (!node.empty()) {
            if (placement.bound().contains(uid))
                placement.updatePod(pod);
            else
                occupy(pod, placement.slotOf(node), placement.classOf(*pod));
            dropWaiting(uid);
            return;
        }
        if (placement.bound().contains(uid))
            return; // an event from before our own binding
        if (isTerminating(*pod) || stringAt(*pod, {"spec", "schedulerName"}, component) != component)
            return dropWaiting(uid);
        const auto known = waiting.find(uid);
        if (known == waiting.end())
            return enqueue(pod);
        const bool specChanged =
            intAt(*known->second.pod, {"metadata", "generation"}) != intAt(*pod, {"metadata", "generation"}) ||
            at(*known->second.pod, {"metadata", "labels"}) != at(*pod, {"metadata", "labels"});
        known->second.pod = pod;
        if (!specChanged)
            return;
        known->second.podClass = placement.classOf(*pod);
        if (known->second.state == Waiting::State::gated && !isGated(*pod))
            activate(uid);
        else if (known->second.state == Waiting::State::unschedulable)
            retry(uid);
    }

    void occupy(const ObjectPtr& pod, Slot slot, std::shared_ptr<const PodClass> podClass) {
        placement.addPod(pod, slot, std::move(podClass));
        if (PodConstraints::hasAntiAffinity(*pod))
            withAntiAffinity.insert(uidOf(*pod));
    }

    void release(const std::string& uid) {
        withAntiAffinity.erase(uid);
        const auto slot = placement.removePod(uid);
        if (!slot)
            return;
        // Only those that fit there now are worth another try, and those whose fate hangs on other pods.
        std::unordered_map<const PodClass*, bool> fits;
        std::vector<std::string> candidates;
        for (const auto& [arrival, id] : unschedulable) {
            const Waiting& entry = waiting.at(id);
            const auto [fit, isNew] = fits.emplace(entry.podClass.get(), false);
            if (isNew)
                fit->second = placement.evaluate(entry.podClass->requirements, placement.node(*slot)).feasible;
            if (fit->second || entry.constrained)
                candidates.push_back(id);
        }
        for (const auto& id : candidates)
            retry(id);
    }

    // --- queue -------------------------------------------------------------------------------------------------------

    void enqueue(const ObjectPtr& pod) {
        const std::string uid = uidOf(*pod);
        Waiting& entry = waiting[uid];
        entry.pod = pod;
        entry.podClass = placement.classOf(*pod);
        entry.priority = static_cast<int>(intAt(*pod, {"spec", "priority"}));
        entry.arrival = ++arrivals;
        if (isGated(*pod))
            writeCondition(*pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
        else
            activate(uid);
    }

    void activate(const std::string& uid) {
        Waiting& entry = waiting.at(uid);
        unschedulable.erase(entry.arrival);
        entry.state = Waiting::State::active;
        active.emplace(-entry.priority, entry.arrival, uid);
        postRun();
    }

    // Out of the unschedulable ones, at once or when its backoff is over.
    void retry(const std::string& uid) {
        Waiting& entry = waiting.at(uid);
        const auto backoff =
            options.timings(doubled(options.timings.schedulerBackoff, options.timings.schedulerBackoffMax, entry.attempts - 1));
        const auto remaining = entry.failedAt + backoff - loop.now();
        if (remaining <= clock::Duration::zero())
            return activate(uid);
        unschedulable.erase(entry.arrival);
        entry.state = Waiting::State::backoff;
        entry.timer = after(remaining, [this, uid] {
            if (const auto found = waiting.find(uid); found != waiting.end() && found->second.state == Waiting::State::backoff)
                activate(uid);
        });
    }

    void dropWaiting(const std::string& uid) {
        const auto found = waiting.find(uid);
        if (found == waiting.end())
            return;
        loop.cancel(found->second.timer);
        active.erase({-found->second.priority, found->second.arrival, uid});
        unschedulable.erase(found->second.arrival);
        waiting.erase(found);
    }

    void flushLater() {
        if (flushSet)
            return;
        flushSet = true;
        after(options.timings(options.timings.schedulerFlush), [this] {
            flushSet = false;
            const auto limit = loop.now() - options.timings(options.timings.schedulerFlush);
            std::vector<std::string> old;
            for (const auto& [arrival, uid] : unschedulable)
                if (waiting.at(uid).failedAt <= limit)
                    old.push_back(uid);
            for (const auto& uid : old)
                retry(uid);
            if (!unschedulable.empty())
                flushLater();
        });
    }

    void postRun() {
        if (runPosted || active.empty())
            return;
        runPosted = true;
        loop.post([this, weak = std::weak_ptr(alive)] {
            if (weak.expired())
                return;
            runPosted = false;
            if (active.empty())
                return;
            const std::string uid = std::get<2>(*active.begin());
            active.erase(active.begin());
            scheduleOne(uid);
            postRun();
        });
    }

    // --- one pod -----------------------------------------------------------------------------------------------------

    void scheduleOne(const std::string& uid) {
        Waiting& entry = waiting.at(uid);
        ++statistics.attempts;
        ++entry.attempts;
        const PodConstraints constraints(*entry.pod, placement, withAntiAffinity);
        entry.constrained = !constraints.empty();
        SchedulingFailure failure;
        failure.nodes = placement.nodeCount();
        std::optional<Slot> chosen;
        if (entry.podClass->pinned)
            chosen = tryPinned(*entry.podClass, constraints, failure);
        else
            chosen = tryAll(*entry.podClass, constraints, failure);
        if (chosen)
            bind(uid, *chosen);
        else
            fail(uid, failure);
    }

    std::optional<Slot> tryPinned(const PodClass& podClass, const PodConstraints& constraints, SchedulingFailure& failure) {
        const Slot slot = placement.slotOf(*podClass.pinned);
        const auto& node = placement.node(slot);
        if (node.present) {
            const Verdict verdict = placement.evaluate(podClass.requirements, node);
            const char* clash = verdict.feasible ? constraints.failure(node) : nullptr;
            if (verdict.feasible && !clash)
                return slot;
            for (const int reason : verdict.reasons)
                ++failure.reasons[placement.reasonText(reason)];
            if (clash)
                ++failure.reasons[clash];
            failure.resolvable = verdict.resolvable ? 1 : 0;
        }
        failure.reasons["node(s) didn't satisfy plugin(s) [NodeAffinity]"] += failure.nodes - (node.present ? 1 : 0);
        return std::nullopt;
    }

    std::optional<Slot> tryAll(PodClass& podClass, const PodConstraints& constraints, SchedulingFailure& failure) {
        placement.refresh(podClass);
        std::map<std::string, std::size_t> clashes;
        for (const auto& rank : podClass.feasible) {
            const char* clash = constraints.failure(placement.node(rank.slot));
            if (!clash)
                return rank.slot;
            ++clashes[clash];
        }
        failure.reasons = std::move(clashes);
        for (const auto& [reason, count] : podClass.reasonCounts)
            failure.reasons[placement.reasonText(reason)] += static_cast<std::size_t>(count);
        failure.resolvable = podClass.resolvable;
        for (const auto& rank :
             podClass.feasible) // removing pods may help against anti-affinity and spread, not against affinity
            if (std::string_view(constraints.failure(placement.node(rank.slot))).find("pod affinity rules") ==
                std::string_view::npos)
                ++failure.resolvable;
        return std::nullopt;
    }

    void bind(const std::string& uid, Slot slot) {
        const Waiting entry = waiting.at(uid);
        const std::string node = placement.node(slot).name;
        dropWaiting(uid);
        const ObjectPtr now = store.find("Pod", namespaceOf(*entry.pod), nameOf(*entry.pod));
        if (!now || uidOf(*now) != uid)
            return; // its removal is on the way
        try {
            Json changed = *now;
            changed["spec"]["nodeName"] = node;
            const ObjectPtr bound = store.update(std::move(changed));
            Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(*bound, {"metadata"})}};
            object["status"] = at(*bound, {"status"}).is_object() ? at(*bound, {"status"}) : Json::object();
            object["status"].erase("nominatedNodeName");
            setCondition(object["status"], "PodScheduled", true, "", "", store.timestamp());
            occupy(store.updateStatus(std::move(object)), slot, entry.podClass);
        } catch (const plugin::KubeError& error) {
            store.recordEvent(*now, "Warning", "FailedScheduling", fmt::format("binding rejected: {}", error.what()), component);
            return;
        }
        ++statistics.bound;
        store.recordEvent(*now, "Normal", "Scheduled",
                          fmt::format("Successfully assigned {}/{} to {}", namespaceOf(*now), nameOf(*now), node), component);
    }

    void fail(const std::string& uid, SchedulingFailure& failure) {
        Waiting& entry = waiting.at(uid);
        ++statistics.failed;
        const ObjectPtr now = store.find("Pod", namespaceOf(*entry.pod), nameOf(*entry.pod));
        if (!now || uidOf(*now) != uid)
            return dropWaiting(uid);
        std::string nominated = stringAt(*now, {"status", "nominatedNodeName"});
        if (entry.podClass->requirements.neverPreempts) {
            failure.preemption = "not eligible due to preemptionPolicy=Never.";
        } else if (!nominated.empty() && victimStillGoing(nominated, entry.priority)) {
            failure.preemption = "not eligible due to a terminating pod on the nominated node.";
        } else if (failure.resolvable > 0) {
            if (const auto plan = planPreemption(placement, *entry.podClass)) {
                preempt(*now, *plan);
                nominated = plan->node;
                failure.preempting = true;
            }
        }
        const std::string message = failureText(failure, options.texts);
        store.recordEvent(*now, "Warning", "FailedScheduling", message, component);
        writeCondition(*now, "Unschedulable", message, nominated);
        entry.state = Waiting::State::unschedulable;
        entry.failedAt = loop.now();
        unschedulable.emplace(entry.arrival, uid);
        flushLater();
    }

    bool victimStillGoing(const std::string& node, int priority) {
        for (const auto& [uid, podClass] : placement.node(placement.slotOf(node)).pods)
            if (podClass->requirements.priority < priority && isTerminating(*placement.bound().at(uid).pod))
                return true;
        return false;
    }

    void preempt(const Json& pod, const PreemptionPlan& plan) {
        for (const auto& victim : plan.victims) {
            const ObjectPtr now = store.find("Pod", namespaceOf(*victim), nameOf(*victim));
            if (!now || uidOf(*now) != uidOf(*victim))
                continue;
            Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(*now, {"metadata"})}};
            object["status"] = at(*now, {"status"}).is_object() ? at(*now, {"status"}) : Json::object();
            setCondition(object["status"], "DisruptionTarget", true, "PreemptionByScheduler",
                         fmt::format("{}: preempting to accommodate a higher priority pod", component), store.timestamp());
            store.updateStatus(std::move(object));
            store.recordEvent(*now, "Normal", "Preempted", fmt::format("Preempted by pod {} on node {}", uidOf(pod), plan.node),
                              component);
            store.remove("Pod", namespaceOf(*now), nameOf(*now));
        }
    }

    void writeCondition(const Json& pod, const std::string& reason, const std::string& message,
                        const std::string& nominated = {}) {
        Json status = at(pod, {"status"}).is_object() ? at(pod, {"status"}) : Json::object();
        setCondition(status, "PodScheduled", false, reason, message, store.timestamp());
        if (!status.contains("phase"))
            status["phase"] = "Pending";
        if (!nominated.empty())
            status["nominatedNodeName"] = nominated;
        if (status == at(pod, {"status"}))
            return;
        Json object{{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", at(pod, {"metadata"})}};
        object["status"] = std::move(status);
        store.updateStatus(std::move(object));
    }
};

Scheduler::Scheduler(Store& store, clock::EventLoop& loop, PodSource& pods, SchedulerOptions options)
    : impl_(std::make_unique<Impl>(store, loop, pods, options)) {}

Scheduler::~Scheduler() = default;

Scheduler::Statistics Scheduler::statistics() const {
    Statistics result = impl_->statistics;
    result.waiting = impl_->waiting.size() - impl_->active.size();
    return result;
}

} // namespace rdmalab::cluster
