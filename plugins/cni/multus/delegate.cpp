#include "plugins/cni/multus/delegate.h"

#include "plugins/cni/protocol/base64.h"
#include "plugins/cni/protocol/go_json.h"

#include <algorithm>
#include <fmt/format.h>
#include <stdexcept>

namespace rdmalab::plugin::multus {

namespace {

using Json = nlohmann::json;

void addCniArgs(Json& plugin, const Json& args) {
    auto& target = plugin["args"]["cni"];
    if (!target.is_object())
        target = Json::object();
    target.update(args);
}

template <typename Action>
void forEachPlugin(Json& config, bool isList, Action action) {
    if (!isList)
        action(config);
    else
        for (auto& plugin : config["plugins"])
            action(plugin);
}

void requirePlugins(const Json& config) {
    const auto& plugins = memberOf(config, "plugins");
    if (!plugins.is_array())
        throw std::runtime_error("LoadDelegateNetConf: failed with: LoadDelegateNetConfList: delegate must have the 'type' or "
                                 "'plugins' field");
    for (const auto& plugin : plugins)
        if (stringOf(plugin, "type").empty())
            throw std::runtime_error("LoadDelegateNetConf: failed with: LoadDelegateNetConfList: a plugin delegate must have "
                                     "the 'type' field");
}

} // namespace

NetworkConfigList Delegate::network() const {
    return isList ? parseConfigList(bytes) : configListFromPlugin(bytes);
}

std::string Delegate::interfaceName(const std::string& cniIfName, std::size_t index) const {
    if (!request.interface.empty())
        return request.interface;
    return master ? cniIfName : fmt::format("net{}", index);
}

Delegate loadDelegate(const std::string& bytes, const NetworkSelection* selection, const std::string& deviceId,
                      const std::string& resourceName) {
    Json config;
    try {
        config = parseJson(bytes);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(std::string("LoadDelegateNetConf: error unmarshalling delegate config: ") + error.what());
    }
    Delegate delegate;
    delegate.isList = stringOf(config, "type").empty();
    if (delegate.isList)
        requirePlugins(config);
    delegate.name = stringOf(config, "name");
    delegate.deviceId = deviceId;
    delegate.resourceName = resourceName;
    bool changed = false;
    if (!deviceId.empty()) {
        forEachPlugin(config, delegate.isList, [&](Json& plugin) {
            plugin["deviceID"] = deviceId;
            plugin["pciBusID"] = deviceId;
        });
        changed = true;
    }
    if (selection != nullptr) {
        delegate.request = *selection;
        if (!selection->name.empty())
            delegate.name = selection->podNamespace + "/" + selection->name;
        if (!selection->cniArgs.empty()) {
            const auto args = parseJson(selection->cniArgs);
            forEachPlugin(config, delegate.isList, [&](Json& plugin) { addCniArgs(plugin, args); });
            changed = true;
        }
        if (!selection->deviceId.empty())
            delegate.deviceId = selection->deviceId;
    }
    delegate.bytes = changed ? goJson(config) : bytes;
    return delegate;
}

void setMissingVersion(Delegate& delegate, const std::string& cniVersion) {
    auto config = parseJson(delegate.bytes);
    if (cniVersion.empty() || !stringOf(config, "cniVersion").empty())
        return;
    config["cniVersion"] = cniVersion;
    delegate.bytes = goJson(config);
}

void applyDefaultRouteRequests(std::vector<Delegate>& delegates) {
    const bool any = std::any_of(delegates.begin(), delegates.end(),
                                 [](const Delegate& delegate) { return delegate.request.defaultRoute.has_value(); });
    if (!any)
        return;
    int v4 = 0, v6 = 0;
    for (auto& delegate : delegates) {
        const auto& wanted = delegate.request.defaultRoute;
        if (wanted)
            for (const auto& gateway : *wanted)
                ++(gateway.isV4() ? v4 : v6);
        if (!wanted || !wanted->empty())
            delegate.filterV4Gateway = delegate.filterV6Gateway = true;
    }
    if (v4 > 1 || v6 > 1)
        throw std::runtime_error("multus does not support ECMP for default-route");
}

std::string delegatesToJson(const std::vector<Delegate>& delegates) {
    auto list = nlohmann::ordered_json::array();
    for (const auto& delegate : delegates) {
        nlohmann::ordered_json entry;
        const auto config = nlohmann::ordered_json::parse(delegate.bytes);
        entry["Conf"] = delegate.isList ? nlohmann::ordered_json{{"name", config.value("name", "")}} : config;
        entry["ConfList"] = delegate.isList ? config : nlohmann::ordered_json::object();
        entry["Name"] = delegate.name;
        const auto put = [&entry](const char* key, const std::string& value) {
            if (!value.empty())
                entry[key] = value;
        };
        put("ifnameRequest", delegate.request.interface);
        put("macRequest", delegate.request.mac);
        put("infinibandGUIDRequest", delegate.request.infinibandGuid);
        if (!delegate.request.ips.empty())
            entry["ipRequest"] = delegate.request.ips;
        if (delegate.request.defaultRoute) {
            entry["default-route"] = nlohmann::ordered_json::array();
            for (const auto& gateway : *delegate.request.defaultRoute)
                entry["default-route"].push_back(gateway.str());
        }
        entry["IsFilterV4Gateway"] = delegate.filterV4Gateway;
        entry["IsFilterV6Gateway"] = delegate.filterV6Gateway;
        put("deviceID", delegate.deviceId);
        put("resourceName", delegate.resourceName);
        entry["Bytes"] = base64Encode(delegate.bytes);
        list.push_back(entry);
    }
    return goJson(list);
}

std::vector<Delegate> delegatesFromJson(const std::string& text) {
    std::vector<Delegate> delegates;
    const auto list = parseJson(text);
    if (!list.is_array())
        throw std::runtime_error("json: cannot unmarshal into Go value of type []*types.DelegateNetConf");
    for (const auto& entry : list) {
        Delegate delegate;
        delegate.name = stringOf(entry, "Name");
        delegate.bytes = base64Decode(stringOf(entry, "Bytes"));
        delegate.isList = stringOf(parseJson(delegate.bytes), "type").empty();
        delegate.master = delegates.empty();
        delegate.request.interface = stringOf(entry, "ifnameRequest");
        delegate.request.mac = stringOf(entry, "macRequest");
        delegate.request.infinibandGuid = stringOf(entry, "infinibandGUIDRequest");
        delegate.request.ips = stringsOf(entry, "ipRequest");
        delegate.deviceId = stringOf(entry, "deviceID");
        delegate.resourceName = stringOf(entry, "resourceName");
        delegates.push_back(delegate);
    }
    return delegates;
}

} // namespace rdmalab::plugin::multus
