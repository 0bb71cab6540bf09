#include "sim/cluster/kubelet/pod_volumes.h"

#include "plugins/kernel/files.h"
#include "sim/cluster/kubelet/base64.h"
#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

namespace rdmalab::cluster {

namespace {

using FileMap = std::map<std::string, std::string>;

// `data` (and the base64 texts) of a ConfigMap or Secret; throws MountError when it is missing and not optional.
FileMap keysOf(const Store& store, const std::string& kind, const std::string& ns, const Json& reference, const char* nameKey) {
    const std::string name = stringAt(reference, {nameKey});
    const bool optional = boolAt(reference, {"optional"});
    const ObjectPtr object = store.find(kind, ns, name);
    if (!object) {
        if (optional)
            return {};
        throw MountError(fmt::format("{} \"{}\" not found", kind == "Secret" ? "secret" : "configmap", name));
    }
    FileMap all;
    const auto take = [&](const char* section, bool encoded) {
        if (const Json& data = at(*object, {section}); data.is_object())
            for (const auto& [key, value] : data.items())
                all[key] = encoded ? decodeBase64(value.get<std::string>()) : value.get<std::string>();
    };
    take(kind == "Secret" ? "stringData" : "data", false);
    take(kind == "Secret" ? "data" : "binaryData", true);
    const Json& items = at(reference, {"items"});
    if (!items.is_array())
        return all;
    FileMap chosen;
    for (const Json& item : items) {
        const std::string key = stringAt(item, {"key"});
        if (const auto found = all.find(key); found != all.end())
            chosen[stringAt(item, {"path"})] = found->second;
        else if (!optional)
            throw MountError(fmt::format("references non-existent {} key: {}", kind == "Secret" ? "secret" : "config", key));
    }
    return chosen;
}

FileMap downwardFiles(const Json& pod, const Json& source) {
    FileMap files;
    if (const Json& items = at(source, {"items"}); items.is_array())
        for (const Json& item : items)
            files[stringAt(item, {"path"})] = fieldValue(pod, stringAt(item, {"fieldRef", "fieldPath"})).value_or("");
    return files;
}

FileMap projectedFiles(const Json& pod, const Store& store, const Json& source) {
    FileMap files;
    const auto take = [&](FileMap part) {
        for (auto& [name, content] : part)
            files[name] = std::move(content);
    };
    if (const Json& sources = at(source, {"sources"}); sources.is_array())
        for (const Json& part : sources) {
            if (part.contains("configMap"))
                take(keysOf(store, "ConfigMap", namespaceOf(pod), part["configMap"], "name"));
            else if (part.contains("secret"))
                take(keysOf(store, "Secret", namespaceOf(pod), part["secret"], "name"));
            else if (part.contains("downwardAPI"))
                take(downwardFiles(pod, part["downwardAPI"]));
            else if (part.contains("serviceAccountToken"))
                files[stringAt(part["serviceAccountToken"], {"path"})] = "token-of-" + uidOf(pod);
        }
    return files;
}

std::string prepareHostPath(const Json& source, plugin::Files& files) {
    const std::string path = stringAt(source, {"path"}), type = stringAt(source, {"type"});
    if (type.empty())
        return path;
    const auto kind = files.status(path).kind;
    if (kind == plugin::FileKind::missing && type == "DirectoryOrCreate") {
        files.makeDirectories(path, 0755);
        return path;
    }
    if (kind == plugin::FileKind::missing && type == "FileOrCreate") {
        files.write(path, "", 0644);
        return path;
    }
    const auto check = [&](bool fine, const char* what) {
        if (!fine)
            throw MountError(fmt::format("hostPath type check failed: {} is not a {}", path, what));
    };
    if (type.starts_with("Directory"))
        check(kind == plugin::FileKind::directory, "directory");
    else if (type.starts_with("File"))
        check(kind == plugin::FileKind::regular, "file");
    else if (type == "Socket")
        check(kind == plugin::FileKind::socket, "socket file");
    else if (type == "CharDevice")
        check(kind == plugin::FileKind::characterDevice, "character device");
    else if (type == "BlockDevice")
        check(kind == plugin::FileKind::blockDevice, "block device");
    return path;
}

VolumeSource prepareVolume(const Json& pod, const Json& volume, const Store& store, plugin::Files& files) {
    const auto directory = [&](const char* plugin) {
        const std::string path = podDirectory(uidOf(pod)) + "/volumes/" + plugin + "/" + stringAt(volume, {"name"});
        files.makeDirectories(path, 0777);
        return VolumeSource{path, {}};
    };
    if (volume.contains("hostPath"))
        return {prepareHostPath(volume["hostPath"], files), {}};
    if (volume.contains("configMap"))
        return {{}, keysOf(store, "ConfigMap", namespaceOf(pod), volume["configMap"], "name")};
    if (volume.contains("secret"))
        return {{}, keysOf(store, "Secret", namespaceOf(pod), volume["secret"], "secretName")};
    if (volume.contains("downwardAPI"))
        return {{}, downwardFiles(pod, volume["downwardAPI"])};
    if (volume.contains("projected"))
        return {{}, projectedFiles(pod, store, volume["projected"])};
    // A claim is a fresh directory too: there is no storage here.
    return directory(volume.contains("persistentVolumeClaim") ? "kubernetes.io~local-volume" : "kubernetes.io~empty-dir");
}

// labels and annotations as a downward API file: key="value" lines.
std::string mapLines(const Json& map) {
    std::string text;
    if (map.is_object())
        for (const auto& [key, value] : map.items())
            text += key + "=" + value.dump() + "\n";
    if (!text.empty())
        text.pop_back();
    return text;
}

std::string joinedIps(const Json& list) {
    std::string text;
    if (list.is_array())
        for (const Json& entry : list)
            text += (text.empty() ? "" : ",") + entry.value("ip", std::string());
    return text;
}

} // namespace

std::string podDirectory(const std::string& podUid) {
    return "/var/lib/kubelet/pods/" + podUid;
}

std::map<std::string, VolumeSource> preparePodVolumes(const Json& pod, const Store& store, plugin::Files& files) {
    std::map<std::string, VolumeSource> result;
    if (const Json& volumes = at(pod, {"spec", "volumes"}); volumes.is_array())
        for (const Json& volume : volumes) {
            const std::string name = stringAt(volume, {"name"});
            try {
                result[name] = prepareVolume(pod, volume, store, files);
            } catch (const std::exception& error) {
                throw MountError(fmt::format("MountVolume.SetUp failed for volume \"{}\" : {}", name, error.what()));
            }
        }
    return result;
}

std::optional<std::string> fieldValue(const Json& pod, const std::string& path) {
    if (path == "metadata.name")
        return nameOf(pod);
    if (path == "metadata.namespace")
        return namespaceOf(pod);
    if (path == "metadata.uid")
        return uidOf(pod);
    if (path == "metadata.labels" || path == "metadata.annotations")
        return mapLines(at(pod, {"metadata", std::string_view(path).substr(9)}));
    for (const char* section : {"labels", "annotations"})
        if (const std::string prefix = std::string("metadata.") + section + "['";
            path.starts_with(prefix) && path.ends_with("']"))
            return stringAt(pod,
                            {"metadata", section, std::string_view(path).substr(prefix.size(), path.size() - prefix.size() - 2)});
    for (const char* field : {"nodeName", "serviceAccountName"})
        if (path == std::string("spec.") + field)
            return stringAt(pod, {"spec", field});
    if (path == "status.hostIP" || path == "status.podIP")
        return stringAt(pod, {"status", std::string_view(path).substr(7)});
    if (path == "status.podIPs" || path == "status.hostIPs")
        return joinedIps(at(pod, {"status", std::string_view(path).substr(7)}));
    return std::nullopt;
}

} // namespace rdmalab::cluster
