#include "sim/cluster/kubelet/container_config.h"

#include "plugins/kernel/files.h"
#include "sim/cluster/kubelet/base64.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/scheduler/amounts.h"

#include <fmt/format.h>

namespace rdmalab::cluster {

namespace {

using Env = std::map<std::string, std::string>;

// $(NAME) of variables that are known already; $$ is a dollar, an unknown name stays as written.
std::string expand(const std::string& text, const Env& env) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '$' || i + 1 == text.size()) {
            out += text[i];
            continue;
        }
        if (text[i + 1] == '$') {
            out += '$';
            ++i;
            continue;
        }
        const auto end = text[i + 1] == '(' ? text.find(')', i) : std::string::npos;
        const auto known = end == std::string::npos ? env.end() : env.find(text.substr(i + 2, end - i - 2));
        if (known == env.end()) {
            out += '$';
            continue;
        }
        out += known->second;
        i = end;
    }
    return out;
}

std::vector<std::string> strings(const Json& list) {
    return list.is_array() ? list.get<std::vector<std::string>>() : std::vector<std::string>{};
}

std::string keyOf(const ContainerInputs& in, const char* kind, const Json& reference, bool& present) {
    const bool secret = std::string_view(kind) == "Secret";
    const std::string name = stringAt(reference, {"name"}), key = stringAt(reference, {"key"});
    const bool optional = boolAt(reference, {"optional"});
    const ObjectPtr object = in.store.find(kind, namespaceOf(in.pod), name);
    present = false;
    if (!object) {
        if (optional)
            return {};
        throw ConfigError(fmt::format("{} \"{}\" not found", secret ? "secret" : "configmap", name));
    }
    if (const Json& plain = at(*object, {secret ? "stringData" : "data", key}); plain.is_string()) {
        present = true;
        return plain.get<std::string>();
    }
    if (const Json& encoded = at(*object, {secret ? "data" : "binaryData", key}); encoded.is_string()) {
        present = true;
        return decodeBase64(encoded.get<std::string>());
    }
    if (optional)
        return {};
    throw ConfigError(
        fmt::format("couldn't find key {} in {} {}/{}", key, secret ? "Secret" : "ConfigMap", namespaceOf(in.pod), name));
}

std::string resourceField(const ContainerInputs& in, const Json& reference) {
    const std::string field = stringAt(reference, {"resource"}); // limits.cpu
    const auto dot = field.find('.');
    const std::string resource = dot == std::string::npos ? "" : field.substr(dot + 1);
    const Amounts own = amountsOf(at(in.container, {"resources", std::string_view(field).substr(0, dot)}));
    const Amounts node = amountsOf(at(in.node, {"status", "allocatable"}));
    std::int64_t amount = 0;
    if (const auto found = own.find(resource); found != own.end())
        amount = found->second;
    else if (const auto all = node.find(resource); all != node.end() && field.starts_with("limits."))
        amount = all->second;
    const Json& divisor = at(reference, {"divisor"});
    const Amounts unit = amountsOf({{resource, divisor.is_null() || divisor == "0" ? Json("1") : divisor}});
    const std::int64_t by = unit.contains(resource) && unit.at(resource) > 0 ? unit.at(resource) : 1;
    return std::to_string((amount + by - 1) / by);
}

void addFrom(const ContainerInputs& in, const Json& source, Env& env) {
    const std::string prefix = stringAt(source, {"prefix"});
    for (const auto& [field, kind] : {std::pair{"configMapRef", "ConfigMap"}, std::pair{"secretRef", "Secret"}}) {
        const Json& reference = at(source, {field});
        if (!reference.is_object())
            continue;
        const bool secret = std::string_view(kind) == "Secret";
        const ObjectPtr object = in.store.find(kind, namespaceOf(in.pod), stringAt(reference, {"name"}));
        if (!object && !boolAt(reference, {"optional"}))
            throw ConfigError(fmt::format("{} \"{}\" not found", secret ? "secret" : "configmap", stringAt(reference, {"name"})));
        if (const Json& data = object ? at(*object, {"data"}) : reference; object && data.is_object())
            for (const auto& [key, value] : data.items())
                env[prefix + key] = secret ? decodeBase64(value.get<std::string>()) : value.get<std::string>();
    }
}

Env environment(const ContainerInputs& in) {
    Env env = in.devices.envs; // the pod's own values win over Allocate's, as they come later in the runtime's list
    Env own = in.serviceEnv;
    if (const Json& sources = at(in.container, {"envFrom"}); sources.is_array())
        for (const Json& source : sources)
            addFrom(in, source, own);
    if (const Json& list = at(in.container, {"env"}); list.is_array())
        for (const Json& entry : list) {
            const std::string name = stringAt(entry, {"name"});
            const Json& from = at(entry, {"valueFrom"});
            bool present = true;
            std::string value;
            if (from.is_null()) {
                value = expand(stringAt(entry, {"value"}), own);
            } else if (from.contains("fieldRef")) {
                const std::string path = stringAt(from, {"fieldRef", "fieldPath"});
                const auto field = fieldValue(in.pod, path);
                if (!field)
                    throw ConfigError(fmt::format("unsupported fieldPath: {}", path));
                value = *field;
            } else if (from.contains("configMapKeyRef")) {
                value = keyOf(in, "ConfigMap", from["configMapKeyRef"], present);
            } else if (from.contains("secretKeyRef")) {
                value = keyOf(in, "Secret", from["secretKeyRef"], present);
            } else if (from.contains("resourceFieldRef")) {
                value = resourceField(in, from["resourceFieldRef"]);
            }
            if (present)
                own[name] = std::move(value);
        }
    for (auto& [name, value] : own)
        env[name] = std::move(value);
    return env;
}

ContainerMount mountOf(const ContainerInputs& in, const Json& mount, const Env& env) {
    const std::string volumeName = stringAt(mount, {"name"});
    const auto volume = in.volumes.find(volumeName);
    if (volume == in.volumes.end())
        throw ConfigError(fmt::format("cannot find volume \"{}\" to mount into container \"{}\"", volumeName,
                                      stringAt(in.container, {"name"})));
    ContainerMount result{stringAt(mount, {"mountPath"}), volume->second.hostPath, boolAt(mount, {"readOnly"}),
                          volume->second.files};
    const std::string subPath =
        mount.contains("subPathExpr") ? expand(stringAt(mount, {"subPathExpr"}), env) : stringAt(mount, {"subPath"});
    if (subPath.empty())
        return result;
    if (result.files.empty()) {
        result.hostPath += "/" + subPath;
        if (!in.files.exists(result.hostPath))
            in.files.makeDirectories(result.hostPath, 0755);
        return result;
    }
    // One file of a ConfigMap: kubelet's own copy of it is mounted over the path.
    const auto file = result.files.find(subPath);
    if (file == result.files.end())
        throw ConfigError(fmt::format("failed to prepare subPath for volumeMount \"{}\" of container \"{}\"", volumeName,
                                      stringAt(in.container, {"name"})));
    const std::string directory =
        podDirectory(uidOf(in.pod)) + "/volume-subpaths/" + volumeName + "/" + stringAt(in.container, {"name"});
    in.files.makeDirectories(directory, 0755);
    result.hostPath = directory + "/" + subPath;
    in.files.write(result.hostPath, file->second, 0644);
    result.files.clear();
    return result;
}

} // namespace

ContainerConfig containerConfig(const ContainerInputs& in) {
    ContainerConfig config;
    config.podUid = uidOf(in.pod);
    config.podNamespace = namespaceOf(in.pod);
    config.podName = nameOf(in.pod);
    config.name = stringAt(in.container, {"name"});
    config.image = stringAt(in.container, {"image"});
    config.env = environment(in);
    for (const auto& part : strings(at(in.container, {"command"})))
        config.command.push_back(expand(part, config.env));
    for (const auto& part : strings(at(in.container, {"args"})))
        config.args.push_back(expand(part, config.env));
    config.workingDir = stringAt(in.container, {"workingDir"});
    if (const Json& mounts = at(in.container, {"volumeMounts"}); mounts.is_array())
        for (const Json& mount : mounts)
            config.mounts.push_back(mountOf(in, mount, config.env));
    for (const auto& mount : in.devices.mounts)
        config.mounts.push_back({mount.containerPath, mount.hostPath, mount.readOnly, {}});
    config.devices = in.devices.devices;
    config.annotations = in.devices.annotations;
    config.cdiDevices = in.devices.cdiDevices;
    config.addCapabilities = strings(at(in.container, {"securityContext", "capabilities", "add"}));
    config.privileged = boolAt(in.container, {"securityContext", "privileged"});
    config.hostNetwork = boolAt(in.pod, {"spec", "hostNetwork"});
    return config;
}

} // namespace rdmalab::cluster
