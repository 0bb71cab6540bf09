#include "plugins/cni/protocol/network_config.h"

#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin {

namespace {

std::string extensionOf(const std::string& name) {
    const auto dot = name.rfind('.');
    return dot == std::string::npos ? "" : name.substr(dot);
}

std::string join(const std::string& directory, const std::string& name) {
    return (directory.ends_with('/') ? directory : directory + "/") + name;
}

std::string trimmed(std::string directory) {
    while (directory.size() > 1 && directory.ends_with('/'))
        directory.pop_back();
    return directory;
}

// "true"/"false" are accepted as strings too.
bool flexibleBool(const nlohmann::json& config, const char* key) {
    const auto& value = memberOf(config, key);
    if (value.is_null())
        return false;
    if (value.is_boolean())
        return value.get<bool>();
    if (value.is_string()) {
        const auto text = value.get<std::string>();
        if (text == "true" || text == "True" || text == "TRUE")
            return true;
        if (text == "false" || text == "False" || text == "FALSE")
            return false;
        throw std::runtime_error(fmt::format("error parsing configuration list: invalid value {} for {}", goQuote(text), key));
    }
    throw std::runtime_error(fmt::format("error parsing configuration list: invalid {} type {}", key, value.type_name()));
}

// The highest of cniVersion and cniVersions that this implementation knows.
std::string chosenVersion(const nlohmann::json& config) {
    auto version = stringOf(config, "cniVersion");
    auto offered = stringsOf(config, "cniVersions");
    if (offered.empty())
        return version;
    offered.push_back(version);
    std::string best;
    for (const auto& candidate : offered)
        if (!candidate.empty() && versionAtLeast(allCniVersions().back(), candidate) &&
            (best.empty() || versionAtLeast(candidate, best)))
            best = candidate;
    return best;
}

} // namespace

std::vector<std::string> configFiles(Files& files, const std::string& directory, const std::vector<std::string>& extensions) {
    std::vector<std::string> paths;
    if (files.status(directory).kind != FileKind::directory)
        return paths;
    for (const auto& entry : files.list(directory)) {
        const auto path = join(directory, entry.name);
        if (std::find(extensions.begin(), extensions.end(), extensionOf(entry.name)) == extensions.end())
            continue;
        if (entry.kind == FileKind::directory)
            continue;
        paths.push_back(path);
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

NetworkPlugin parsePluginConfig(const std::string& bytes) {
    nlohmann::json config;
    try {
        config = parseJson(bytes);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("error parsing configuration: ") + error.what());
    }
    NetworkPlugin plugin{stringOf(config, "type"), stringOf(config, "name"), bytes};
    if (plugin.type.empty())
        throw std::runtime_error("error parsing configuration: missing 'type'");
    return plugin;
}

NetworkConfigList parseConfigList(const std::string& bytes, Files* files, const std::string& directory) {
    nlohmann::json config;
    try {
        config = parseJson(bytes);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("error parsing configuration list: ") + error.what());
    }
    NetworkConfigList list;
    list.bytes = bytes;
    if (!config.contains("name"))
        throw std::runtime_error("error parsing configuration list: no name");
    if (!config["name"].is_string())
        throw std::runtime_error(
            fmt::format("error parsing configuration list: invalid name type {}", config["name"].type_name()));
    list.name = config["name"];
    list.cniVersion = chosenVersion(config);
    list.disableCheck = flexibleBool(config, "disableCheck");
    list.disableGc = flexibleBool(config, "disableGC");
    const bool inlinedOnly = flexibleBool(config, "loadOnlyInlinedPlugins");
    const auto& plugins = memberOf(config, "plugins");
    if (plugins.is_null() && inlinedOnly)
        throw std::runtime_error("error parsing configuration list: `loadOnlyInlinedPlugins` is true, and no 'plugins' key");
    if (!plugins.is_null() && !plugins.is_array())
        throw std::runtime_error(fmt::format("error parsing configuration list: invalid 'plugins' type {}", plugins.type_name()));
    if (plugins.is_array() && plugins.empty())
        throw std::runtime_error("error parsing configuration list: no plugins in list");
    if (plugins.is_array())
        for (std::size_t i = 0; i < plugins.size(); ++i) {
            try {
                list.plugins.push_back(parsePluginConfig(plugins[i].dump()));
            } catch (const std::runtime_error& error) {
                throw std::runtime_error(fmt::format("failed to parse plugin config {}: {}", i, error.what()));
            }
        }
    if (!inlinedOnly && files != nullptr && !directory.empty())
        for (const auto& path : configFiles(*files, join(directory, list.name), {".conf"}))
            list.plugins.push_back(parsePluginConfig(files->read(path)));
    if (list.plugins.empty())
        throw std::runtime_error("no plugin configs found");
    return list;
}

NetworkConfigList configListFromPlugin(const std::string& bytes) {
    const auto plugin = parsePluginConfig(bytes);
    const auto config = parseJson(bytes);
    nlohmann::json list{{"name", plugin.name}, {"plugins", nlohmann::json::array({config})}};
    if (const auto version = stringOf(config, "cniVersion"); !version.empty())
        list["cniVersion"] = version;
    return parseConfigList(list.dump());
}

NetworkConfigList loadConfigListFile(Files& files, const std::string& path) {
    std::string bytes;
    try {
        bytes = files.read(path);
    } catch (const SystemError& error) {
        throw std::runtime_error(fmt::format("error reading {}: open {}: {}", path, path, goErrnoText(error.code())));
    }
    const auto slash = path.rfind('/');
    return extensionOf(path) == ".conflist" ? parseConfigList(bytes, &files, path.substr(0, slash)) : configListFromPlugin(bytes);
}

NetworkConfigList loadNetworkConfig(Files& files, const std::string& directory, const std::string& name) {
    const auto lists = configFiles(files, directory, {".conflist"});
    const auto singles = configFiles(files, directory, {".conf", ".json"});
    for (const auto& path : lists) {
        auto list = loadConfigListFile(files, path); // one bad file hides all that follow
        if (list.name == name)
            return list;
    }
    for (const auto& path : singles) {
        const auto bytes = files.read(path);
        const auto plugin = parsePluginConfig(bytes);
        if (plugin.name == name)
            return configListFromPlugin(bytes);
    }
    if (lists.empty() && singles.empty())
        throw std::runtime_error("no net configurations found in " + trimmed(directory));
    throw std::runtime_error(fmt::format("no net configuration with name {} in {}", goQuote(name), trimmed(directory)));
}

NetworkConfigList loadFirstNetworkConfig(Files& files, const std::string& directory) {
    const auto paths = configFiles(files, directory, {".conf", ".conflist", ".json"});
    if (paths.empty())
        throw std::runtime_error(fmt::format(
            "cni config load failed: no network config found in {}: cni plugin not initialized: failed to load cni config",
            trimmed(directory)));
    try {
        return loadConfigListFile(files, paths.front());
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(fmt::format(
            "cni config load failed: failed to load CNI config {} file {}: {}: invalid cni config: failed to load cni config",
            extensionOf(paths.front()) == ".conflist" ? "list" : "", paths.front(), error.what()));
    }
}

} // namespace rdmalab::plugin
