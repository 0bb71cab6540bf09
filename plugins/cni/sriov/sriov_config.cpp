#include "plugins/cni/sriov/sriov_config.h"

#include "plugins/cni/protocol/go_json.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <stdexcept>
#include <strings.h>

namespace rdmalab::plugin::sriov {

namespace {

using Json = nlohmann::json;

std::string kindName(const Json& value) {
    if (value.is_number())
        return "number";
    return value.is_boolean() ? "bool" : value.type_name();
}

// An object's members as Go's decoder finds them: the exact name, else one that differs in case only.
class Members {
public:
    Members(const Json& object, std::string owner) : object_(object), owner_(std::move(owner)) {}

    const Json& find(const char* name) const {
        static const Json none;
        if (!object_.is_object())
            return none;
        if (const auto exact = object_.find(name); exact != object_.end())
            return *exact;
        for (const auto& item : object_.items())
            if (::strcasecmp(item.key().c_str(), name) == 0)
                return item.value();
        return none;
    }
    std::optional<std::string> optionalText(const char* name) const {
        const Json& value = find(name);
        if (value.is_null())
            return std::nullopt;
        if (!value.is_string())
            refuse(value, name, "string");
        return value.get<std::string>();
    }
    std::string text(const char* name) const { return optionalText(name).value_or(""); }
    std::optional<int> optionalNumber(const char* name) const {
        const Json& value = find(name);
        if (value.is_null())
            return std::nullopt;
        if (!value.is_number_integer())
            refuse(value, name, "int");
        return static_cast<int>(value.get<std::int64_t>());
    }
    int number(const char* name) const { return optionalNumber(name).value_or(0); }
    bool flag(const char* name) const {
        const Json& value = find(name);
        if (value.is_null())
            return false;
        if (!value.is_boolean())
            refuse(value, name, "bool");
        return value.get<bool>();
    }

private:
    [[noreturn]] void refuse(const Json& value, const char* name, const char* type) const {
        std::string kind = kindName(value);
        if (value.is_number())
            kind += " " + value.dump();
        throw std::runtime_error(
            fmt::format("json: cannot unmarshal {} into Go struct field {}.{} of type {}", kind, owner_, name, type));
    }

    const Json& object_;
    std::string owner_;
};

// Of the keys that every plugin knows, the ones that are kept.
Json commonPart(const Members& members) {
    Json common = Json::object();
    for (const char* key : {"cniVersion", "name", "type"})
        if (const auto value = members.text(key); !value.empty())
            common[key] = value;
    for (const char* key : {"capabilities", "dns", "prevResult", "cni.dev/valid-attachments"})
        if (const Json& value = members.find(key); !value.is_null() && !value.empty())
            common[key] = value;
    common["ipam"] = Json::object();
    const Members ipam(members.find("ipam"), "IPAM");
    if (const auto type = ipam.text("type"); !type.empty())
        common["ipam"]["type"] = type;
    return common;
}

VfState stateOf(const Json& object) {
    const Members members(object, "VfState");
    VfState state;
    state.hostIfName = members.text("HostIFName");
    state.adminMac = members.text("AdminMAC");
    state.effectiveMac = members.text("EffectiveMAC");
    state.spoofCheck = members.flag("SpoofChk");
    state.trust = members.flag("Trust");
    state.vlan = members.number("Vlan");
    state.vlanQos = members.number("VlanQoS");
    state.vlanProto = members.number("VlanProto");
    state.minTxRate = members.number("MinTxRate");
    state.maxTxRate = members.number("MaxTxRate");
    state.linkState = static_cast<std::uint32_t>(members.number("LinkState"));
    state.mtu = members.number("MTU");
    return state;
}

Json stateObject(const VfState& state) {
    return {{"HostIFName", state.hostIfName}, {"SpoofChk", state.spoofCheck},       {"Trust", state.trust},
            {"AdminMAC", state.adminMac},     {"EffectiveMAC", state.effectiveMac}, {"Vlan", state.vlan},
            {"VlanQoS", state.vlanQos},       {"VlanProto", state.vlanProto},       {"MinTxRate", state.minTxRate},
            {"MaxTxRate", state.maxTxRate},   {"LinkState", state.linkState},       {"MTU", state.mtu}};
}

template <typename Value>
Json orNull(const std::optional<Value>& value) {
    return value ? Json(*value) : Json(nullptr);
}

[[noreturn]] void refuse(const std::string& why) {
    throw std::runtime_error("LoadConf(): " + why);
}

} // namespace

SriovConfig SriovConfig::parse(const std::string& text) {
    const Json object = parseJson(text);
    const Members members(object, "NetConf");
    SriovConfig config;
    config.common = commonPart(members);
    config.version = members.text("cniVersion");
    if (config.version.empty())
        config.version = "0.1.0";
    config.ipamType = stringOf(config.common["ipam"], "type");
    config.deviceId = members.text("deviceID");
    config.master = members.text("Master");
    config.vf = members.number("VFID");
    config.original = stateOf(members.find("OrigVfState"));
    config.mac = members.text("MAC");
    config.mtu = members.optionalNumber("MTU");
    config.vlan = members.optionalNumber("vlan");
    config.vlanQos = members.optionalNumber("vlanQoS");
    config.vlanProto = members.optionalText("vlanProto");
    config.minTxRate = members.optionalNumber("min_tx_rate");
    config.maxTxRate = members.optionalNumber("max_tx_rate");
    config.spoofCheck = members.text("spoofchk");
    config.trust = members.text("trust");
    config.linkState = members.text("link_state");
    config.runtimeMac = Members(members.find("runtimeConfig"), "NetConf.runtimeConfig").text("mac");
    config.logLevel = members.text("logLevel");
    config.logFile = members.text("logFile");
    return config;
}

std::string SriovConfig::cached() const {
    Json object = common;
    object["deviceID"] = deviceId;
    object["Master"] = master;
    object["VFID"] = vf;
    object["OrigVfState"] = stateObject(original);
    object["MAC"] = mac;
    object["MTU"] = orNull(mtu);
    object["vlan"] = orNull(vlan);
    object["vlanQoS"] = orNull(vlanQos);
    object["vlanProto"] = orNull(vlanProto);
    object["min_tx_rate"] = orNull(minTxRate);
    object["max_tx_rate"] = orNull(maxTxRate);
    const std::pair<const char*, const std::string*> texts[] = {
        {"spoofchk", &spoofCheck}, {"trust", &trust}, {"link_state", &linkState}, {"logLevel", &logLevel}, {"logFile", &logFile}};
    for (const auto& [key, value] : texts)
        if (!value->empty())
            object[key] = *value;
    object["runtimeConfig"] = Json::object();
    if (!runtimeMac.empty())
        object["runtimeConfig"]["mac"] = runtimeMac;
    return goJson(object);
}

void validateVlanAndLinkState(SriovConfig& config) {
    if (!config.vlan) {
        if (config.vlanQos)
            refuse("vlan id must be configured to set vlan QoS to a non-nil value");
        if (config.vlanProto)
            refuse("vlan id must be configured to set vlan proto to a non-nil value");
    } else {
        if (*config.vlan < 0 || *config.vlan > 4094)
            refuse(fmt::format("vlan id {} invalid: value must be in the range 0-4094", *config.vlan));
        if (!config.vlanQos)
            config.vlanQos = 0;
        if (*config.vlanQos < 0 || *config.vlanQos > 7)
            refuse(fmt::format("vlan QoS PCP {} invalid: value must be in the range 0-7", *config.vlanQos));
        if (*config.vlanQos != 0 && *config.vlan == 0)
            refuse("non-zero vlan id must be configured to set vlan QoS to a non-zero value");
        std::string proto = config.vlanProto.value_or("802.1q");
        std::transform(proto.begin(), proto.end(), proto.begin(), [](unsigned char c) { return std::tolower(c); });
        config.vlanProto = proto;
        if (proto != "802.1q" && proto != "802.1ad")
            refuse(fmt::format("vlan Proto {} invalid: value must be '802.1Q' or '802.1ad'", proto));
        if (proto == "802.1ad" && *config.vlan == 0)
            refuse("non-zero vlan id must be configured to set vlan proto 802.1ad");
    }
    if (!config.linkState.empty() && config.linkState != "auto" && config.linkState != "enable" && config.linkState != "disable")
        refuse("invalid link_state value: " + config.linkState);
}

} // namespace rdmalab::plugin::sriov
