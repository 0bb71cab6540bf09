#include "sim/cluster/scheduler/node_match.h"

#include "sim/cluster/object_meta.h"

#include <algorithm>
#include <cstdlib>

namespace rdmalab::cluster {

namespace {

std::vector<Requirement> requirementsOf(const Json& list) {
    std::vector<Requirement> result;
    if (list.is_array())
        for (const Json& item : list) {
            Requirement requirement{stringAt(item, {"key"}), stringAt(item, {"operator"}), {}};
            if (const Json& values = at(item, {"values"}); values.is_array())
                for (const Json& value : values)
                    requirement.values.push_back(value.get<std::string>());
            result.push_back(std::move(requirement));
        }
    return result;
}

NodeTerm nodeTermOf(const Json& term) {
    return {requirementsOf(at(term, {"matchExpressions"})), requirementsOf(at(term, {"matchFields"}))};
}

Labels stringMap(const Json& object) {
    Labels result;
    if (object.is_object())
        for (const auto& [key, value] : object.items())
            if (value.is_string())
                result[key] = value.get<std::string>();
    return result;
}

bool containsAll(const Labels& labels, const Labels& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& pair) {
        const auto found = labels.find(pair.first);
        return found != labels.end() && found->second == pair.second;
    });
}

} // namespace

bool Toleration::tolerates(const Taint& taint) const {
    if (!effect.empty() && effect != taint.effect)
        return false;
    if (!key.empty() && key != taint.key)
        return false;
    if (op == "Exists")
        return true;
    return !key.empty() && value == taint.value;
}

Labels labelsOf(const Json& object) {
    return stringMap(at(object, {"metadata", "labels"}));
}

std::vector<Taint> taintsOf(const Json& node) {
    std::vector<Taint> result;
    if (const Json& list = at(node, {"spec", "taints"}); list.is_array())
        for (const Json& taint : list)
            result.push_back({stringAt(taint, {"key"}), stringAt(taint, {"value"}), stringAt(taint, {"effect"})});
    return result;
}

std::vector<Toleration> tolerationsOf(const Json& podSpec) {
    std::vector<Toleration> result;
    if (const Json& list = at(podSpec, {"tolerations"}); list.is_array())
        for (const Json& item : list) {
            Toleration toleration{
                stringAt(item, {"key"}), stringAt(item, {"operator"}), stringAt(item, {"value"}), stringAt(item, {"effect"}), {}};
            if (const Json& seconds = at(item, {"tolerationSeconds"}); seconds.is_number_integer())
                toleration.seconds = seconds.get<long long>();
            result.push_back(std::move(toleration));
        }
    return result;
}

bool isTolerated(const Taint& taint, const std::vector<Toleration>& tolerations) {
    return std::any_of(tolerations.begin(), tolerations.end(), [&](const auto& t) { return t.tolerates(taint); });
}

bool Requirement::matches(const Labels& labels) const {
    const auto found = labels.find(key);
    const bool present = found != labels.end();
    if (op == "Exists")
        return present;
    if (op == "DoesNotExist")
        return !present;
    const bool listed = present && std::find(values.begin(), values.end(), found->second) != values.end();
    if (op == "NotIn")
        return !listed;
    if (op == "In")
        return listed;
    if ((op == "Gt" || op == "Lt") && present && values.size() == 1) {
        const long long have = std::strtoll(found->second.c_str(), nullptr, 10),
                        limit = std::strtoll(values[0].c_str(), nullptr, 10);
        return op == "Gt" ? have > limit : have < limit;
    }
    return false;
}

bool NodeTerm::matches(const std::string& node, const Labels& labels) const {
    if (expressions.empty() && fields.empty())
        return false; // upstream: an empty term matches nothing
    const Labels nodeFields{{"metadata.name", node}};
    return std::all_of(expressions.begin(), expressions.end(), [&](const auto& r) { return r.matches(labels); }) &&
           std::all_of(fields.begin(), fields.end(), [&](const auto& r) { return r.matches(nodeFields); });
}

bool NodeRequirement::matches(const std::string& node, const Labels& labels) const {
    if (!containsAll(labels, selector))
        return false;
    return !hasTerms || std::any_of(terms.begin(), terms.end(), [&](const auto& term) { return term.matches(node, labels); });
}

std::optional<std::string> NodeRequirement::pinnedNode() const {
    std::optional<std::string> pinned;
    for (const auto& term : terms) {
        const auto field = std::find_if(term.fields.begin(), term.fields.end(), [](const Requirement& r) {
            return r.key == "metadata.name" && r.op == "In" && r.values.size() == 1;
        });
        if (field == term.fields.end() || (pinned && *pinned != field->values[0]))
            return std::nullopt;
        pinned = field->values[0];
    }
    return pinned;
}

NodeRequirement nodeRequirementOf(const Json& podSpec) {
    NodeRequirement result;
    result.selector = stringMap(at(podSpec, {"nodeSelector"}));
    const Json& terms =
        at(podSpec, {"affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"});
    result.hasTerms = terms.is_array();
    if (result.hasTerms)
        for (const Json& term : terms)
            result.terms.push_back(nodeTermOf(term));
    return result;
}

std::vector<PreferredTerm> preferredNodesOf(const Json& podSpec) {
    std::vector<PreferredTerm> result;
    const Json& list = at(podSpec, {"affinity", "nodeAffinity", "preferredDuringSchedulingIgnoredDuringExecution"});
    if (list.is_array())
        for (const Json& item : list)
            result.push_back({static_cast<int>(intAt(item, {"weight"})), nodeTermOf(at(item, {"preference"}))});
    return result;
}

} // namespace rdmalab::cluster
