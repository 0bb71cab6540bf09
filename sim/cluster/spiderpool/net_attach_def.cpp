#include "sim/cluster/spiderpool/net_attach_def.h"

#include "sim/cluster/object_meta.h"

#include <fmt/format.h>

#include <stdexcept>

namespace rdmalab::cluster {
namespace {

// The key order of the Go structs is part of the text.
using Conf = nlohmann::ordered_json;

constexpr const char* resourceKey = "k8s.v1.cni.cncf.io/resourceName";

// Copies a value under another name when it is there.
void pass(Conf& to, const char* toKey, const Json& from, const char* fromKey) {
    if (const auto it = from.find(fromKey); it != from.end())
        to[toKey] = Conf(*it);
}

void passUnlessEmpty(Conf& to, const char* toKey, const Json& from, const char* fromKey) {
    if (const Json& value = at(from, {fromKey}); !value.is_null() &&
                                                 !(value.is_string() && value.get_ref<const std::string&>().empty()) &&
                                                 !((value.is_array() || value.is_object()) && value.empty()))
        to[toKey] = Conf(value);
}

class Generator {
public:
    Generator(const Json& spec, bool old) : spec_(spec), old_(old) {}

    Conf main(const std::string& type) const {
        const Json& conf = config(type);
        if (type == "macvlan" || type == "ipvlan")
            return onMaster(type, conf);
        if (type == "vlan")
            return vlan(conf);
        if (type == "sriov")
            return sriov(conf);
        if (type == "ib-sriov")
            return ibSriov(conf);
        if (type == "ipoib")
            return ipoib(conf);
        return ovs(conf);
    }

    const Json& config(const std::string& type) const {
        const Json& conf = at(spec_, {type == "ib-sriov" ? "ibsriov" : type});
        if (conf.is_null())
            throw std::runtime_error(fmt::format("no spec.{} specified", type));
        return conf;
    }

    // The plugin that makes a bond or a VLAN interface first, when one is needed.
    std::optional<Conf> ifacer(const std::string& type) const {
        if (type != "macvlan" && type != "ipvlan" && type != "vlan")
            return std::nullopt;
        const Json& conf = config(type);
        const auto vlanId = type == "vlan" ? 0 : intAt(conf, {"vlanID"});
        if (vlanId == 0 && at(conf, {"master"}).size() < 2)
            return std::nullopt;
        Conf plugin;
        if (vlanId != 0)
            plugin["vlanID"] = vlanId;
        plugin["type"] = "ifacer";
        pass(plugin, "interfaces", conf, "master");
        if (const Json& bond = at(conf, {"bond"}); !bond.is_null()) {
            pass(plugin["bond"], "name", bond, "name");
            pass(plugin["bond"], "mode", bond, "mode");
            pass(plugin["bond"], "options", bond, "options");
        }
        return plugin;
    }

    Conf coordinator() const {
        const Json& block = at(spec_, {"coordinator"});
        Conf plugin;
        if (old_) {
            pass(plugin, "detectIPConflict", block, "detectIPConflict");
            pass(plugin, "detectGateway", block, "detectGateway");
            passUnlessEmpty(plugin, "podMACPrefix", block, "podMACPrefix");
            passUnlessEmpty(plugin, "mode", block, "mode");
            plugin["type"] = "coordinator";
            passUnlessEmpty(plugin, "podDefaultRouteNic", block, "podDefaultRouteNIC");
            passUnlessEmpty(plugin, "hijackCIDR", block, "hijackCIDR");
            return plugin;
        }
        pass(plugin, "txQueueLen", block, "txQueueLen");
        passUnlessEmpty(plugin, "vethLinkAddress", block, "vethLinkAddress");
        pass(plugin, "vethMTU", block, "vethMTU");
        pass(plugin, "tunePodRoutes", block, "tunePodRoutes");
        passUnlessEmpty(plugin, "podMACPrefix", block, "podMACPrefix");
        passUnlessEmpty(plugin, "mode", block, "mode");
        plugin["type"] = "coordinator";
        passUnlessEmpty(plugin, "podDefaultRouteNic", block, "podDefaultRouteNIC");
        // Upstream looks at podCIDRType here; hostRuleTable and podCIDRType themselves never reach the NAD.
        if (block.contains("podCIDRType"))
            pass(plugin, "podRPFilter", block, "podRPFilter");
        passUnlessEmpty(plugin, "hijackCIDR", block, "hijackCIDR");
        if (const Json& routes = at(block, {"policyRoutes"}); !routes.empty())
            for (const Json& route : routes)
                plugin["policyRoutes"].push_back(Conf{{"dst", stringAt(route, {"dst"})}, {"gw", stringAt(route, {"gw"})}});
        return plugin;
    }

private:
    void addIpam(Conf& plugin, const Json& conf, bool matchesMaster = false) const {
        if (boolAt(spec_, {"disableIPAM"}))
            return;
        Conf& ipam = plugin["ipam"];
        ipam["type"] = "spiderpool";
        const Json& pools = at(conf, {"ippools"});
        passUnlessEmpty(ipam, "default_ipv4_ippool", pools, "ipv4");
        passUnlessEmpty(ipam, "default_ipv6_ippool", pools, "ipv6");
        if (matchesMaster && boolAt(pools, {"matchMasterSubnet"}))
            ipam["match_master_subnet"] = true;
    }

    static std::string masterName(const Json& conf, bool withVlan) {
        const Json& masters = at(conf, {"master"});
        std::string name = masters.size() == 1 ? masters.front().get<std::string>() : stringAt(conf, {"bond", "name"});
        if (const auto id = intAt(conf, {"vlanID"}); withVlan && id != 0)
            name += fmt::format(".{}", id);
        return name;
    }

    Conf onMaster(const std::string& type, const Json& conf) const {
        Conf plugin = {{"type", type}, {"master", masterName(conf, true)}};
        if (type == "macvlan")
            plugin["mode"] = "bridge";
        if (!old_)
            pass(plugin, "mtu", conf, "mtu");
        addIpam(plugin, conf);
        return plugin;
    }

    Conf vlan(const Json& conf) const {
        Conf plugin = {{"type", "vlan"}, {"master", masterName(conf, false)}};
        pass(plugin, "vlanMode", conf, "vlanMode");
        if (stringAt(conf, {"vlanMode"}) == "manual")
            pass(plugin, "vlanId", conf, "vlanID");
        pass(plugin, "mtu", conf, "mtu");
        addIpam(plugin, conf);
        return plugin;
    }

    Conf sriov(const Json& conf) const {
        Conf plugin;
        pass(plugin, "vlan", conf, "vlanID");
        pass(plugin, old_ ? "minTxRate" : "min_tx_rate", conf, "minTxRateMbps");
        pass(plugin, old_ ? "maxTxRate" : "max_tx_rate", conf, "maxTxRateMbps");
        plugin["type"] = "sriov";
        addIpam(plugin, conf, !old_);
        return plugin;
    }

    Conf ibSriov(const Json& conf) const {
        Conf plugin = {{"type", "ib-sriov"}};
        pass(plugin, "pkey", conf, "pkey");
        pass(plugin, "link_state", conf, "linkState");
        pass(plugin, "rdmaIsolation", conf, "rdmaIsolation");
        pass(plugin, "ibKubernetesEnabled", conf, "enableIbKubernetes");
        addIpam(plugin, conf);
        return plugin;
    }

    Conf ipoib(const Json& conf) const {
        Conf plugin = {{"type", "ipoib"}};
        passUnlessEmpty(plugin, "master", conf, "master");
        addIpam(plugin, conf);
        return plugin;
    }

    Conf ovs(const Json& conf) const {
        Conf plugin;
        pass(plugin, "vlan", conf, "vlan");
        plugin["type"] = "ovs";
        pass(plugin, "bridge", conf, "bridge");
        passUnlessEmpty(plugin, "deviceID", conf, "deviceID");
        addIpam(plugin, conf);
        for (const Json& trunk : at(conf, {"trunk"})) {
            Conf entry = Conf::object();
            for (const char* key : {"minID", "maxID", "id"})
                pass(entry, key, trunk, key);
            plugin["trunk"].push_back(std::move(entry));
        }
        return plugin;
    }

    const Json& spec_;
    bool old_;
};

} // namespace

std::string netAttachDefName(const Json& smc) {
    return annotationOf(smc, "multus.spidernet.io/cr-name").value_or(nameOf(smc));
}

Json generateNetAttachDef(const Json& smc, SpiderpoolProfile profile) {
    const bool old = profile == SpiderpoolProfile::v0_8;
    const Json& spec = at(smc, {"spec"});
    const std::string name = netAttachDefName(smc), type = stringAt(spec, {"cniType"});
    Json nad = {{"apiVersion", "k8s.cni.cncf.io/v1"},
                {"kind", "NetworkAttachmentDefinition"},
                {"metadata", {{"name", name}, {"namespace", namespaceOf(smc)}}}};
    Json annotations = at(smc, {"metadata", "annotations"});
    if (!annotations.is_object())
        annotations = Json::object();
    std::string config;
    if (type == "custom") {
        config = stringAt(spec, {"customCNI"});
        if (!config.empty() && !Json::accept(config))
            throw std::runtime_error("customCniConfig isn't a valid JSON encoding");
    } else {
        const Generator generator(spec, old);
        Conf plugins = Conf::array();
        if (auto ifacer = generator.ifacer(type))
            plugins.push_back(std::move(*ifacer));
        plugins.push_back(generator.main(type));
        const Json& conf = generator.config(type);
        if (type == "sriov" && boolAt(conf, {old ? "enableRdma" : "rdmaIsolation"}))
            plugins.push_back(Conf{{"type", "rdma"}});
        if (!old)
            for (const Json& chained : at(spec, {"chainCNIJsonData"}))
                plugins.push_back(Conf(Json::parse(chained.get<std::string>()))); // Go sorts the keys of a free map
        if (boolAt(spec, {"enableCoordinator"}, true))
            plugins.push_back(generator.coordinator());
        if (const auto mtu = intAt(conf, {"mtu"}); type == "sriov" && !old && mtu > 0)
            plugins.push_back(Conf{{"type", "tuning"}, {"mtu", mtu}});
        if (type == "sriov" || type == "ib-sriov")
            annotations[resourceKey] = stringAt(conf, {"resourceName"});
        else if (type == "ovs" && !stringAt(conf, {"deviceID"}).empty())
            annotations[resourceKey] = "ovs-cni.network.kubevirt.io/" + stringAt(conf, {"bridge"});
        std::string confName = old ? "" : stringAt(annotations, {"cni.spidernet.io/cniconfig-name"});
        const Conf list = {{"cniVersion", stringAt(annotations, {"multus.spidernet.io/cni-version"}, "0.3.1")},
                           {"name", confName.empty() ? name : confName},
                           {"plugins", std::move(plugins)}};
        config = list.dump();
    }
    if (!annotations.empty())
        nad["metadata"]["annotations"] = std::move(annotations);
    nad["spec"] = Json::object();
    if (!config.empty())
        nad["spec"]["config"] = config;
    if (!uidOf(smc).empty())
        nad["metadata"]["ownerReferences"] = Json::array({controllerReference(smc)});
    return nad;
}

} // namespace rdmalab::cluster
