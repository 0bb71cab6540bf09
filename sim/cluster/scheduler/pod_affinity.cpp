#include "sim/cluster/scheduler/pod_affinity.h"

#include "sim/cluster/label_selector.h"
#include "sim/cluster/object_meta.h"

#include <algorithm>

namespace rdmalab::cluster {

namespace {

const Json& requiredTerms(const Json& pod, const char* kind) {
    static const Json none = Json::array();
    const Json& terms = at(pod, {"spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"});
    return terms.is_array() ? terms : none;
}

// Whether `other` is one that a term of `pod` is about.
bool termCovers(const Json& term, const Json& pod, const Json& other) {
    const Json& namespaces = at(term, {"namespaces"});
    const bool everywhere = at(term, {"namespaceSelector"}).is_object() && at(term, {"namespaceSelector"}).empty();
    if (namespaces.is_array() && !namespaces.empty()) {
        if (std::find(namespaces.begin(), namespaces.end(), namespaceOf(other)) == namespaces.end())
            return false;
    } else if (!everywhere && namespaceOf(pod) != namespaceOf(other)) {
        return false;
    }
    return matchesSelector(at(term, {"labelSelector"}), at(other, {"metadata", "labels"}));
}

const std::string* topologyOf(const Placement::Node& node, const std::string& key) {
    const auto found = node.labels.find(key);
    return found == node.labels.end() ? nullptr : &found->second;
}

} // namespace

bool PodConstraints::hasAntiAffinity(const Json& pod) {
    return !requiredTerms(pod, "podAntiAffinity").empty();
}

PodConstraints::PodConstraints(const Json& pod, const Placement& placement, const std::set<std::string>& withAntiAffinity) {
    const Json& own = at(pod, {"metadata", "labels"});
    for (const auto& uid : withAntiAffinity) {
        const auto& bound = placement.bound().at(uid);
        for (const Json& term : requiredTerms(*bound.pod, "podAntiAffinity"))
            if (termCovers(term, *bound.pod, pod)) {
                Group group{Group::Kind::existingAntiAffinity, stringAt(term, {"topologyKey"}), {}};
                if (const auto* value = topologyOf(placement.node(bound.slot), group.topologyKey))
                    group.counts[*value] = 1;
                groups_.push_back(std::move(group));
            }
    }
    struct Wanted {
        std::size_t group;
        const Json* term;
        bool spread;
    };
    std::vector<Wanted> wanted;
    for (const auto& [name, kind] :
         {std::pair{"podAffinity", Group::Kind::affinity}, std::pair{"podAntiAffinity", Group::Kind::antiAffinity}})
        for (const Json& term : requiredTerms(pod, name)) {
            wanted.push_back({groups_.size(), &term, false});
            groups_.push_back({kind, stringAt(term, {"topologyKey"}), {}});
            groups_.back().selfMatch = termCovers(term, pod, pod);
        }
    if (const Json& spread = at(pod, {"spec", "topologySpreadConstraints"}); spread.is_array())
        for (const Json& constraint : spread)
            if (stringAt(constraint, {"whenUnsatisfiable"}) != "ScheduleAnyway") {
                wanted.push_back({groups_.size(), &constraint, true});
                Group group{Group::Kind::spread, stringAt(constraint, {"topologyKey"}), {}};
                group.maxSkew = static_cast<int>(intAt(constraint, {"maxSkew"}, 1));
                group.selfMatch = matchesSelector(at(constraint, {"labelSelector"}), own);
                groups_.push_back(std::move(group));
            }
    if (wanted.empty())
        return;
    const NodeRequirement nodes = nodeRequirementOf(at(pod, {"spec"}));
    for (const auto& entry : wanted)
        if (entry.spread) // domains without a pod count as 0
            for (Slot slot = 0; slot < placement.slots(); ++slot) {
                const auto& node = placement.node(slot);
                if (const auto* value = topologyOf(node, groups_[entry.group].topologyKey);
                    value && node.present && nodes.matches(node.name, node.labels))
                    groups_[entry.group].counts.emplace(*value, 0);
            }
    for (const auto& [uid, bound] : placement.bound()) {
        const Json& labels = at(*bound.pod, {"metadata", "labels"});
        for (const auto& entry : wanted) {
            Group& group = groups_[entry.group];
            const auto* value = topologyOf(placement.node(bound.slot), group.topologyKey);
            if (!value)
                continue;
            if (!entry.spread && termCovers(*entry.term, pod, *bound.pod))
                ++group.counts[*value];
            if (entry.spread && group.counts.contains(*value) && namespaceOf(pod) == namespaceOf(*bound.pod) &&
                !isTerminating(*bound.pod) && matchesSelector(at(*entry.term, {"labelSelector"}), labels))
                ++group.counts[*value];
        }
    }
    for (Group& group : groups_)
        if (group.kind == Group::Kind::spread && !group.counts.empty())
            group.lowest = std::min_element(group.counts.begin(), group.counts.end(), [](const auto& a, const auto& b) {
                               return a.second < b.second;
                           })->second;
}

const char* PodConstraints::failure(const Placement::Node& node) const {
    // Plugin order: PodTopologySpread, then InterPodAffinity with its three checks.
    for (const Group& group : groups_)
        if (group.kind == Group::Kind::spread) {
            const auto* value = topologyOf(node, group.topologyKey);
            if (!value)
                return "node(s) didn't match pod topology spread constraints (missing required label)";
            const auto count = group.counts.find(*value);
            const int now = count == group.counts.end() ? 0 : count->second;
            if (now + (group.selfMatch ? 1 : 0) - group.lowest > group.maxSkew)
                return "node(s) didn't match pod topology spread constraints";
        }
    for (const auto& [kind, text] :
         {std::pair{Group::Kind::affinity, "node(s) didn't match pod affinity rules"},
          std::pair{Group::Kind::antiAffinity, "node(s) didn't match pod anti-affinity rules"},
          std::pair{Group::Kind::existingAntiAffinity, "node(s) didn't satisfy existing pods anti-affinity rules"}})
        for (const Group& group : groups_) {
            if (group.kind != kind)
                continue;
            const auto* value = topologyOf(node, group.topologyKey);
            const bool hit = value && group.counts.contains(*value);
            if (kind == Group::Kind::affinity) {
                // The first pod of a group that wants its own company may go anywhere.
                if (!hit && !(value && group.counts.empty() && group.selfMatch))
                    return text;
            } else if (hit) {
                return text;
            }
        }
    return nullptr;
}

} // namespace rdmalab::cluster
