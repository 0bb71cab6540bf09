// Spiderpool pkg/multuscniconfig/multusconfig_{mutate,validate}.go.
#include "sim/cluster/name_rules.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/webhooks.h"
#include "sim/cluster/store.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace rdmalab::cluster {
namespace {

using Errors = std::vector<FieldError>;

constexpr const char* crNameKey = "multus.spidernet.io/cr-name";
constexpr const char* cniVersionKey = "multus.spidernet.io/cni-version";
constexpr const char* rdmaInjectKey = "cni.spidernet.io/rdma-resource-inject";
constexpr const char* networkInjectKey = "cni.spidernet.io/network-resource-inject";
constexpr const char* field = "spec.cniType";

struct CniType {
    const char* name;
    const char* key;       // under spec
    const char* fieldName; // in messages
    bool onMasters;        // macvlan, ipvlan, vlan
};
constexpr std::array<CniType, 8> cniTypes = {{{"macvlan", "macvlan", "macvlanConfig", true},
                                              {"ipvlan", "ipvlan", "ipvlanConfig", true},
                                              {"vlan", "vlan", "vlan", true},
                                              {"sriov", "sriov", "sriovConfig", false},
                                              {"ib-sriov", "ibsriov", "ibsriovConfig", false},
                                              {"ipoib", "ipoib", "ipoibConfig", false},
                                              {"ovs", "ovs", "ovsConfig", false},
                                              {"custom", "customCNI", "customCniTypeConfig", false}}};

const CniType* typeNamed(const std::string& name) {
    const auto it = std::find_if(cniTypes.begin(), cniTypes.end(), [&](const CniType& type) { return name == type.name; });
    return it == cniTypes.end() ? nullptr : &*it;
}

void setDefault(Json& spec, const char* key, Json value) {
    if (!spec.contains(key))
        spec[key] = std::move(value);
}

// What the Go types write when a webhook answers: empty optional lists vanish.
Json emptyPools() {
    return Json::object();
}

void setCoordinatorDefaults(Json& spec, bool old) {
    const bool given = spec.contains("coordinator");
    Json& block = spec["coordinator"];
    if (!given)
        block = Json::object();
    setDefault(block, "mode", "auto");
    setDefault(block, "podMACPrefix", "");
    setDefault(block, "podDefaultRouteNIC", "");
    // A block without the key gets false, no block gets true.
    setDefault(block, "tunePodRoutes", !given);
    if (old) {
        setDefault(block, "detectGateway", false);
        setDefault(block, "detectIPConflict", false);
        return;
    }
    setDefault(block, "podRPFilter", 0);
    if (given)
        setDefault(block, "txQueueLen", 0);
    else
        setDefault(block, "vethLinkAddress", "");
}

void setTypeDefaults(Json& spec, const CniType& type, bool old) {
    if (std::string_view(type.name) == "custom") {
        setDefault(spec, "customCNI", "");
        return;
    }
    const auto found = spec.find(type.key);
    if (found == spec.end())
        return;
    Json& conf = *found;
    const std::string_view name = type.name;
    if (type.onMasters) {
        if (name == "vlan")
            setDefault(conf, "vlanMode", "manual");
        if (stringAt(conf, {"vlanMode"}) != "auto")
            setDefault(conf, "vlanID", 0);
        if (const auto bond = conf.find("bond"); bond != conf.end())
            setDefault(*bond, "options", "");
        if (!old) {
            setDefault(conf, "mtu", 0);
            setDefault(conf, "rdmaResourceName", "");
        }
    } else if (name == "sriov") {
        for (const char* key : {"vlanID", "minTxRateMbps", "maxTxRateMbps"})
            setDefault(conf, key, 0);
        if (!old) {
            setDefault(conf, "mtu", 0);
            setDefault(conf, "rdmaIsolation", false);
            setDefault(conf, "resourceName", "");
        }
    } else if (name == "ib-sriov") {
        setDefault(conf, "pkey", "");
        setDefault(conf, "enableIbKubernetes", false);
        setDefault(conf, "rdmaIsolation", true);
        setDefault(conf, "resourceName", "");
        setDefault(conf, "linkState", "enable");
    } else if (name == "ovs") {
        setDefault(conf, "vlan", 0);
        setDefault(conf, "deviceID", "");
    }
    setDefault(conf, "ippools", emptyPools());
    if (name == "sriov" && !old)
        setDefault(conf["ippools"], "matchMasterSubnet", false);
}

std::string configField(const CniType& type) {
    return std::string("spec.") + type.fieldName;
}

Errors mastersRule(const CniType& type, const Json& conf) {
    const Json &master = at(conf, {"master"}), &bond = at(conf, {"bond"});
    const char* text = nullptr;
    if (master.empty())
        text = "master can't be empty";
    else if (master.size() >= 2 && bond.is_null())
        text = "the bond property is nil with multiple Interfaces";
    else if (master.size() >= 2 && stringAt(bond, {"name"}).empty())
        text = "bond name can't be empty";
    return text ? Errors{FieldError::invalid(configField(type), conf.dump(), text)} : Errors{};
}

Errors vlanIdRule(const CniType& type, const Json& id) {
    if (id.is_number_integer() && (id < 0 || id > 4094))
        return {FieldError::invalid(configField(type), id.dump(),
                                    fmt::format("invalid vlanId {}, please make sure vlanId in range [0,4094]", id.dump()))};
    return {};
}

Errors trunkRules(const CniType& type, const Json& conf) {
    for (const Json& trunk : at(conf, {"trunk"})) {
        const Json &least = at(trunk, {"minID"}), &most = at(trunk, {"maxID"});
        // Upstream dereferences a missing minID here; a missing one counts as 0.
        if (most.is_number_integer() && intAt(trunk, {"maxID"}) < intAt(trunk, {"minID"}) && least.is_number_integer())
            return {FieldError::invalid(configField(type), trunk.dump(), "minID is greater than maxID in trunk parameter")};
    }
    return {};
}

// Every sub-config but the type's own. v0.8 does not look at ovs, neither as the type nor as a left-over.
bool hasForeignConfig(const Json& spec, const CniType& type, bool old) {
    for (const CniType& other : cniTypes)
        if (&other != &type && spec.contains(other.key) && !(old && std::string_view(other.name) == "ovs"))
            return true;
    return false;
}

Errors foreignConfigRule(const Json& spec, const CniType& type, bool old) {
    const std::string_view name = type.name;
    if ((old && name == "ovs") || !hasForeignConfig(spec, type, old))
        return {};
    // ib-sriov, ipoib and ovs name the sriov field upstream.
    const std::string named = name == "ib-sriov" || name == "ipoib" || name == "ovs" ? "spec.sriovConfig" : configField(type);
    return {FieldError::forbidden(field,
                                  fmt::format("the cniType {} only supports {}, please remove other CNI configs", name, named))};
}

Errors injectionRules(const Json& object, const CniType& type, const Json& conf) {
    const std::string_view name = type.name;
    const bool rdma = annotationOf(object, rdmaInjectKey).has_value(),
               network = annotationOf(object, networkInjectKey).has_value();
    if (name == "ovs" || name == "custom") {
        if (rdma || network)
            return {FieldError::forbidden(
                field, fmt::format("the cniType {} does not support RDMA resource or network resource injected", name))};
        return {};
    }
    const std::string resource = stringAt(conf, {name == "ipoib"  ? "master"
                                                 : type.onMasters ? "rdmaResourceName"
                                                                  : "resourceName"});
    const std::string who = namespaceOf(object) + "/" + nameOf(object);
    const bool hasPools = !at(conf, {"ippools", "ipv4"}).empty() || !at(conf, {"ippools", "ipv6"}).empty();
    const auto refuse = [&](const std::string& text) {
        return Errors{FieldError::invalid(configField(type), conf.dump(), text)};
    };
    if (rdma && resource.empty())
        return refuse(fmt::format("rdmaResourceName can not empty for spidermultusconfig {}", who));
    if ((rdma || (network && !resource.empty())) && !hasPools)
        return refuse(fmt::format("no any ippools configured for spidermultusconfig {}", who));
    return {};
}

Errors typeRules(const CniType& type, const Json& conf) {
    const std::string_view name = type.name;
    if (type.onMasters) {
        if (name == "vlan") {
            const bool automatic = stringAt(conf, {"vlanMode"}) == "auto";
            if (automatic && conf.contains("vlanID"))
                return {
                    FieldError::invalid(configField(type), conf.dump(), "vlanId must not be specified when vlanMode is auto")};
        }
        if (auto errors = vlanIdRule(type, at(conf, {"vlanID"})); !errors.empty())
            return errors;
        if (boolAt(conf, {"ippools", "matchMasterSubnet"}))
            return {FieldError::invalid(configField(type), conf.dump(),
                                        fmt::format("MatchMasterSubnet feature is not supported for {}", name))};
        return mastersRule(type, conf);
    }
    const auto missing = [&](const char* key) {
        return Errors{FieldError::required(configField(type), fmt::format("no {}[{}] specified", configField(type), key))};
    };
    if (name == "sriov") {
        if (auto errors = vlanIdRule(type, at(conf, {"vlanID"})); !errors.empty())
            return errors;
        const Json &least = at(conf, {"minTxRateMbps"}), &most = at(conf, {"maxTxRateMbps"});
        if (least.is_number_integer() && most.is_number_integer() && least > most)
            return {FieldError::invalid(configField(type), least.dump(), "minTxRateMbps must be less than maxTxRateMbps")};
    }
    if ((name == "sriov" || name == "ib-sriov") && stringAt(conf, {"resourceName"}).empty())
        return missing("resourceName");
    if (name == "ipoib" && stringAt(conf, {"master"}).empty())
        return missing("master");
    if (name == "ovs") {
        if (auto errors = vlanIdRule(type, at(conf, {"vlan"})); !errors.empty())
            return errors;
        return trunkRules(type, conf);
    }
    return {};
}

Errors configRules(const Json& object, const WebhookContext& context) {
    const Json& spec = at(object, {"spec"});
    const CniType* type = typeNamed(stringAt(spec, {"cniType"}));
    if (!type)
        return {FieldError::invalid(field, "\"null\"", "CniType must not be nil")};
    const bool custom = std::string_view(type->name) == "custom";
    static const Json none;
    const Json& conf = at(spec, {type->key});
    if (std::string_view(type->name) == "ovs" && !context.old())
        if (auto errors = injectionRules(object, *type, none); !errors.empty())
            return errors;
    if (custom) {
        if (!context.old())
            if (auto errors = injectionRules(object, *type, none); !errors.empty())
                return errors;
        if (auto errors = foreignConfigRule(spec, *type, context.old()); !errors.empty())
            return errors;
        const std::string text = stringAt(spec, {"customCNI"});
        if (!text.empty() && !Json::accept(text))
            return {FieldError::forbidden(configField(*type), "customCniConfig isn't a valid JSON encoding")};
        return {};
    }
    if (conf.is_null()) {
        // v0.8 puts a missing ovs config on the sriov field.
        const bool misplaced = context.old() && std::string_view(type->name) == "ovs";
        return {FieldError::required(misplaced ? "spec.sriovConfig" : configField(*type),
                                     fmt::format("no {} specified", configField(*type)))};
    }
    if (auto errors = typeRules(*type, conf); !errors.empty())
        return errors;
    if (auto errors = foreignConfigRule(spec, *type, context.old()); !errors.empty())
        return errors;
    return context.old() ? Errors{} : injectionRules(object, *type, conf);
}

Errors chainRules(const Json& spec) {
    for (const Json& entry : at(spec, {"chainCNIJsonData"})) {
        const auto text = entry.get<std::string>();
        const Json parsed = Json::parse(text, nullptr, false);
        std::string problem;
        if (!parsed.is_object())
            problem = "error parsing configuration: invalid JSON object";
        else if (stringAt(parsed, {"type"}).empty())
            problem = "error parsing configuration: missing 'type'";
        if (!problem.empty())
            return {FieldError::forbidden("spec.chainCNIJsonData", fmt::format("invalid {}: {}", text, problem))};
    }
    return {};
}

// %#v of a Go map.
std::string printAnnotations(const Json& object) {
    std::vector<std::string> entries;
    for (const auto& [key, value] : at(object, {"metadata", "annotations"}).items())
        entries.push_back(fmt::format("{}:{}", Json(key).dump(), value.dump()));
    return fmt::format("map[string]string{{{}}}", fmt::join(entries, ", "));
}

Errors annotationRules(const Json& object, const WebhookContext& context) {
    const auto refuse = [&](const std::string& text) {
        return Errors{FieldError::invalid("metadata.annotations", printAnnotations(object), text)};
    };
    const auto customName = annotationOf(object, crNameKey);
    if (context.old()) {
        if (customName && customName->empty())
            return refuse("invalid custom net-attach-def resource empty name");
        if (customName && customName->size() > 253)
            return refuse("the custom net-attach-def resource name must be no more than 253 characters");
    } else {
        if (customName)
            if (const auto problem = dns1123SubdomainProblem(*customName))
                return refuse(fmt::format("invalid custom net-attach-def resource name, err: [{}]", *problem));
        const std::string ns = namespaceOf(object), name = customName.value_or(nameOf(object));
        const ObjectPtr nad = context.store ? context.store->find("NetworkAttachmentDefinition", ns, name) : nullptr;
        if (nad)
            for (const Json& owner : at(*nad, {"metadata", "ownerReferences"}))
                if (stringAt(owner, {"kind"}) == "SpiderMultusConfig" && stringAt(owner, {"name"}) != nameOf(object))
                    return refuse(
                        fmt::format("the net-attach-def {}/{} already exists and is managed by SpiderMultusConfig {}/{}.", ns,
                                    name, ns, stringAt(owner, {"name"})));
    }
    if (const auto version = annotationOf(object, cniVersionKey))
        if (*version != "0.3.0" && *version != "0.3.1" && *version != "0.4.0" && *version != "1.0.0")
            return refuse(fmt::format("unsupported CNI version {}", *version));
    return {};
}

Errors nameChangeRules(const Json& object, const Json& old) {
    const auto now = annotationOf(object, crNameKey), before = annotationOf(old, crNameKey);
    if (now && before && *now != *before)
        return {FieldError::invalid(
            "metadata.annotations", Json(*before).dump(),
            fmt::format("it's unsupported to change customized Multus net-attach-def resource name from '{}' to '{}'", *before,
                        *now))};
    if (now && !before)
        return {FieldError::invalid(
            "metadata.annotations", Json(*now).dump(),
            fmt::format("it's unsupported to changed Multus net-attach-def '{}' to customized name '{}'", nameOf(old), *now))};
    return {};
}

} // namespace

void mutateMultusConfig(Json& object, const WebhookContext& context) {
    Json& spec = object["spec"];
    if (!context.old())
        setDefault(spec, "cniType", "custom");
    const std::string name = stringAt(spec, {"cniType"});
    if (isTerminating(object))
        return;
    if (const CniType* type = typeNamed(name))
        setTypeDefaults(spec, *type, context.old());
    if (name == "custom" && !context.old()) {
        spec.erase("coordinator");
        spec["enableCoordinator"] = false;
    } else {
        setCoordinatorDefaults(spec, context.old());
    }
    if (context.old())
        return;
    setDefault(spec, "chainCNIJsonData", Json::array());
    for (const char* key : {rdmaInjectKey, networkInjectKey})
        if (const auto value = annotationOf(object, key))
            object["metadata"]["labels"][key] = *value;
}

Errors validateMultusConfig(const Json& object, const Json* old, const WebhookContext& context) {
    if (old)
        if (auto errors = nameChangeRules(object, *old); !errors.empty())
            return errors;
    if (auto errors = annotationRules(object, context); !errors.empty())
        return errors;
    if (auto errors = configRules(object, context); !errors.empty())
        return errors;
    if (const Json& block = at(object, {"spec", "coordinator"}); !block.is_null())
        if (auto errors = validateCoordinatorSpec(block, false, context); !errors.empty())
            return errors;
    return context.old() ? Errors{} : chainRules(at(object, {"spec"}));
}

} // namespace rdmalab::cluster
