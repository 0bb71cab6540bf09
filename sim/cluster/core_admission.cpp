#include "sim/cluster/core_admission.h"

#include "sim/cluster/api_errors.h"
#include "sim/cluster/label_selector.h"
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/quantity.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace rdmalab::cluster {
namespace {

using Errors = std::vector<FieldError>;

bool hasTemplate(const std::string& kind) {
    return kind == "DaemonSet" || kind == "Deployment" || kind == "ReplicaSet" || kind == "StatefulSet" || kind == "Job";
}

void setDefault(Json& object, const char* key, Json value) {
    if (!object.contains(key))
        object[key] = std::move(value);
}

// --- defaults ----------------------------------------------------------------------------------------------------------------

void canonicalise(Json& list) {
    for (auto& [name, value] : list.items())
        if (const auto quantity = Quantity::of(value))
            value = quantity->str();
}

void defaultContainer(Json& container) {
    if (!container.is_object())
        return;
    const auto found = container.find("resources");
    if (found != container.end() && found->is_object()) {
        Json& resources = *found;
        for (const char* key : {"limits", "requests"})
            if (resources.contains(key))
                canonicalise(resources[key]);
        for (const auto& [name, value] : at(resources, {"limits"}).items()) {
            Json& requests = resources["requests"];
            if (!requests.is_object() || !requests.contains(name))
                requests[name] = value;
        }
    }
    if (!container.contains("imagePullPolicy")) {
        // No tag or "latest" is looked up every time.
        const std::string image = stringAt(container, {"image"});
        const auto name = image.rfind('/') == std::string::npos ? image : image.substr(image.rfind('/') + 1);
        const auto colon = name.find(':');
        const bool always =
            name.find('@') == std::string::npos && (colon == std::string::npos || name.substr(colon) == ":latest");
        container["imagePullPolicy"] = always ? "Always" : "IfNotPresent";
    }
}

void defaultPodSpec(Json& spec) {
    setDefault(spec, "restartPolicy", "Always");
    setDefault(spec, "dnsPolicy", "ClusterFirst");
    setDefault(spec, "terminationGracePeriodSeconds", 30);
    setDefault(spec, "schedulerName", "default-scheduler");
    for (const char* key : {"initContainers", "containers"})
        if (const auto list = spec.find(key); list != spec.end() && list->is_array())
            for (Json& container : *list)
                defaultContainer(container);
}

bool tolerates(const Json& tolerations, const std::string& key) {
    return std::any_of(tolerations.begin(), tolerations.end(), [&](const Json& toleration) {
        const std::string theirKey = stringAt(toleration, {"key"}), effect = stringAt(toleration, {"effect"});
        return (theirKey == key || (theirKey.empty() && stringAt(toleration, {"operator"}) == "Exists")) &&
               (effect.empty() || effect == "NoExecute");
    });
}

// Admission plugin DefaultTolerationSeconds.
void addDefaultTolerations(Json& spec) {
    for (const char* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
        if (tolerates(at(spec, {"tolerations"}), key))
            continue;
        Json& tolerations = spec["tolerations"];
        if (!tolerations.is_array())
            tolerations = Json::array();
        tolerations.push_back({{"key", key}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
    }
}

const char* qosClass(const Json& spec) {
    bool any = false, guaranteed = true;
    for (const char* key : {"initContainers", "containers"})
        for (const Json& container : at(spec, {key}))
            for (const char* name : {"cpu", "memory"}) {
                const auto limit = Quantity::of(at(container, {"resources", "limits", name}));
                const auto request = Quantity::of(at(container, {"resources", "requests", name}));
                any = any || (limit && !limit->isZero()) || (request && !request->isZero());
                guaranteed = guaranteed && limit && !limit->isZero() && request == limit;
            }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

void defaultPod(AdmissionRequest& request) {
    if (request.operation != Operation::create)
        return;
    Json& spec = request.object["spec"];
    if (!spec.is_object())
        return;
    defaultPodSpec(spec);
    setDefault(spec, "serviceAccountName", "default");
    addDefaultTolerations(spec);
    Json& status = request.object["status"];
    if (!status.is_object())
        status = Json::object();
    setDefault(status, "phase", "Pending");
    setDefault(status, "qosClass", qosClass(spec));
}

void defaultWorkload(Json& object) {
    const std::string& kind = kindOf(object);
    Json& spec = object["spec"];
    if (!spec.is_object())
        return;
    if (kind == "DaemonSet") {
        setDefault(spec, "updateStrategy", Json::object());
        setDefault(spec["updateStrategy"], "type", "RollingUpdate");
        if (spec["updateStrategy"]["type"] == "RollingUpdate") {
            setDefault(spec["updateStrategy"], "rollingUpdate", Json::object());
            setDefault(spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", 1);
            setDefault(spec["updateStrategy"]["rollingUpdate"], "maxSurge", 0);
        }
        setDefault(spec, "revisionHistoryLimit", 10);
    } else if (kind == "Deployment") {
        setDefault(spec, "strategy", Json::object());
        setDefault(spec["strategy"], "type", "RollingUpdate");
        if (spec["strategy"]["type"] == "RollingUpdate") {
            setDefault(spec["strategy"], "rollingUpdate", Json::object());
            setDefault(spec["strategy"]["rollingUpdate"], "maxUnavailable", "25%");
            setDefault(spec["strategy"]["rollingUpdate"], "maxSurge", "25%");
        }
        setDefault(spec, "revisionHistoryLimit", 10);
        setDefault(spec, "progressDeadlineSeconds", 600);
    } else if (kind == "StatefulSet") {
        setDefault(spec, "podManagementPolicy", "OrderedReady");
        setDefault(spec, "updateStrategy", Json::object());
        setDefault(spec["updateStrategy"], "type", "RollingUpdate");
        setDefault(spec, "revisionHistoryLimit", 10);
    } else if (kind == "Job") {
        setDefault(spec, "backoffLimit", 6);
        setDefault(spec, "completionMode", "NonIndexed");
        if (!spec.contains("completions") && !spec.contains("parallelism"))
            spec["completions"] = 1;
        setDefault(spec, "parallelism", 1);
    }
    if (kind == "Deployment" || kind == "ReplicaSet" || kind == "StatefulSet")
        setDefault(spec, "replicas", 1);
    if (const auto pod = spec.find("template"); pod != spec.end() && pod->is_object() && at(*pod, {"spec"}).is_object())
        defaultPodSpec((*pod)["spec"]);
}

// --- validation --------------------------------------------------------------------------------------------------------------

std::string printLabels(const Json& labels) {
    std::vector<std::string> entries;
    for (const auto& [key, value] : labels.items())
        entries.push_back(Json(key).dump() + ":" + value.dump());
    return fmt::format("map[string]string{{{}}}", fmt::join(entries, ", "));
}

void checkLabels(const Json& labels, const std::string& path, Errors& errors) {
    for (const auto& [key, value] : labels.items()) {
        if (const auto problem = qualifiedNameProblem(key))
            errors.push_back(FieldError::invalid(path, Json(key).dump(), *problem));
        if (const auto problem = value.is_string() ? labelValueProblem(value.get<std::string>()) : std::nullopt)
            errors.push_back(FieldError::invalid(path, value.dump(), *problem));
    }
}

void checkContainers(const Json& spec, const char* key, const std::string& path, const std::set<std::string>& volumes,
                     std::set<std::string>& names, Errors& errors) {
    std::size_t i = 0;
    for (const Json& container : at(spec, {key})) {
        const std::string field = fmt::format("{}.{}[{}]", path, key, i++), name = stringAt(container, {"name"});
        if (name.empty())
            errors.push_back(FieldError::required(field + ".name", ""));
        else if (const auto problem = dns1123LabelProblem(name))
            errors.push_back(FieldError::invalid(field + ".name", Json(name).dump(), *problem));
        else if (!names.insert(name).second)
            errors.push_back(FieldError::duplicate(field + ".name", Json(name).dump()));
        if (stringAt(container, {"image"}).empty())
            errors.push_back(FieldError::required(field + ".image", ""));
        std::size_t m = 0;
        for (const Json& mount : at(container, {"volumeMounts"})) {
            const std::string mountField = fmt::format("{}.volumeMounts[{}]", field, m++), volume = stringAt(mount, {"name"});
            if (volume.empty())
                errors.push_back(FieldError::required(mountField + ".name", ""));
            else if (!volumes.contains(volume))
                errors.push_back({mountField + ".name", "Not found: " + Json(volume).dump()});
            if (stringAt(mount, {"mountPath"}).empty())
                errors.push_back(FieldError::required(mountField + ".mountPath", ""));
        }
        for (FieldError& error : resourceProblems(at(container, {"resources"}), field + ".resources"))
            errors.push_back(std::move(error));
    }
}

void checkPodSpec(const Json& spec, const std::string& path, Errors& errors) {
    std::set<std::string> volumes, names;
    std::size_t i = 0;
    for (const Json& volume : at(spec, {"volumes"})) {
        const std::string field = fmt::format("{}.volumes[{}].name", path, i++), name = stringAt(volume, {"name"});
        if (name.empty())
            errors.push_back(FieldError::required(field, ""));
        else if (const auto problem = dns1123LabelProblem(name))
            errors.push_back(FieldError::invalid(field, Json(name).dump(), *problem));
        else if (!volumes.insert(name).second)
            errors.push_back(FieldError::duplicate(field, Json(name).dump()));
    }
    if (at(spec, {"containers"}).empty())
        errors.push_back(FieldError::required(path + ".containers", ""));
    checkContainers(spec, "containers", path, volumes, names, errors);
    checkContainers(spec, "initContainers", path, volumes, names, errors);
    const std::string policy = stringAt(spec, {"restartPolicy"});
    if (policy != "Always" && policy != "OnFailure" && policy != "Never")
        errors.push_back(
            FieldError::notSupported(path + ".restartPolicy", Json(policy).dump(), {"\"Always\"", "\"OnFailure\"", "\"Never\""}));
    for (const auto& [key, value] : at(spec, {"nodeSelector"}).items())
        if (const auto problem = qualifiedNameProblem(key))
            errors.push_back(FieldError::invalid(path + ".nodeSelector", Json(key).dump(), *problem));
}

void checkTemplatePolicy(const std::string& kind, const Json& spec, Errors& errors) {
    const std::string policy = stringAt(spec, {"template", "spec", "restartPolicy"});
    const bool job = kind == "Job";
    if (job ? policy == "Always" : policy != "Always")
        errors.push_back(FieldError::notSupported("spec.template.spec.restartPolicy", Json(policy).dump(),
                                                  job ? std::vector<std::string>{"\"OnFailure\"", "\"Never\""}
                                                      : std::vector<std::string>{"\"Always\""}));
}

Errors workloadProblems(const Json& object) {
    Errors errors;
    const std::string& kind = kindOf(object);
    const Json &spec = at(object, {"spec"}), &selector = at(spec, {"selector"});
    const Json& labels = at(spec, {"template", "metadata", "labels"});
    if (kind != "Job") {
        if (selector.is_null())
            errors.push_back(FieldError::required("spec.selector", ""));
        else
            errors = labelSelectorProblems(selector, "spec.selector");
        if (errors.empty() && at(selector, {"matchLabels"}).empty() && at(selector, {"matchExpressions"}).empty()) {
            std::string lower = kind;
            std::transform(lower.begin(), lower.end(), lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            errors.push_back(FieldError::invalid("spec.selector", selector.dump(), "empty selector is invalid for " + lower));
        } else if (errors.empty() && !matchesSelector(selector, labels)) {
            errors.push_back(FieldError::invalid("spec.template.metadata.labels", printLabels(labels),
                                                 "`selector` does not match template `labels`"));
        }
    }
    checkLabels(labels, "spec.template.labels", errors);
    checkPodSpec(at(spec, {"template", "spec"}), "spec.template.spec", errors);
    checkTemplatePolicy(kind, spec, errors);
    return errors;
}

// What an update of a pod may change: images, added tolerations, a sooner deadline; binding sets nodeName once.
bool changesTooMuch(const Json& spec, const Json& old) {
    Json now = spec, before = old;
    if (stringAt(before, {"nodeName"}).empty())
        now.erase("nodeName"), before.erase("nodeName");
    for (Json* side : {&now, &before}) {
        for (const char* key : {"containers", "initContainers"})
            if (side->contains(key))
                for (Json& container : (*side)[key])
                    container.erase("image"), container.erase("imagePullPolicy");
        side->erase("tolerations");
        side->erase("activeDeadlineSeconds");
        side->erase("terminationGracePeriodSeconds");
        side->erase("schedulingGates");
    }
    return now != before;
}

void validatePod(AdmissionRequest& request) {
    if (request.operation == Operation::remove)
        return;
    const Json& object = request.object;
    Errors errors;
    if (request.operation == Operation::create) {
        checkLabels(at(object, {"metadata", "labels"}), "metadata.labels", errors);
        checkPodSpec(at(object, {"spec"}), "spec", errors);
    } else if (at(object, {"spec"}) != at(*request.old, {"spec"}) &&
               changesTooMuch(at(object, {"spec"}), at(*request.old, {"spec"}))) {
        errors.push_back(FieldError::forbidden(
            "spec", "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
                    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
                    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"));
    }
    if (!errors.empty())
        throw invalid("v1", "Pod", nameOf(object), errors);
}

void validateWorkload(AdmissionRequest& request) {
    if (request.operation == Operation::remove)
        return;
    const Json& object = request.object;
    // A status write or a scaling leaves the rest alone: no need to look at it again.
    if (request.old && at(object, {"spec", "template"}) == at(*request.old, {"spec", "template"}) &&
        at(object, {"spec", "selector"}) == at(*request.old, {"spec", "selector"}))
        return;
    Errors errors = workloadProblems(object);
    if (request.old && kindOf(object) != "Job" && at(object, {"spec", "selector"}) != at(*request.old, {"spec", "selector"}))
        errors.push_back(FieldError::invalid("spec.selector", at(object, {"spec", "selector"}).dump(), "field is immutable"));
    if (!errors.empty())
        throw invalid(stringAt(object, {"apiVersion"}), kindOf(object), nameOf(object), errors);
}

// Admission plugin NamespaceLifecycle.
void requireNamespace(const Store& store, const plugin::ResourceType& type, const AdmissionRequest& request) {
    if (request.operation != Operation::create)
        return;
    const std::string& ns = namespaceOf(request.object);
    const ObjectPtr space = store.find("Namespace", "", ns);
    if (!space)
        throw notFound(*store.findType("v1", "Namespace"), ns);
    if (isTerminating(*space))
        throw forbidden(type, nameOf(request.object),
                        fmt::format("unable to create new content in namespace {} because it is being terminated", ns));
}

} // namespace

void installCoreAdmission(Store& store) {
    for (const plugin::ResourceType& type : store.types()) {
        if (type.namespaced)
            store.addValidation(type.kind, [&store, type](AdmissionRequest& request) { requireNamespace(store, type, request); });
        if (!hasTemplate(type.kind))
            continue;
        store.addMutation(type.kind, [](AdmissionRequest& request) { defaultWorkload(request.object); });
        store.addValidation(type.kind, validateWorkload);
    }
    store.addMutation("Pod", defaultPod);
    store.addValidation("Pod", validatePod);
    store.addMutation("Namespace", [](AdmissionRequest& request) {
        request.object["metadata"]["labels"]["kubernetes.io/metadata.name"] = nameOf(request.object);
        if (request.operation == Operation::create)
            request.object["status"]["phase"] = "Active";
    });
}

Errors coreProblems(Json object) {
    Errors errors;
    if (const auto problem = nameOf(object).empty() ? std::nullopt : objectNameProblem(kindOf(object), nameOf(object)))
        errors.push_back(FieldError::invalid("metadata.name", Json(nameOf(object)).dump(), *problem));
    if (kindOf(object) == "Pod") {
        AdmissionRequest request{Operation::create, object, nullptr};
        defaultPod(request);
        checkLabels(at(object, {"metadata", "labels"}), "metadata.labels", errors);
        checkPodSpec(at(object, {"spec"}), "spec", errors);
    } else if (hasTemplate(kindOf(object))) {
        defaultWorkload(object);
        for (FieldError& error : workloadProblems(object))
            errors.push_back(std::move(error));
    }
    return errors;
}

} // namespace rdmalab::cluster
