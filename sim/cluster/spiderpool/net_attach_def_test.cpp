#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/admission.h"
#include "sim/cluster/spiderpool/net_attach_def.h"

#include <gtest/gtest.h>

namespace rdmalab::cluster {
namespace {

Json nad(Json spec, SpiderpoolProfile profile, Json annotations = Json::object()) {
    Json smc = {{"apiVersion", "spiderpool.spidernet.io/v2beta1"},
                {"kind", "SpiderMultusConfig"},
                {"metadata", {{"name", "N"}, {"namespace", "kube-system"}, {"annotations", std::move(annotations)}}},
                {"spec", std::move(spec)}};
    return generateNetAttachDef(withSpiderpoolDefaults(std::move(smc), profile), profile);
}

std::string config(Json spec, SpiderpoolProfile profile = SpiderpoolProfile::v1_2) {
    return stringAt(nad(std::move(spec), profile), {"spec", "config"});
}

std::string conf(const std::string& plugins) {
    return R"({"cniVersion":"0.3.1","name":"N","plugins":[)" + plugins + "]}";
}

const std::string coordinator = R"({"tunePodRoutes":true,"mode":"auto","type":"coordinator"})";
const Json pools = {{"ipv4", {"v4-81"}}};

TEST(NetAttachDef, Macvlan) {
    EXPECT_EQ(
        config({{"cniType", "macvlan"}, {"macvlan", {{"master", {"ens6f0np0"}}, {"ippools", pools}}}}),
        conf(
            R"({"type":"macvlan","master":"ens6f0np0","mode":"bridge","mtu":0,"ipam":{"type":"spiderpool","default_ipv4_ippool":["v4-81"]}},)" +
            coordinator));
    EXPECT_EQ(config({{"cniType", "macvlan"}, {"macvlan", {{"master", {"ens6f0np0"}}, {"vlanID", 100}}}}),
              conf(R"({"vlanID":100,"type":"ifacer","interfaces":["ens6f0np0"]},)"
                   R"({"type":"macvlan","master":"ens6f0np0.100","mode":"bridge","mtu":0,"ipam":{"type":"spiderpool"}},)" +
                   coordinator));
    EXPECT_EQ(
        config({{"cniType", "macvlan"},
                {"macvlan", {{"master", {"e1", "e2"}}, {"bond", {{"name", "bond0"}, {"mode", 1}, {"options", "primary=e1"}}}}}}),
        conf(R"({"type":"ifacer","interfaces":["e1","e2"],"bond":{"name":"bond0","mode":1,"options":"primary=e1"}},)"
             R"({"type":"macvlan","master":"bond0","mode":"bridge","mtu":0,"ipam":{"type":"spiderpool"}},)" +
             coordinator));
}

TEST(NetAttachDef, IpvlanAndVlan) {
    EXPECT_EQ(
        config({{"cniType", "ipvlan"}, {"ipvlan", {{"master", {"e1"}}, {"vlanID", 7}}}, {"enableCoordinator", false}}),
        conf(
            R"({"vlanID":7,"type":"ifacer","interfaces":["e1"]},{"type":"ipvlan","master":"e1.7","mtu":0,"ipam":{"type":"spiderpool"}})"));
    EXPECT_EQ(config({{"cniType", "vlan"}, {"vlan", {{"master", {"e1"}}, {"vlanID", 100}}}, {"enableCoordinator", false}}),
              conf(R"({"type":"vlan","master":"e1","vlanMode":"manual","vlanId":100,"mtu":0,"ipam":{"type":"spiderpool"}})"));
}

TEST(NetAttachDef, SriovChain) {
    EXPECT_EQ(config({{"cniType", "sriov"}, {"sriov", {{"resourceName", "r"}}}, {"enableCoordinator", false}}),
              conf(R"({"vlan":0,"min_tx_rate":0,"max_tx_rate":0,"type":"sriov","ipam":{"type":"spiderpool"}})"));
    EXPECT_EQ(
        config({{"cniType", "sriov"},
                {"sriov",
                 {{"resourceName", "r"}, {"rdmaIsolation", true}, {"mtu", 4200}, {"ippools", {{"matchMasterSubnet", true}}}}},
                {"chainCNIJsonData", {R"({"type":"sbr","a":1})"}}}),
        conf(
            R"({"vlan":0,"min_tx_rate":0,"max_tx_rate":0,"type":"sriov","ipam":{"type":"spiderpool","match_master_subnet":true}},)"
            R"({"type":"rdma"},{"a":1,"type":"sbr"},)" +
            coordinator + R"(,{"type":"tuning","mtu":4200})"));
}

// What the seed's SR-IOV manifest becomes in both releases.
TEST(NetAttachDef, EnableRdmaChainsRdmaInV08Only) {
    const Json seed = {{"cniType", "sriov"},
                       {"sriov", {{"resourceName", "spidernet.io/mellanoxrdma"}, {"enableRdma", true}, {"ippools", pools}}}};
    EXPECT_EQ(
        config(seed, SpiderpoolProfile::v0_8),
        conf(
            R"({"vlan":0,"minTxRate":0,"maxTxRate":0,"type":"sriov","ipam":{"type":"spiderpool","default_ipv4_ippool":["v4-81"]}},)"
            R"({"type":"rdma"},{"detectIPConflict":false,"detectGateway":false,"mode":"auto","type":"coordinator"})"));
    EXPECT_EQ(
        config(seed),
        conf(
            R"({"vlan":0,"min_tx_rate":0,"max_tx_rate":0,"type":"sriov","ipam":{"type":"spiderpool","default_ipv4_ippool":["v4-81"]}},)" +
            coordinator));
}

TEST(NetAttachDef, MacvlanOfV08HasNoMtu) {
    EXPECT_EQ(
        config({{"cniType", "macvlan"}, {"macvlan", {{"master", {"ens6f0np0"}}, {"ippools", pools}}}}, SpiderpoolProfile::v0_8),
        conf(
            R"({"type":"macvlan","master":"ens6f0np0","mode":"bridge","ipam":{"type":"spiderpool","default_ipv4_ippool":["v4-81"]}},)"
            R"({"detectIPConflict":false,"detectGateway":false,"mode":"auto","type":"coordinator"})"));
}

TEST(NetAttachDef, InfiniBandAndOvs) {
    const Json off = false;
    EXPECT_EQ(
        config({{"cniType", "ib-sriov"}, {"ibsriov", {{"resourceName", "r"}, {"pkey", "1000"}}}, {"enableCoordinator", off}}),
        conf(
            R"({"type":"ib-sriov","pkey":"1000","link_state":"enable","rdmaIsolation":true,"ibKubernetesEnabled":false,"ipam":{"type":"spiderpool"}})"));
    EXPECT_EQ(config({{"cniType", "ipoib"}, {"ipoib", {{"master", "ibs5f0"}}}, {"enableCoordinator", off}}),
              conf(R"({"type":"ipoib","master":"ibs5f0","ipam":{"type":"spiderpool"}})"));
    EXPECT_EQ(config({{"cniType", "ovs"},
                      {"ovs", {{"bridge", "br1"}, {"vlan", 30}, {"trunk", Json::array({{{"minID", 1}, {"maxID", 3}}})}}},
                      {"enableCoordinator", off}}),
              conf(R"({"vlan":30,"type":"ovs","bridge":"br1","ipam":{"type":"spiderpool"},"trunk":[{"minID":1,"maxID":3}]})"));
}

TEST(NetAttachDef, DisableIpamDropsIt) {
    EXPECT_EQ(
        config({{"cniType", "macvlan"}, {"macvlan", {{"master", {"e1"}}}}, {"disableIPAM", true}, {"enableCoordinator", false}}),
        conf(R"({"type":"macvlan","master":"e1","mode":"bridge","mtu":0})"));
}

TEST(NetAttachDef, CoordinatorBlock) {
    EXPECT_EQ(
        config({{"cniType", "ipoib"},
                {"ipoib", {{"master", "ib0"}}},
                {"disableIPAM", true},
                {"coordinator",
                 {{"mode", "underlay"},
                  {"hostRuleTable", 600},
                  {"podRPFilter", 1},
                  {"hijackCIDR", {"10.0.0.0/8"}},
                  {"podMACPrefix", "0a:1b"},
                  {"podDefaultRouteNIC", "net1"},
                  {"vethMTU", 1400},
                  {"policyRoutes", Json::array({{{"dst", "10.1.0.0/16"}, {"gw", "10.1.0.1"}}})}}}}),
        conf(
            R"({"type":"ipoib","master":"ib0"},)"
            R"({"txQueueLen":0,"vethMTU":1400,"tunePodRoutes":true,"podMACPrefix":"0a:1b","mode":"underlay","type":"coordinator",)"
            R"("podDefaultRouteNic":"net1","hijackCIDR":["10.0.0.0/8"],"policyRoutes":[{"dst":"10.1.0.0/16","gw":"10.1.0.1"}]})"))
        << "hostRuleTable never reaches the NAD, podRPFilter only together with podCIDRType";
}

TEST(NetAttachDef, CustomIsVerbatimAndMayBeEmpty) {
    EXPECT_EQ(config({{"cniType", "custom"}, {"customCNI", R"({ "type": "x" })"}}), R"({ "type": "x" })");
    EXPECT_EQ(nad({{"cniType", "custom"}}, SpiderpoolProfile::v1_2)["spec"], Json::object());
}

TEST(NetAttachDef, NamesVersionsAndAnnotations) {
    const Json made = nad({{"cniType", "sriov"}, {"sriov", {{"resourceName", "spidernet.io/vf"}}}}, SpiderpoolProfile::v1_2,
                          {{"multus.spidernet.io/cr-name", "rail1"},
                           {"multus.spidernet.io/cni-version", "1.0.0"},
                           {"cni.spidernet.io/cniconfig-name", "inner"},
                           {"mine", "kept"}});
    EXPECT_EQ(nameOf(made), "rail1");
    EXPECT_EQ(namespaceOf(made), "kube-system");
    EXPECT_EQ(annotationOf(made, "k8s.v1.cni.cncf.io/resourceName"), "spidernet.io/vf");
    EXPECT_EQ(annotationOf(made, "mine"), "kept");
    const Json list = Json::parse(stringAt(made, {"spec", "config"}));
    EXPECT_EQ(list["cniVersion"], "1.0.0");
    EXPECT_EQ(list["name"], "inner");
    const Json plain = nad({{"cniType", "macvlan"}, {"macvlan", {{"master", {"e"}}, {"rdmaResourceName", "spidernet.io/r"}}}},
                           SpiderpoolProfile::v1_2);
    EXPECT_FALSE(annotationOf(plain, "k8s.v1.cni.cncf.io/resourceName")) << "only the pod webhook reads rdmaResourceName";
    const Json ovs =
        nad({{"cniType", "ovs"}, {"ovs", {{"bridge", "br1"}, {"deviceID", "0000:af:00.2"}}}}, SpiderpoolProfile::v1_2);
    EXPECT_EQ(annotationOf(ovs, "k8s.v1.cni.cncf.io/resourceName"), "ovs-cni.network.kubevirt.io/br1");
}

} // namespace
} // namespace rdmalab::cluster
