// The API server's refusals, with its codes, reasons and texts (k8s.io/apimachinery api/errors and util/validation/field).
#pragma once

#include "plugins/kube/kube_client.h"

#include <string>
#include <vector>

namespace rdmalab::cluster {

// One finding of a validation. `text` is all that stands after "<field>: ".
struct FieldError {
    std::string field, text;

    static FieldError required(std::string field, const std::string& detail);
    // `value` as it is printed: strings with their quotes, objects as JSON.
    static FieldError invalid(std::string field, const std::string& value, const std::string& detail);
    static FieldError forbidden(std::string field, const std::string& detail);
    static FieldError duplicate(std::string field, const std::string& value);
    static FieldError notSupported(std::string field, const std::string& value, const std::vector<std::string>& supported);

    std::string str() const { return field + ": " + text; }
};

// "a" for one, "[a, b]" for several, without repetitions.
std::string joinErrors(const std::vector<FieldError>& errors);

// "pods", "daemonsets.apps"
std::string qualifiedPlural(const plugin::ResourceType& type);
// "Pod", "DaemonSet.apps"
std::string qualifiedKind(const std::string& apiVersion, const std::string& kind);

plugin::KubeError notFound(const plugin::ResourceType& type, const std::string& name);
plugin::KubeError alreadyExists(const plugin::ResourceType& type, const std::string& name);
plugin::KubeError conflict(const plugin::ResourceType& type, const std::string& name, const std::string& detail);
plugin::KubeError modifiedConflict(const plugin::ResourceType& type, const std::string& name);
plugin::KubeError invalid(const std::string& apiVersion, const std::string& kind, const std::string& name,
                          const std::vector<FieldError>& errors);
plugin::KubeError forbidden(const plugin::ResourceType& type, const std::string& name, const std::string& detail);
plugin::KubeError noMatch(const std::string& apiVersion, const std::string& kind);
plugin::KubeError badRequest(const std::string& text);
// `admission webhook "<webhook>" denied the request: <text>`
plugin::KubeError webhookDenied(const std::string& webhook, int code, const std::string& reason, const std::string& text);

} // namespace rdmalab::cluster
