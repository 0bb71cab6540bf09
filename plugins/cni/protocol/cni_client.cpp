#include "plugins/cni/protocol/cni_client.h"

#include "plugins/cni/protocol/base64.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/invoke.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/kernel/files.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <set>

namespace rdmalab::plugin {

namespace {

std::string described(const NetworkPlugin& plugin, const char* verb, const std::string& text) {
    std::string out = "plugin type=" + goQuote(plugin.type);
    if (!plugin.name.empty())
        out += " name=" + goQuote(plugin.name);
    return fmt::format("{} failed ({}): {}", out, verb, text);
}

// Runs `action` and puts the plugin's name in front of what goes wrong.
template <typename Action>
auto describing(const NetworkPlugin& plugin, const char* verb, Action action) {
    try {
        return action();
    } catch (const CniError& error) {
        throw CniError(error.code(), described(plugin, verb, error.message()), error.details());
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::unknown, described(plugin, verb, error.what()));
    }
}

std::string joinedArgs(const CniAttachment& attachment) {
    std::string out;
    for (const auto& [key, value] : attachment.args)
        out += (out.empty() ? "" : ";") + key + "=" + value;
    return out;
}

} // namespace

CniClient::CniClient(Files& files, CniExec& exec, Options options) : files_(files), exec_(exec), options_(std::move(options)) {}

std::string CniClient::cachePath(const std::string& network, const CniAttachment& attachment) const {
    return fmt::format("{}/results/{}-{}-{}", options_.cacheDir, network, attachment.containerId, attachment.ifName);
}

void CniClient::writeCache(const NetworkConfigList& list, const CniAttachment& attachment, const std::string& result) {
    nlohmann::ordered_json cache{{"kind", "cniCacheV1"},
                                 {"containerId", attachment.containerId},
                                 {"config", base64Encode(list.bytes)},
                                 {"ifName", attachment.ifName},
                                 {"networkName", list.name}};
    cache["netns"] = attachment.netns;
    for (const auto& [key, value] : attachment.args)
        cache["cniArgs"].push_back({key, value});
    if (!attachment.capabilityArgs.empty())
        cache["capabilityArgs"] = nlohmann::ordered_json::parse(attachment.capabilityArgs);
    cache["result"] = nlohmann::json::parse(result);
    files_.makeDirectories(options_.cacheDir + "/results", 0700);
    files_.write(cachePath(list.name, attachment), goJson(cache), 0600);
}

std::optional<std::string> CniClient::cachedResult(const std::string& network, const CniAttachment& attachment) {
    const auto text = files_.readIfExists(cachePath(network, attachment));
    if (!text)
        return std::nullopt;
    const auto cache = parseJson(*text);
    if (stringOf(cache, "kind") != "cniCacheV1")
        return text; // written by an old runtime: the bare result
    const auto& result = memberOf(cache, "result");
    return result.is_object() ? std::optional(goJson(result)) : std::nullopt;
}

void CniClient::replaceCachedResult(const std::string& network, const CniAttachment& attachment, const std::string& result) {
    const auto path = cachePath(network, attachment);
    const auto text = files_.readIfExists(path);
    if (!text)
        return;
    auto cache = nlohmann::ordered_json::parse(*text);
    cache["result"] = nlohmann::json::parse(result);
    files_.write(path, goJson(cache), 0600);
}

std::string CniClient::input(const NetworkConfigList& list, const NetworkPlugin& plugin, const CniAttachment& attachment,
                             const std::optional<std::string>& prevResult) const {
    auto config = parseJson(plugin.bytes);
    config["name"] = list.name;
    config["cniVersion"] = list.cniVersion;
    if (prevResult)
        config["prevResult"] = parseJson(*prevResult);
    if (!attachment.capabilityArgs.empty()) {
        const auto arguments = parseJson(attachment.capabilityArgs);
        auto runtimeConfig = nlohmann::json::object();
        const auto& capabilities = memberOf(config, "capabilities");
        if (capabilities.is_object())
            for (const auto& [name, wanted] : capabilities.items())
                if (wanted == true && arguments.contains(name))
                    runtimeConfig[name] = arguments[name];
        if (!runtimeConfig.empty())
            config["runtimeConfig"] = runtimeConfig;
    }
    return goJson(config);
}

CniInvocation CniClient::invocation(const std::string& command, const CniAttachment& attachment, std::string config) const {
    CniInvocation out{options_.environment, std::move(config)};
    out.environment["CNI_COMMAND"] = command;
    out.environment["CNI_CONTAINERID"] = attachment.containerId;
    out.environment["CNI_NETNS"] = attachment.netns;
    out.environment["CNI_ARGS"] = joinedArgs(attachment);
    out.environment["CNI_IFNAME"] = attachment.ifName;
    out.environment["CNI_PATH"] = fmt::format("{}", fmt::join(options_.binDirs, ":"));
    return out;
}

std::string CniClient::run(const std::string& command, const NetworkConfigList& list, const NetworkPlugin& plugin,
                           const CniAttachment& attachment, const std::optional<std::string>& prevResult) {
    const auto path = findPlugin(exec_, plugin.type, options_.binDirs);
    const auto call = invocation(command, attachment, input(list, plugin, attachment, prevResult));
    return command == "ADD" ? execPluginWithResult(exec_, path, call) : execPlugin(exec_, path, call);
}

std::string CniClient::addNetworkList(const NetworkConfigList& list, const CniAttachment& attachment) {
    if (const auto error = validateContainerId(attachment.containerId))
        throw *error;
    if (const auto error = validateNetworkName(list.name))
        throw *error;
    if (const auto error = validateInterfaceName(attachment.ifName))
        throw *error;
    std::optional<std::string> result;
    for (const auto& plugin : list.plugins)
        result = describing(plugin, "add", [&] { return run("ADD", list, plugin, attachment, result); });
    try {
        writeCache(list, attachment, *result);
    } catch (const SystemError& error) {
        throw CniError(cni_code::unknown,
                       fmt::format("failed to set network {} cached result: {}", goQuote(list.name), error.what()));
    }
    return *result;
}

std::string CniClient::addNetwork(const NetworkConfigList& list, const CniAttachment& attachment) {
    const auto result = run("ADD", list, list.plugins.front(), attachment, std::nullopt);
    writeCache(list, attachment, result);
    return result;
}

// A cache that cannot be read must not keep a container from being deleted.
std::optional<std::string> CniClient::prevResultForDelete(const NetworkConfigList& list, const CniAttachment& attachment) {
    if (!versionAtLeast(list.cniVersion, "0.4.0"))
        return std::nullopt;
    try {
        return cachedResult(list.name, attachment);
    } catch (const std::exception&) {
        files_.remove(cachePath(list.name, attachment));
        return std::nullopt;
    }
}

void CniClient::delNetworkList(const NetworkConfigList& list, const CniAttachment& attachment) {
    const auto prevResult = prevResultForDelete(list, attachment);
    for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin)
        describing(*plugin, "delete", [&] { return run("DEL", list, *plugin, attachment, prevResult); });
    files_.remove(cachePath(list.name, attachment));
}

void CniClient::delNetwork(const NetworkConfigList& list, const CniAttachment& attachment) {
    run("DEL", list, list.plugins.front(), attachment, prevResultForDelete(list, attachment));
    files_.remove(cachePath(list.name, attachment));
}

void CniClient::checkNetworkList(const NetworkConfigList& list, const CniAttachment& attachment) {
    if (!versionAtLeast(list.cniVersion, "0.4.0"))
        throw CniError(cni_code::unknown,
                       fmt::format("configuration version {} does not support the CHECK command", goQuote(list.cniVersion)));
    if (list.disableCheck)
        return;
    std::optional<std::string> prevResult;
    try {
        prevResult = cachedResult(list.name, attachment);
    } catch (const std::runtime_error& error) {
        throw CniError(cni_code::unknown,
                       fmt::format("failed to get network {} cached result: {}", goQuote(list.name), error.what()));
    }
    for (const auto& plugin : list.plugins)
        run("CHECK", list, plugin, attachment, prevResult);
}

void CniClient::gcNetworkList(const NetworkConfigList& list, const std::vector<CniAttachment>& valid) {
    if (list.disableGc)
        return;
    std::set<std::pair<std::string, std::string>> keep;
    auto attachments = nlohmann::json::array();
    for (const auto& attachment : valid) {
        keep.emplace(attachment.containerId, attachment.ifName);
        attachments.push_back({{"containerID", attachment.containerId}, {"ifname", attachment.ifName}});
    }
    std::vector<std::string> errors;
    const auto directory = options_.cacheDir + "/results";
    if (files_.status(directory).kind == FileKind::directory)
        for (const auto& entry : files_.list(directory)) {
            const auto cache = nlohmann::json::parse(files_.read(directory + "/" + entry.name), nullptr, false);
            if (stringOf(cache, "kind") != "cniCacheV1" || stringOf(cache, "networkName") != list.name ||
                keep.count({stringOf(cache, "containerId"), stringOf(cache, "ifName")}) != 0)
                continue;
            CniAttachment gone{stringOf(cache, "containerId"), stringOf(cache, "netns"), stringOf(cache, "ifName"), {}, ""};
            if (const auto& args = memberOf(cache, "cniArgs"); args.is_array())
                for (const auto& pair : args)
                    gone.args.emplace_back(pair.at(0), pair.at(1));
            if (const auto& args = memberOf(cache, "capabilityArgs"); args.is_object())
                gone.capabilityArgs = args.dump();
            try {
                delNetworkList(list, gone);
            } catch (const std::runtime_error& error) {
                errors.push_back(fmt::format("failed to garbage collect {} from cache: {}", entry.name, error.what()));
            }
        }
    if (versionAtLeast(list.cniVersion, "1.1.0"))
        for (const auto& plugin : list.plugins) {
            auto config = parseJson(plugin.bytes);
            config["cni.dev/valid-attachments"] = attachments;
            config["cni.dev/attachments"] = attachments;
            try {
                run("GC", list, {plugin.type, plugin.name, config.dump()}, {}, std::nullopt);
            } catch (const std::runtime_error& error) {
                errors.push_back(fmt::format("failed to GC plugin {}: {}", plugin.type, error.what()));
            }
        }
    if (!errors.empty())
        throw CniError(cni_code::unknown, fmt::format("{}", fmt::join(errors, "\n")));
}

void CniClient::statusNetworkList(const NetworkConfigList& list) {
    if (!versionAtLeast(list.cniVersion, "1.1.0"))
        return;
    for (const auto& plugin : list.plugins)
        run("STATUS", list, plugin, {}, std::nullopt);
}

} // namespace rdmalab::plugin
