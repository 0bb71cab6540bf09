// Which nodes a pod accepts and which accept it: taints, selectors, node affinity. Shared by scheduler, kubelet and controllers.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::cluster {

using Labels = std::map<std::string, std::string>;

struct Taint {
    std::string key, value, effect; // NoSchedule, PreferNoSchedule, NoExecute
    std::string text() const { return "{" + key + ": " + value + "}"; }
};

struct Toleration {
    std::string key, op, value, effect; // empty effect: all; empty key with Exists: every taint
    std::optional<long long> seconds;
    bool tolerates(const Taint& taint) const;
};

Labels labelsOf(const nlohmann::json& object); // metadata.labels
std::vector<Taint> taintsOf(const nlohmann::json& node);
std::vector<Toleration> tolerationsOf(const nlohmann::json& podSpec);
bool isTolerated(const Taint& taint, const std::vector<Toleration>& tolerations);

// A requirement of node affinity: In, NotIn, Exists, DoesNotExist, Gt, Lt.
struct Requirement {
    std::string key, op;
    std::vector<std::string> values;
    bool matches(const Labels& labels) const;
};

struct NodeTerm {
    std::vector<Requirement> expressions, fields; // a field is metadata.name
    bool matches(const std::string& node, const Labels& labels) const;
};

// nodeSelector and required node affinity.
struct NodeRequirement {
    Labels selector;
    bool hasTerms = false;
    std::vector<NodeTerm> terms; // one must match

    bool matches(const std::string& node, const Labels& labels) const;
    // The only node that can match, when every term names one and the same by matchFields.
    std::optional<std::string> pinnedNode() const;
};
NodeRequirement nodeRequirementOf(const nlohmann::json& podSpec);

struct PreferredTerm {
    int weight = 0;
    NodeTerm term;
};
std::vector<PreferredTerm> preferredNodesOf(const nlohmann::json& podSpec);

} // namespace rdmalab::cluster
