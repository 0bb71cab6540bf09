#include "sim/cluster/api_errors.h"

#include "sim/cluster/object_meta.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rdmalab::cluster {

using plugin::KubeError;

FieldError FieldError::required(std::string field, const std::string& detail) {
    return {std::move(field), detail.empty() ? "Required value" : "Required value: " + detail};
}
FieldError FieldError::invalid(std::string field, const std::string& value, const std::string& detail) {
    return {std::move(field), fmt::format("Invalid value: {}: {}", value, detail)};
}
FieldError FieldError::forbidden(std::string field, const std::string& detail) {
    return {std::move(field), detail.empty() ? "Forbidden" : "Forbidden: " + detail};
}
FieldError FieldError::duplicate(std::string field, const std::string& value) {
    return {std::move(field), "Duplicate value: " + value};
}
FieldError FieldError::notSupported(std::string field, const std::string& value, const std::vector<std::string>& supported) {
    return {std::move(field), fmt::format("Unsupported value: {}: supported values: {}", value, fmt::join(supported, ", "))};
}

std::string joinErrors(const std::vector<FieldError>& errors) {
    std::vector<std::string> texts;
    for (const FieldError& error : errors)
        if (std::string text = error.str(); std::find(texts.begin(), texts.end(), text) == texts.end())
            texts.push_back(std::move(text));
    return texts.size() == 1 ? texts.front() : fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string qualifiedPlural(const plugin::ResourceType& type) {
    const std::string group = apiGroup(type.apiVersion);
    return group.empty() ? type.plural : type.plural + "." + group;
}

std::string qualifiedKind(const std::string& apiVersion, const std::string& kind) {
    const std::string group = apiGroup(apiVersion);
    return group.empty() ? kind : kind + "." + group;
}

KubeError notFound(const plugin::ResourceType& type, const std::string& name) {
    return {404, "NotFound", fmt::format("{} \"{}\" not found", qualifiedPlural(type), name)};
}
KubeError alreadyExists(const plugin::ResourceType& type, const std::string& name) {
    return {409, "AlreadyExists", fmt::format("{} \"{}\" already exists", qualifiedPlural(type), name)};
}
KubeError conflict(const plugin::ResourceType& type, const std::string& name, const std::string& detail) {
    return {409, "Conflict", fmt::format("Operation cannot be fulfilled on {} \"{}\": {}", qualifiedPlural(type), name, detail)};
}
KubeError modifiedConflict(const plugin::ResourceType& type, const std::string& name) {
    return conflict(type, name, "the object has been modified; please apply your changes to the latest version and try again");
}
KubeError invalid(const std::string& apiVersion, const std::string& kind, const std::string& name,
                  const std::vector<FieldError>& errors) {
    return {422, "Invalid", fmt::format("{} \"{}\" is invalid: {}", qualifiedKind(apiVersion, kind), name, joinErrors(errors))};
}
KubeError forbidden(const plugin::ResourceType& type, const std::string& name, const std::string& detail) {
    return {403, "Forbidden", fmt::format("{} \"{}\" is forbidden: {}", qualifiedPlural(type), name, detail)};
}
KubeError noMatch(const std::string& apiVersion, const std::string& kind) {
    return {404, "NotFound", fmt::format("no matches for kind \"{}\" in version \"{}\"", kind, apiVersion)};
}
KubeError badRequest(const std::string& text) {
    return {400, "BadRequest", text};
}
KubeError webhookDenied(const std::string& webhook, int code, const std::string& reason, const std::string& text) {
    return {code, reason, fmt::format("admission webhook \"{}\" denied the request: {}", webhook, text)};
}

} // namespace rdmalab::cluster
