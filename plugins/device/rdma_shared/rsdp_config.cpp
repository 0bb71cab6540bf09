#include "plugins/device/rdma_shared/rsdp_config.h"

#include "plugins/device/rdma_shared/go_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>

namespace rdmalab::plugin {

namespace {

using Json = nlohmann::ordered_json;

// The file as written, before the rules are applied.
struct RawResource {
    std::string name, prefix;
    std::int64_t hcaMax = 0;
    std::vector<std::string> devices;
    RsdpSelectors selectors;
};
struct RawConfig {
    std::optional<std::int64_t> interval;
    std::vector<RawResource> resources;
};

bool sameKey(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
        return std::tolower(x) == std::tolower(y); // encoding/json folds case
    });
}

// encoding/json's rules: null changes nothing, unknown keys are ignored, the first mismatch of types is reported at the end.
class Decoder {
public:
    explicit Decoder(const Json& root) {
        if (root.is_object())
            readRoot(root);
        else if (!root.is_null())
            error_ = fmt::format("json: cannot unmarshal {} into Go value of type types.UserConfigList", describe(root));
        if (!error_.empty())
            throw RsdpFatal(error_);
    }
    RawConfig result;

private:
    static std::string describe(const Json& value) {
        switch (value.type()) {
        case Json::value_t::object:
            return "object";
        case Json::value_t::array:
            return "array";
        case Json::value_t::string:
            return "string";
        case Json::value_t::boolean:
            return "bool";
        default:
            return "number";
        }
    }

    void mismatch(const Json& value, std::string_view field, std::string_view type) {
        if (!error_.empty())
            return;
        std::string what = describe(value);
        if (value.is_number() && type == "int")
            what += " " + value.dump(); // a number that is no integer is shown
        error_ = fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}", what, field, type);
    }

    void read(const Json& value, std::string_view field, std::string& target) {
        if (value.is_string())
            target = value.get<std::string>();
        else if (!value.is_null())
            mismatch(value, field, "string");
    }
    template <typename Integer>
    void read(const Json& value, std::string_view field, Integer& target) {
        if (value.is_number_integer())
            target = value.get<std::int64_t>();
        else if (!value.is_null())
            mismatch(value, field, "int");
    }
    void read(const Json& value, std::string_view field, std::vector<std::string>& target) {
        if (value.is_null()) {
            target.clear();
            return;
        }
        if (!value.is_array()) {
            mismatch(value, field, "[]string");
            return;
        }
        target.clear();
        for (const Json& item : value)
            read(item, field, target.emplace_back());
    }

    void readRoot(const Json& root) {
        for (const auto& [key, value] : root.items()) {
            if (sameKey(key, "periodicUpdateInterval")) {
                read(value, "UserConfigList.periodicUpdateInterval", result.interval);
            } else if (sameKey(key, "configList")) {
                result.resources.clear();
                if (value.is_array()) {
                    for (const Json& item : value)
                        readResource(item, result.resources.emplace_back());
                } else if (!value.is_null()) {
                    mismatch(value, "UserConfigList.configList", "[]types.UserConfig");
                }
            }
        }
    }

    void readResource(const Json& object, RawResource& target) {
        if (object.is_null())
            return;
        if (!object.is_object()) {
            mismatch(object, "UserConfigList.configList", "types.UserConfig");
            return;
        }
        for (const auto& [key, value] : object.items()) {
            if (sameKey(key, "resourceName"))
                read(value, "UserConfig.configList.resourceName", target.name);
            else if (sameKey(key, "resourcePrefix"))
                read(value, "UserConfig.configList.resourcePrefix", target.prefix);
            else if (sameKey(key, "rdmaHcaMax"))
                read(value, "UserConfig.configList.rdmaHcaMax", target.hcaMax);
            else if (sameKey(key, "devices"))
                read(value, "UserConfig.configList.devices", target.devices);
            else if (sameKey(key, "selectors"))
                readSelectors(value, target.selectors);
        }
    }

    void readSelectors(const Json& object, RsdpSelectors& target) {
        if (object.is_null())
            return;
        if (!object.is_object()) {
            mismatch(object, "UserConfig.configList.selectors", "types.Selectors");
            return;
        }
        const std::pair<std::string_view, std::vector<std::string>*> lists[] = {{"vendors", &target.vendors},
                                                                                {"deviceIDs", &target.deviceIds},
                                                                                {"drivers", &target.drivers},
                                                                                {"ifNames", &target.ifNames},
                                                                                {"linkTypes", &target.linkTypes}};
        for (const auto& [key, value] : object.items())
            for (const auto& [name, list] : lists)
                if (sameKey(key, name))
                    read(value, fmt::format("Selectors.configList.selectors.{}", name), *list);
    }

    std::string error_;
};

// fmt's %+v of upstream's struct.
std::string describe(const RawResource& r) {
    const auto list = [](const std::vector<std::string>& items) { return fmt::format("[{}]", fmt::join(items, " ")); };
    return fmt::format("{{ResourceName:{} ResourcePrefix:{} RdmaHcaMax:{} Devices:{} Selectors:{{Vendors:{} DeviceIDs:{} "
                       "Drivers:{} IfNames:{} LinkTypes:{}}}}}",
                       r.name, r.prefix, r.hcaMax, list(r.devices), list(r.selectors.vendors), list(r.selectors.deviceIds),
                       list(r.selectors.drivers), list(r.selectors.ifNames), list(r.selectors.linkTypes));
}

bool validName(std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) { return (c < 0x80 && std::isalnum(c)) || c == '_'; });
}

[[noreturn]] void invalid(const std::string& text) {
    throw RsdpFatal("Exiting.. one or more invalid configuration(s) given: " + text);
}

} // namespace

RsdpConfig parseRsdpConfig(std::string_view json, const PluginLog& log) {
    if (auto error = goJsonSyntaxError(json))
        throw RsdpFatal(*error);
    Json root;
    try {
        root = Json::parse(json);
    } catch (const Json::exception& e) { // bytes that are no UTF-8, which Go would replace
        throw RsdpFatal(e.what());
    }
    RawConfig raw = std::move(Decoder(root).result);

    RsdpConfig config;
    std::vector<std::string> shown;
    for (RawResource& resource : raw.resources) {
        if (resource.prefix.empty())
            resource.prefix = "rdma";
        shown.push_back(describe(resource));
    }
    log(fmt::format("loaded config: [{}] ", fmt::join(shown, " ")));
    if (raw.interval)
        config.updateInterval = std::chrono::seconds(*raw.interval);
    log(fmt::format("periodic update interval: {} ", config.updateInterval.count()));

    if (config.updateInterval.count() < 0)
        invalid(fmt::format("invalid \"periodicUpdateInterval\" configuration \"{}\"",
                            std::chrono::nanoseconds(config.updateInterval).count()));
    if (raw.resources.empty())
        invalid("no resources configuration found");
    std::set<std::string> names;
    for (RawResource& resource : raw.resources) {
        if (!validName(resource.name))
            invalid(fmt::format("error: resource name \"{}\" contains invalid characters", resource.name));
        if (names.contains(resource.name))
            invalid(fmt::format("error: resource name \"{}\" already exists", resource.name));
        if (resource.hcaMax < 0)
            invalid(fmt::format("error: Invalid value for rdmaHcaMax < 0: {}", resource.hcaMax));
        const bool noSelector = resource.selectors.empty();
        if (noSelector && resource.devices.empty())
            invalid(
                "error: configuration missmatch. neither \"selectors\" nor \"devices\" fields exits, it is recommended to use "
                "the new “selectors” field");
        if (!noSelector && !resource.devices.empty())
            invalid("configuration mismatch. Cannot specify both \"selectors\" and \"devices\" fields");
        if (noSelector) {
            log("Warning: \"devices\" field is deprecated, it is recommended to use the new “selectors” field");
            resource.selectors.ifNames = resource.devices;
        }
        names.insert(resource.name);
        config.resources.push_back({resource.name, resource.prefix, resource.hcaMax, resource.selectors});
    }
    return config;
}

RsdpRelease rsdpReleaseOf(std::string_view text) {
    const auto slash = text.rfind('/');
    std::string_view version = slash == std::string_view::npos ? text : text.substr(slash + 1);
    version = version.substr(0, version.find('@')); // a digest says nothing about the release
    if (const auto colon = version.rfind(':'); colon != std::string_view::npos)
        version.remove_prefix(colon + 1);
    if (version.starts_with('v'))
        version.remove_prefix(1);
    std::array<int, 3> numbers{};
    const char* at = version.data();
    const char* const end = version.data() + version.size();
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto [rest, error] = std::from_chars(at, end, numbers[i]);
        if (error != std::errc())
            return RsdpRelease::current;
        at = rest;
        if (at == end || *at != '.')
            break;
        ++at;
    }
    return numbers <= std::array{1, 5, 1} ? RsdpRelease::untilV1_5_1 : RsdpRelease::current;
}

} // namespace rdmalab::plugin
