#include "sim/cluster/spiderpool/crd_schemas.h"

namespace rdmalab::cluster {
namespace {

using S = Schema;
using Properties = std::map<std::string, S>;

S strings() {
    return S::array(S::string());
}
S vlanId() {
    return S::integer().between(0, 4094);
}
S routes() {
    return S::array(S::object({{"dst", S::string()}, {"gw", S::string()}}, {"dst", "gw"}));
}
S ipVersion() {
    return S::integer().oneOf({4, 6});
}
S count() {
    return S::integer().between(0);
}

S labelSelector() {
    return S::object(
        {{"matchLabels", S::mapOf(S::string())},
         {"matchExpressions",
          S::array(S::object({{"key", S::string()}, {"operator", S::string()}, {"values", strings()}}, {"key", "operator"}))}});
}

S wholeObject(Properties properties) {
    properties.emplace("apiVersion", S::string());
    properties.emplace("kind", S::string());
    properties.emplace("metadata", S::anything());
    return S::object(std::move(properties));
}

S ipPool(bool old) {
    Properties spec = {{"default", S::boolean().byDefault(false)},
                       {"disable", S::boolean().byDefault(false)},
                       {"excludeIPs", strings()},
                       {"gateway", S::string()},
                       {"ipVersion", ipVersion()},
                       {"ips", strings()},
                       {"multusName", strings()},
                       {"namespaceAffinity", labelSelector()},
                       {"namespaceName", strings()},
                       {"nodeAffinity", labelSelector()},
                       {"nodeName", strings()},
                       {"podAffinity", labelSelector()},
                       {"routes", routes()},
                       {"subnet", S::string()}};
    if (old)
        spec.emplace("vlan", vlanId());
    return wholeObject(
        {{"spec", S::object(spec, {"subnet"})},
         {"status", S::object({{"allocatedIPCount", count()}, {"allocatedIPs", S::string()}, {"totalIPCount", count()}})}});
}

S subnet(bool old) {
    Properties spec = {{"excludeIPs", strings()}, {"gateway", S::string()}, {"ipVersion", ipVersion()},
                       {"ips", strings()},        {"routes", routes()},     {"subnet", S::string()}};
    if (old)
        spec.emplace("vlan", vlanId());
    return wholeObject(
        {{"spec", S::object(spec, {"subnet"})},
         {"status", S::object({{"allocatedIPCount", count()}, {"controlledIPPools", S::string()}, {"totalIPCount", count()}})}});
}

S reservedIp() {
    return wholeObject({{"spec", S::object({{"ipVersion", ipVersion()}, {"ips", strings()}})}});
}

S endpoint(bool old) {
    Properties nic = {{"cleanGateway", S::boolean()}, {"interface", S::string()}, {"ipv4", S::string()},
                      {"ipv4Gateway", S::string()},   {"ipv4Pool", S::string()},  {"ipv6", S::string()},
                      {"ipv6Gateway", S::string()},   {"ipv6Pool", S::string()},  {"routes", routes()},
                      {"vlan", vlanId().byDefault(0)}};
    if (!old)
        nic.emplace("mac", S::string());
    return wholeObject(
        {{"status",
          S::object({{"current",
                      S::object({{"ips", S::array(S::object(nic, {"interface"}))}, {"node", S::string()}, {"uid", S::string()}},
                                {"ips", "node", "uid"})},
                     {"ownerControllerName", S::string()},
                     {"ownerControllerType", S::string()}},
                    {"current", "ownerControllerName", "ownerControllerType"})}});
}

S coordinatorSpec(bool old) {
    const S mode = S::string().oneOf({"auto", "underlay", "overlay", "disabled"});
    Properties spec = {{"hijackCIDR", strings()},
                       {"podCIDRType", S::string().oneOf({"auto", "cluster", "calico", "cilium", "none"})},
                       {"podDefaultRouteNIC", S::string()},
                       {"podMACPrefix", S::string()}};
    if (old) {
        spec.insert({{"detectGateway", S::boolean()},
                     {"detectIPConflict", S::boolean()},
                     {"hostRPFilter", S::integer()},
                     {"hostRuleTable", S::integer()},
                     {"mode", mode},
                     {"tunePodRoutes", S::boolean()}});
    } else {
        spec.insert({{"hostRuleTable", S::integer().byDefault(500)},
                     {"mode", mode.byDefault("auto")},
                     {"podRPFilter", S::integer().byDefault(0)},
                     {"policyRoutes", routes()},
                     {"tunePodRoutes", S::boolean().byDefault(true)},
                     {"txQueueLen", S::integer().byDefault(0)},
                     {"vethLinkAddress", S::string()},
                     {"vethMTU", S::integer().between(1)}});
    }
    return S::object(spec);
}

S coordinator(bool old) {
    Properties status = {{"overlayPodCIDR", strings()}, {"phase", S::string()}, {"serviceCIDR", strings()}};
    if (!old)
        status.emplace("reason", S::string());
    return wholeObject({{"spec", coordinatorSpec(old)}, {"status", S::object(status, {"phase"})}});
}

S pools(bool old) {
    Properties properties = {{"ipv4", strings()}, {"ipv6", strings()}};
    if (!old)
        properties.emplace("matchMasterSubnet", S::boolean().byDefault(false));
    return S::object(properties);
}

// macvlan, ipvlan and vlan share most of their fields.
Properties onMasters(bool old) {
    Properties properties = {
        {"bond",
         S::object({{"mode", S::integer().between(0, 6)}, {"name", S::string()}, {"options", S::string()}}, {"mode", "name"})},
        {"ippools", pools(old)},
        {"master", strings()},
        {"vlanID", vlanId()}};
    if (!old)
        properties.insert({{"mtu", S::integer().between(0).byDefault(0)}, {"rdmaResourceName", S::string()}});
    return properties;
}

S multusConfig(bool old) {
    Properties sriov = {{"ippools", pools(old)},
                        {"maxTxRateMbps", S::integer().between(0)},
                        {"minTxRateMbps", S::integer().between(0)},
                        {"resourceName", S::string()},
                        {"vlanID", vlanId()}};
    if (old)
        sriov.emplace("enableRdma", S::boolean().byDefault(false));
    else
        sriov.insert({{"mtu", S::integer().between(0).byDefault(0)}, {"rdmaIsolation", S::boolean().byDefault(false)}});
    const S trunk = S::object({{"id", vlanId()}, {"maxID", vlanId()}, {"minID", vlanId()}});
    Properties spec = {{"coordinator", coordinatorSpec(old)},
                       {"customCNI", S::string()},
                       {"disableIPAM", S::boolean().byDefault(false)},
                       {"enableCoordinator", S::boolean().byDefault(true)},
                       {"ipvlan", S::object(onMasters(old), {"master"})},
                       {"macvlan", S::object(onMasters(old), {"master"})},
                       {"ovs", S::object({{"bridge", S::string()},
                                          {"deviceID", S::string()},
                                          {"ippools", pools(old)},
                                          {"trunk", S::array(trunk)},
                                          {"vlan", S::integer()}},
                                         {"bridge"})},
                       {"sriov", S::object(sriov, old ? std::vector<std::string>{"resourceName"} : std::vector<std::string>{})}};
    if (old) {
        spec.emplace("cniType", S::string().oneOf({"macvlan", "ipvlan", "sriov", "ovs", "custom"}));
        return wholeObject({{"spec", S::object(spec, {"cniType"})}});
    }
    Properties vlan = onMasters(old);
    vlan.emplace("vlanMode", S::string().oneOf({"manual", "auto"}).byDefault("manual"));
    spec.insert(
        {{"chainCNIJsonData", strings()},
         {"cniType",
          S::string().oneOf({"macvlan", "ipvlan", "vlan", "sriov", "ovs", "ib-sriov", "ipoib", "custom"}).byDefault("custom")},
         {"ibsriov", S::object({{"enableIbKubernetes", S::boolean().byDefault(false)},
                                {"ippools", pools(old)},
                                {"linkState", S::string().oneOf({"auto", "enable", "disable"}).byDefault("enable")},
                                {"pkey", S::string()},
                                {"rdmaIsolation", S::boolean().byDefault(true)},
                                {"resourceName", S::string()}})},
         {"ipoib", S::object({{"ippools", pools(old)}, {"master", S::string()}})},
         {"vlan", S::object(vlan, {"master"})}});
    return wholeObject({{"spec", S::object(spec)}});
}

std::map<std::string, S> schemas(bool old) {
    return {{"SpiderIPPool", ipPool(old)},           {"SpiderSubnet", subnet(old)},
            {"SpiderReservedIP", reservedIp()},      {"SpiderEndpoint", endpoint(old)},
            {"SpiderCoordinator", coordinator(old)}, {"SpiderMultusConfig", multusConfig(old)}};
}

} // namespace

const Schema* spiderpoolSchema(const std::string& kind, SpiderpoolProfile profile) {
    static const std::map<std::string, S> v0_8 = schemas(true), v1_2 = schemas(false);
    const auto& known = profile == SpiderpoolProfile::v0_8 ? v0_8 : v1_2;
    const auto it = known.find(kind);
    return it == known.end() ? nullptr : &it->second;
}

} // namespace rdmalab::cluster
