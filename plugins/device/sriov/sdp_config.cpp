#include "plugins/device/sriov/sdp_config.h"

#include "plugins/device/rdma_shared/go_text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <set>

namespace rdmalab::plugin {

namespace {

using Json = nlohmann::ordered_json;

// encoding/json folds case.
const Json* member(const Json& object, std::string_view key) {
    const Json* found = nullptr;
    for (const auto& [name, value] : object.items())
        if (std::equal(name.begin(), name.end(), key.begin(), key.end(),
                       [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); }))
            found = &value; // the last one counts
    return found && !found->is_null() ? found : nullptr;
}

class Reader {
public:
    explicit Reader(const std::string& fileName) : fileName_(fileName) {}

    [[noreturn]] void wrongType(const Json& value, std::string_view field, std::string_view type) const {
        fail(fmt::format("json: cannot unmarshal {} into Go struct field {} of type {}", goTypeName(value), field, type));
    }
    [[noreturn]] void fail(const std::string& why) const {
        throw SdpExit(fmt::format("error unmarshalling raw bytes {} please make sure the config is in json format", why), 0);
    }

    std::string text(const Json& object, const char* key, const char* owner) const {
        const Json* value = member(object, key);
        if (!value)
            return "";
        if (!value->is_string())
            wrongType(*value, fmt::format("{}.{}", owner, key), "string");
        return value->get<std::string>();
    }
    bool flag(const Json& object, const char* key, const char* owner) const {
        const Json* value = member(object, key);
        if (!value)
            return false;
        if (!value->is_boolean())
            wrongType(*value, fmt::format("{}.{}", owner, key), "bool");
        return value->get<bool>();
    }
    // Nothing throws here: what is wrong with selectors drops one resource only.
    static std::vector<std::string> texts(const Json& object, const char* key) {
        const Json* value = member(object, key);
        if (!value)
            return {};
        if (!value->is_array())
            throw std::runtime_error(
                fmt::format("json: cannot unmarshal {} into Go struct field {} of type []string", goTypeName(*value), key));
        std::vector<std::string> list;
        for (const Json& item : *value) {
            if (!item.is_string())
                throw std::runtime_error(
                    fmt::format("json: cannot unmarshal {} into Go struct field {} of type string", goTypeName(item), key));
            list.push_back(item.get<std::string>());
        }
        return list;
    }

    static std::string_view goTypeName(const Json& value) {
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

private:
    const std::string& fileName_;
};

SdpSelectors selectorsOf(const Json& object, SdpDeviceType type) {
    if (!object.is_object())
        throw std::runtime_error(
            fmt::format("json: cannot unmarshal {} into Go value of type types.NetDeviceSelectors", Reader::goTypeName(object)));
    SdpSelectors s;
    const bool net = type == SdpDeviceType::netDevice, aux = type == SdpDeviceType::auxNetDevice;
    s.vendors = Reader::texts(object, "vendors");
    s.devices = Reader::texts(object, "devices");
    s.drivers = Reader::texts(object, "drivers");
    if (!aux)
        s.pciAddresses = Reader::texts(object, "pciAddresses");
    if (net) {
        s.acpiIndexes = Reader::texts(object, "acpiIndexes");
        s.ddpProfiles = Reader::texts(object, "ddpProfiles");
        s.pKeys = Reader::texts(object, "pKeys");
        if (const Json* value = member(object, "vdpaType"); value && value->is_string())
            s.vdpaType = value->get<std::string>();
    }
    if (net || aux) {
        s.pfNames = Reader::texts(object, "pfNames");
        s.rootDevices = Reader::texts(object, "rootDevices");
        s.linkTypes = Reader::texts(object, "linkTypes");
        for (const auto& [key, target] : {std::pair{"isRdma", &s.isRdma}, std::pair{"needVhostNet", &s.needVhostNet}})
            if (const Json* value = member(object, key)) {
                if (!value->is_boolean())
                    throw std::runtime_error(fmt::format("json: cannot unmarshal {} into Go struct field {} of type bool",
                                                         Reader::goTypeName(*value), key));
                *target = value->get<bool>();
            }
    }
    if (aux)
        s.auxTypes = Reader::texts(object, "auxTypes");
    return s;
}

bool validName(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(),
                                        [](unsigned char c) { return (c < 0x80 && std::isalnum(c)) || c == '_' || c == '-'; });
}

void validate(const std::vector<SdpResourceConfig>& resources, const PluginLog& log) {
    const auto refuse = [&](const std::string& why) {
        log(why);
        throw SdpExit("Exiting.. one or more invalid configuration(s) given", 255); // glog.Fatal's
    };
    std::set<std::string> names;
    for (const SdpResourceConfig& resource : resources) {
        if (!validName(resource.name))
            refuse(fmt::format("resource name \"{}\" contains invalid characters", resource.name));
        if (!names.insert(resource.fullName()).second)
            refuse(fmt::format("resource name \"{}\" already exists", resource.fullName()));
        for (const SdpSelectors& one : resource.selectors) {
            if (resource.type == SdpDeviceType::netDevice && one.isRdma && !one.vdpaType.empty())
                refuse("invalid config: VdpaType and IsRdma are mutually exclusive options");
            if (resource.type == SdpDeviceType::auxNetDevice) {
                if (one.auxTypes.empty())
                    refuse("AuxTypes are not specified");
                if (std::any_of(one.auxTypes.begin(), one.auxTypes.end(), [](const auto& kind) { return kind != "sf"; }))
                    refuse("Only \"sf\" auxiliary device type currently supported");
            }
        }
    }
}

} // namespace

std::vector<SdpResourceConfig> parseSdpConfig(std::string_view json, const std::string& fileName,
                                              const std::string& defaultPrefix, const PluginLog& log) {
    const Reader reader(fileName);
    if (const auto error = goJsonSyntaxError(json))
        reader.fail(*error);
    Json root;
    try {
        root = Json::parse(json);
    } catch (const Json::exception& e) { // bytes that are no UTF-8, which Go would replace
        reader.fail(e.what());
    }
    const Json* list = root.is_object() ? member(root, "resourceList") : nullptr;
    std::vector<SdpResourceConfig> resources;
    for (const Json& item : list ? *list : Json::array()) {
        SdpResourceConfig resource;
        resource.name = reader.text(item, "resourceName", "ResourceConfig.resourceList");
        resource.prefix = reader.text(item, "resourcePrefix", "ResourceConfig.resourceList");
        if (resource.prefix.empty())
            resource.prefix = defaultPrefix;
        const std::string type = reader.text(item, "deviceType", "ResourceConfig.resourceList");
        if (type == "accelerator")
            resource.type = SdpDeviceType::accelerator;
        else if (type == "auxNetDevice")
            resource.type = SdpDeviceType::auxNetDevice;
        else if (!type.empty() && type != "netDevice")
            throw SdpExit(fmt::format("unsupported deviceType:  \"{}\"", type), 0);
        resource.excludeTopology = reader.flag(item, "excludeTopology", "ResourceConfig.resourceList");
        if (const Json* info = member(item, "additionalInfo"); info && info->is_object())
            for (const auto& [device, values] : info->items())
                for (const auto& [key, value] : values.items())
                    if (value.is_string())
                        resource.additionalInfo[device][key] = value.get<std::string>();
        const Json* selectors = member(item, "selectors");
        if (!selectors) // upstream dereferences nil here
            throw SdpExit("panic: runtime error: invalid memory address or nil pointer dereference", 2);
        try {
            if (selectors->is_array()) {
                if (selectors->empty())
                    throw std::runtime_error("error, need at least one selector, got 0");
                for (const Json& one : *selectors)
                    resource.selectors.push_back(selectorsOf(one, resource.type));
            } else {
                resource.selectors.push_back(selectorsOf(*selectors, resource.type));
            }
        } catch (const std::runtime_error& error) {
            log(fmt::format("unable to get SelectorObj from selectors list:'{}' for deviceType: {}, error: {}", selectors->dump(),
                            type.empty() ? "netDevice" : type, error.what()));
            continue;
        }
        resources.push_back(std::move(resource));
    }
    if (resources.empty())
        throw SdpExit("no resource configuration; exiting", 0);
    validate(resources, log);
    return resources;
}

} // namespace rdmalab::plugin
