// metav1.LabelSelector: matchLabels and matchExpressions, all ANDed.
#pragma once

#include "sim/cluster/api_errors.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace rdmalab::cluster {

// Whether `selector` matches the labels (an object of strings, or null). An empty selector matches everything, null nothing.
bool matchesSelector(const nlohmann::json& selector, const nlohmann::json& labels);

// Findings of the API server about a selector at `path`.
std::vector<FieldError> labelSelectorProblems(const nlohmann::json& selector, const std::string& path);

// `kubectl -l` syntax: "app=a,tier!=b,x in (1,2),y notin (3),z,!w" as a LabelSelector. Throws plugin::KubeError (BadRequest).
nlohmann::json parseSelector(const std::string& text);

} // namespace rdmalab::cluster
