#include "sim/cluster/scheduler/placement.h"

#include "sim/cluster/kubelet/admission.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/amounts.h"

#include <algorithm>

namespace rdmalab::cluster {

namespace {

constexpr std::int64_t defaultCpu = 100, defaultMemory = 200LL << 20; // for scoring only
constexpr std::size_t maxClasses = 512;

// Per container, as upstream: one that names no cpu counts as 100m.
std::pair<std::int64_t, std::int64_t> scoreRequests(const Json& spec) {
    std::int64_t cpu = 0, memory = 0;
    if (const Json& containers = at(spec, {"containers"}); containers.is_array())
        for (const Json& container : containers) {
            Amounts amounts = amountsOf(at(container, {"resources", "limits"}));
            for (const auto& [name, amount] : amountsOf(at(container, {"resources", "requests"})))
                amounts[name] = amount;
            cpu += amounts.contains("cpu") ? amounts["cpu"] : defaultCpu;
            memory += amounts.contains("memory") ? amounts["memory"] : defaultMemory;
        }
    return {cpu, memory};
}

std::string classKey(const Json& spec) {
    std::string key;
    const auto add = [&](const Json& part) {
        if (!part.is_null())
            key += part.dump();
        key += '|';
    };
    for (const char* field : {"nodeSelector", "tolerations", "overhead", "priority", "preemptionPolicy", "hostNetwork"})
        add(at(spec, {field}));
    add(at(spec, {"affinity", "nodeAffinity"}));
    for (const char* section : {"containers", "initContainers"})
        if (const Json& list = at(spec, {section}); list.is_array())
            for (const Json& container : list) {
                add(at(container, {"resources"}));
                add(at(container, {"ports"}));
                add(at(container, {"restartPolicy"}));
            }
    return key;
}

int leastAllocated(std::int64_t capacity, std::int64_t requested) {
    return capacity == 0 || requested > capacity ? 0 : static_cast<int>((capacity - requested) * 100 / capacity);
}

std::int64_t valueAt(const std::vector<std::int64_t>& list, int index) {
    return static_cast<std::size_t>(index) < list.size() ? list[static_cast<std::size_t>(index)] : 0;
}

} // namespace

int Placement::resourceNumber(const std::string& name) {
    const auto [found, isNew] = resourceNumbers_.emplace(name, static_cast<int>(resources_.size()));
    if (isNew)
        resources_.push_back(name);
    return found->second;
}

int Placement::reasonNumber(const std::string& text) {
    const auto [found, isNew] = reasonNumbers_.emplace(text, static_cast<int>(reasons_.size()));
    if (isNew)
        reasons_.push_back(text);
    return found->second;
}

std::shared_ptr<PodClass> Placement::classOf(const Json& pod) {
    const Json& spec = at(pod, {"spec"});
    const std::string key = classKey(spec);
    if (const auto found = classes_.find(key); found != classes_.end())
        return found->second;
    auto result = std::make_shared<PodClass>();
    Requirements& to = result->requirements;
    for (const auto& [name, amount] : podRequests(spec))
        if (amount != 0)
            to.amounts.emplace_back(resourceNumber(name), amount);
    std::tie(to.scoreCpu, to.scoreMemory) = scoreRequests(spec);
    to.tolerations = tolerationsOf(spec);
    to.nodes = nodeRequirementOf(spec);
    to.preferred = preferredNodesOf(spec);
    to.ports = hostPortsOf(spec);
    to.priority = static_cast<int>(intAt(spec, {"priority"}));
    to.neverPreempts = stringAt(spec, {"preemptionPolicy"}) == "Never";
    result->pinned = to.nodes.hasTerms ? to.nodes.pinnedNode() : std::nullopt;
    if (result->pinned)
        return result; // each pod of a DaemonSet has its own: not worth keeping
    if (classes_.size() >= maxClasses)
        classes_.clear();
    return classes_[key] = result;
}

Slot Placement::slotOf(const std::string& name) {
    const auto [found, isNew] = slots_.emplace(name, static_cast<Slot>(nodes_.size()));
    if (isNew)
        nodes_.emplace_back().name = name;
    return found->second;
}

bool Placement::setNode(const Json& object) {
    const Slot slot = slotOf(nameOf(object));
    Node& to = nodes_[slot];
    std::vector<std::int64_t> allocatable;
    std::int64_t pods = 0;
    for (const auto& [name, amount] : amountsOf(at(object, {"status", "allocatable"}))) {
        if (name == "pods") {
            pods = amount;
            continue;
        }
        const auto number = static_cast<std::size_t>(resourceNumber(name));
        if (allocatable.size() <= number)
            allocatable.resize(number + 1);
        allocatable[number] = amount;
    }
    Labels labels = labelsOf(object);
    std::vector<Taint> taints = taintsOf(object);
    const bool unschedulable = boolAt(object, {"spec", "unschedulable"});
    const auto sameTaints =
        std::equal(taints.begin(), taints.end(), to.taints.begin(), to.taints.end(),
                   [](const auto& a, const auto& b) { return a.key == b.key && a.value == b.value && a.effect == b.effect; });
    if (to.present && to.allocatable == allocatable && to.allowedPods == pods && to.labels == labels && sameTaints &&
        to.unschedulable == unschedulable)
        return false;
    if (!to.present)
        ++present_;
    to.present = true;
    to.allocatable = std::move(allocatable);
    to.allowedPods = pods;
    to.labels = std::move(labels);
    to.taints = std::move(taints);
    to.unschedulable = unschedulable;
    changed(slot);
    return true;
}

void Placement::removeNode(const std::string& name) {
    const Slot slot = slotOf(name);
    if (!nodes_[slot].present)
        return;
    nodes_[slot].present = false;
    --present_;
    changed(slot);
}

void Placement::occupy(Node& node, const Requirements& requirements, int sign) const {
    for (const auto& [number, amount] : requirements.amounts) {
        if (node.used.size() <= static_cast<std::size_t>(number))
            node.used.resize(static_cast<std::size_t>(number) + 1);
        node.used[static_cast<std::size_t>(number)] += sign * amount;
    }
    node.scoreCpu += sign * requirements.scoreCpu;
    node.scoreMemory += sign * requirements.scoreMemory;
    for (const auto& port : requirements.ports) {
        if (sign > 0)
            node.ports.insert(port);
        else if (const auto found = node.ports.find(port); found != node.ports.end())
            node.ports.erase(found);
    }
}

void Placement::addPod(const ObjectPtr& pod, Slot slot, std::shared_ptr<const PodClass> podClass) {
    const std::string& uid = uidOf(*pod);
    if (bound_.contains(uid))
        return;
    occupy(nodes_[slot], podClass->requirements, 1);
    ++priorities_[podClass->requirements.priority];
    nodes_[slot].pods.emplace(uid, podClass);
    bound_.emplace(uid, Bound{slot, std::move(podClass), pod});
    changed(slot);
}

void Placement::updatePod(const ObjectPtr& pod) {
    if (const auto found = bound_.find(uidOf(*pod)); found != bound_.end())
        found->second.pod = pod;
}

std::optional<Slot> Placement::removePod(const std::string& uid) {
    const auto found = bound_.find(uid);
    if (found == bound_.end())
        return std::nullopt;
    const Slot slot = found->second.slot;
    const Requirements& requirements = found->second.podClass->requirements;
    occupy(nodes_[slot], requirements, -1);
    if (const auto count = priorities_.find(requirements.priority); --count->second == 0)
        priorities_.erase(count);
    nodes_[slot].pods.erase(uid);
    bound_.erase(found);
    changed(slot);
    return slot;
}

void Placement::changed(Slot slot) {
    changes_.push_back(slot);
    while (changes_.size() > std::max<std::size_t>(1024, 2 * nodes_.size())) {
        changes_.pop_front();
        ++firstChange_;
    }
}

Verdict Placement::evaluate(const Requirements& wanted, const Node& node) {
    Verdict verdict;
    const auto no = [&](const std::string& text) {
        verdict.reasons.push_back(reasonNumber(text));
        return verdict;
    };
    // The order of the filter plugins; the first that fails ends it.
    if (node.unschedulable && !isTolerated({"node.kubernetes.io/unschedulable", "", "NoSchedule"}, wanted.tolerations))
        return no("node(s) were unschedulable");
    for (const auto& taint : node.taints)
        if (taint.effect != "PreferNoSchedule" && !isTolerated(taint, wanted.tolerations))
            return no(texts(profile_).taintNamed ? "node(s) had untolerated taint " + taint.text()
                                                 : "node(s) had untolerated taint(s)");
    if (!wanted.nodes.matches(node.name, node.labels))
        return no("node(s) didn't match Pod's node affinity/selector");
    if (!wanted.ports.empty() && portsCollide(wanted.ports, {node.ports.begin(), node.ports.end()})) {
        verdict.resolvable = true;
        return no("node(s) didn't have free ports for the requested pod ports");
    }
    verdict.resolvable = true;
    if (static_cast<std::int64_t>(node.pods.size()) + 1 > node.allowedPods)
        no("Too many pods");
    for (const auto& [number, amount] : wanted.amounts) {
        const std::int64_t allocatable = valueAt(node.allocatable, number);
        if (amount <= allocatable - valueAt(node.used, number))
            continue;
        no("Insufficient " + resources_[static_cast<std::size_t>(number)]);
        verdict.resolvable = verdict.resolvable && amount <= allocatable;
    }
    if (!verdict.reasons.empty())
        return verdict;
    verdict.feasible = true;
    verdict.score = (leastAllocated(valueAt(node.allocatable, 0), node.scoreCpu + wanted.scoreCpu) +
                     leastAllocated(valueAt(node.allocatable, 1), node.scoreMemory + wanted.scoreMemory)) /
                    2;
    // Preferences, by upstream's plugin weights 2 and 3; normalised by what a pod could reach, not by the best node.
    int weights = 0, matched = 0;
    for (const auto& preferred : wanted.preferred) {
        weights += preferred.weight;
        if (preferred.term.matches(node.name, node.labels))
            matched += preferred.weight;
    }
    if (weights > 0)
        verdict.score += 2 * (100 * matched / weights);
    for (const auto& taint : node.taints)
        if (taint.effect == "PreferNoSchedule" && !isTolerated(taint, wanted.tolerations)) {
            verdict.score -= 3 * 100;
            break;
        }
    return verdict;
}

void Placement::judge(PodClass& podClass, Slot slot) {
    if (podClass.verdicts.size() <= slot)
        podClass.verdicts.resize(nodes_.size());
    Verdict& verdict = podClass.verdicts[slot];
    const Node& node = nodes_[slot];
    if (verdict.feasible)
        podClass.feasible.erase({verdict.score, &node.name, slot});
    for (const int reason : verdict.reasons)
        if (const auto count = podClass.reasonCounts.find(reason); --count->second == 0)
            podClass.reasonCounts.erase(count);
    if (!verdict.feasible && verdict.resolvable)
        --podClass.resolvable;
    verdict = node.present ? evaluate(podClass.requirements, node) : Verdict{};
    if (verdict.feasible)
        podClass.feasible.insert({verdict.score, &node.name, slot});
    for (const int reason : verdict.reasons)
        ++podClass.reasonCounts[reason];
    if (!verdict.feasible && verdict.resolvable)
        ++podClass.resolvable;
}

PodClass& Placement::refresh(PodClass& podClass) {
    const std::uint64_t now = firstChange_ + changes_.size();
    if (!podClass.built || podClass.seen < firstChange_ || now - podClass.seen > nodes_.size()) {
        for (Slot slot = 0; slot < nodes_.size(); ++slot)
            judge(podClass, slot);
    } else {
        for (std::uint64_t change = podClass.seen; change < now; ++change)
            judge(podClass, changes_[change - firstChange_]);
    }
    podClass.built = true;
    podClass.seen = now;
    return podClass;
}

} // namespace rdmalab::cluster
