#include "sim/cluster/scheduler/preemption.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <tuple>

namespace rdmalab::cluster {

namespace {

struct Candidate {
    std::string uid;
    const PodClass* podClass;
    ObjectPtr pod;
    int priority() const { return podClass->requirements.priority; }
};

void account(Placement::Node& node, const Candidate& candidate, int sign) {
    for (const auto& [number, amount] : candidate.podClass->requirements.amounts)
        node.used[static_cast<std::size_t>(number)] += sign * amount;
    for (const auto& port : candidate.podClass->requirements.ports) {
        if (sign > 0)
            node.ports.insert(port);
        else if (const auto found = node.ports.find(port); found != node.ports.end())
            node.ports.erase(found);
    }
    if (sign > 0)
        node.pods.emplace(candidate.uid, nullptr);
    else
        node.pods.erase(candidate.uid);
}

std::vector<Candidate> victimsOn(Placement& placement, const PodClass& incoming, Slot slot) {
    Placement::Node node = placement.node(slot); // a scratch copy
    std::vector<Candidate> lower;
    for (const auto& [uid, podClass] : placement.node(slot).pods)
        if (podClass->requirements.priority < incoming.requirements.priority)
            lower.push_back({uid, podClass.get(), placement.bound().at(uid).pod});
    if (lower.empty())
        return {};
    for (const auto& candidate : lower)
        account(node, candidate, -1);
    if (!placement.evaluate(incoming.requirements, node).feasible)
        return {};
    // The more important and the older ones may come back first.
    std::sort(lower.begin(), lower.end(), [](const Candidate& a, const Candidate& b) {
        return std::tuple(-a.priority(), stringAt(*a.pod, {"status", "startTime"}), nameOf(*a.pod)) <
               std::tuple(-b.priority(), stringAt(*b.pod, {"status", "startTime"}), nameOf(*b.pod));
    });
    std::vector<Candidate> victims;
    for (const auto& candidate : lower) {
        account(node, candidate, 1);
        if (placement.evaluate(incoming.requirements, node).feasible)
            continue;
        account(node, candidate, -1);
        victims.push_back(candidate);
    }
    return victims;
}

} // namespace

std::optional<PreemptionPlan> planPreemption(Placement& placement, const PodClass& podClass) {
    if (podClass.requirements.neverPreempts || !placement.anyBelow(podClass.requirements.priority))
        return std::nullopt;
    std::optional<PreemptionPlan> best;
    std::tuple<int, long long, std::size_t, std::string> bestKey; // highest victim, sum, count, node
    for (Slot slot = 0; slot < placement.slots(); ++slot) {
        const auto& node = placement.node(slot);
        if (!node.present || (podClass.pinned && node.name != *podClass.pinned))
            continue;
        const Verdict verdict = placement.evaluate(podClass.requirements, node);
        if (verdict.feasible || !verdict.resolvable)
            continue;
        const auto victims = victimsOn(placement, podClass, slot);
        if (victims.empty())
            continue;
        long long sum = 0;
        for (const auto& victim : victims)
            sum += victim.priority();
        const auto key = std::tuple(victims.front().priority(), sum, victims.size(), node.name);
        if (best && bestKey <= key)
            continue;
        bestKey = key;
        best = PreemptionPlan{node.name, {}};
        for (const auto& victim : victims)
            best->victims.push_back(victim.pod);
    }
    return best;
}

} // namespace rdmalab::cluster
