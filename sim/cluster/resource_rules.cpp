#include "sim/cluster/api_errors.h"
#include "sim/cluster/core_admission.h"
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/quantity.h"

#include <fmt/format.h>

namespace rdmalab::cluster {
namespace {

bool isHugePages(const std::string& name) {
    return name.starts_with("hugepages-");
}
bool isStandard(const std::string& name) {
    return name == "cpu" || name == "memory" || name == "ephemeral-storage" || isHugePages(name);
}
bool mayOvercommit(const std::string& name) {
    return !isExtendedResource(name) && !isHugePages(name);
}

void checkEntry(const std::string& name, const Json& value, const std::string& field, std::vector<FieldError>& errors) {
    if (const auto problem = qualifiedNameProblem(name)) {
        errors.push_back(FieldError::invalid(field, Json(name).dump(), *problem));
        return;
    }
    if (name.find('/') == std::string::npos && !isStandard(name))
        errors.push_back(FieldError::invalid(field, Json(name).dump(), "must be a standard resource for containers"));
    const auto quantity = Quantity::of(value);
    if (!quantity) {
        errors.push_back(FieldError::invalid(field, value.dump(), std::string(quantityProblem)));
        return;
    }
    const std::string printed = Json(quantity->str()).dump();
    if (quantity->isNegative())
        errors.push_back(FieldError::invalid(field, printed, "must be greater than or equal to 0"));
    if (isExtendedResource(name) && !quantity->isInteger())
        errors.push_back(FieldError::invalid(field, printed, "must be an integer"));
}

} // namespace

bool isExtendedResource(const std::string& name) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || name.starts_with("requests."))
        return false;
    const std::string domain = name.substr(0, slash);
    return domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io");
}

std::vector<FieldError> resourceProblems(const Json& resources, const std::string& path) {
    std::vector<FieldError> errors;
    const Json &limits = at(resources, {"limits"}), &requests = at(resources, {"requests"});
    for (const auto& [name, value] : limits.items())
        checkEntry(name, value, fmt::format("{}.limits[{}]", path, name), errors);
    for (const auto& [name, value] : requests.items()) {
        checkEntry(name, value, fmt::format("{}.requests[{}]", path, name), errors);
        const auto request = Quantity::of(value);
        const Json& limitValue = at(limits, {name});
        if (limitValue.is_null()) {
            if (!mayOvercommit(name))
                errors.push_back(FieldError::required(path + ".limits", "Limit must be set for non overcommitable resources"));
            continue;
        }
        const auto limit = Quantity::of(limitValue);
        if (!request || !limit)
            continue;
        const auto differs = [&](const char* relation) {
            errors.push_back(FieldError::invalid(path + ".requests", Json(request->str()).dump(),
                                                 fmt::format("must be {} {} limit of {}", relation, name, limit->str())));
        };
        if (*request != *limit && !mayOvercommit(name))
            differs("equal to");
        else if (*request > *limit)
            differs("less than or equal to");
    }
    return errors;
}

} // namespace rdmalab::cluster
