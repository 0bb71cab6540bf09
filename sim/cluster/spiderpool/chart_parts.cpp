#include "sim/cluster/spiderpool/chart_parts.h"

#include "sim/cluster/spiderpool/chart_values.h"

namespace rdmalab::cluster {

ChartContext::ChartContext(const Json& userValues, SpiderpoolProfile profile, std::string releaseNamespace)
    : values_(mergedChartValues(userValues, profile)), profile_(profile), ns_(std::move(releaseNamespace)) {}

std::string ChartContext::image(const Json& image) const {
    const std::string over = stringAt(values_, {"global", "imageRegistryOverride"}), registry = stringAt(image, {"registry"});
    std::string name = !over.empty() ? over + "/" : !registry.empty() ? registry + "/" : "";
    name += stringAt(image, {"repository"});
    if (const std::string digest = stringAt(image, {"digest"}); !digest.empty())
        return name + "@" + digest;
    const std::string tag = text(at(image, {"tag"}));
    return name + ":" + (tag.empty() ? "v" + appVersion() : tag);
}

Json ChartContext::selectorLabels(const std::string& component) const {
    return {{"app.kubernetes.io/name", "spiderpool"},
            {"app.kubernetes.io/instance", "spiderpool"},
            {"app.kubernetes.io/component", component}};
}

Json ChartContext::labels(const std::string& component) const {
    Json all = selectorLabels(component);
    all["helm.sh/chart"] = "spiderpool-" + appVersion();
    all["app.kubernetes.io/version"] = appVersion();
    all["app.kubernetes.io/managed-by"] = "Helm";
    all.update(values_["global"]["commonLabels"]);
    return all;
}

Json ChartContext::metadata(const std::string& name, const std::string& component) const {
    Json meta = {{"name", name}, {"namespace", ns_}, {"labels", labels(component)}};
    if (const Json& annotations = values_["global"]["commonAnnotations"]; !annotations.empty())
        meta["annotations"] = annotations;
    return meta;
}

Json ChartContext::container(const std::string& name, const Json& imageValues) const {
    return {{"name", name},
            {"image", image(imageValues)},
            {"imagePullPolicy", stringAt(imageValues, {"pullPolicy"}, "IfNotPresent")}};
}

void ChartContext::addProbes(Json& container, const Json& component, int readinessDelay) const {
    const Json& thresholds = component["healthChecking"];
    const auto probe = [&](const char* what, const char* key) {
        return Json{{"httpGet",
                     {{"host", boolAt(values_, {"ipam", "enableIPv4"}) ? "127.0.0.1" : "::1"},
                      {"path", std::string("/v1/runtime/") + what},
                      {"port", component["httpPort"]},
                      {"scheme", "HTTP"}}},
                    {"failureThreshold", thresholds[key]["failureThreshold"]},
                    {"periodSeconds", thresholds[key]["periodSeconds"]},
                    {"successThreshold", 1}};
    };
    container["startupProbe"] = probe("startup", "startupProbe");
    container["livenessProbe"] = probe("liveness", "livenessProbe");
    container["livenessProbe"]["initialDelaySeconds"] = 10;
    container["livenessProbe"]["timeoutSeconds"] = 1;
    container["readinessProbe"] = probe("readiness", "readinessProbe");
    container["readinessProbe"]["timeoutSeconds"] = 1;
    if (readinessDelay > 0)
        container["readinessProbe"]["initialDelaySeconds"] = readinessDelay;
}

std::string text(const Json& value) {
    return value.is_null() ? std::string() : value.is_string() ? value.get<std::string>() : value.dump();
}

Json env(const std::string& name, const Json& value) {
    return {{"name", name}, {"value", text(value)}};
}

Json envFromField(const std::string& name, const std::string& fieldPath) {
    return {{"name", name}, {"valueFrom", {{"fieldRef", {{"fieldPath", fieldPath}}}}}};
}

Json mount(const std::string& volume, const std::string& path, bool readOnly) {
    Json made = {{"name", volume}, {"mountPath", path}};
    if (readOnly)
        made["readOnly"] = true;
    return made;
}

Json hostPathVolume(const std::string& name, const std::string& path, bool create) {
    Json source = {{"path", path}};
    if (create)
        source["type"] = "DirectoryOrCreate";
    return {{"name", name}, {"hostPath", std::move(source)}};
}

Json configMapVolume(const std::string& name, const std::string& configMap, const Json& items, int mode) {
    Json source = {{"name", configMap}};
    if (!items.is_null())
        source["items"] = items;
    if (mode != 0)
        source["defaultMode"] = mode;
    return {{"name", name}, {"configMap", std::move(source)}};
}

std::string directoryOf(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

void appendAll(Json& list, const Json& more) {
    for (const Json& item : more)
        list.push_back(item);
}

} // namespace rdmalab::cluster
