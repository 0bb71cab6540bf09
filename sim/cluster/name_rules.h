// The API server's rules for names, with its texts (k8s.io/apimachinery util/validation).
#pragma once

#include <optional>
#include <string>

namespace rdmalab::cluster {

// Each returns the complaint, or nullopt for a good value.
std::optional<std::string> dns1123LabelProblem(const std::string& value);
std::optional<std::string> dns1123SubdomainProblem(const std::string& value);
std::optional<std::string> dns1035LabelProblem(const std::string& value);
std::optional<std::string> qualifiedNameProblem(const std::string& value); // label keys, resource names: "domain/name"
std::optional<std::string> labelValueProblem(const std::string& value);

// metadata.name of an object of this kind.
std::optional<std::string> objectNameProblem(const std::string& kind, const std::string& name);

} // namespace rdmalab::cluster
