#include "sim/clock/virtual_loop.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/spiderpool/admission.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Json object(const char* kind, const std::string& name, Json spec) {
    return {{"apiVersion", "spiderpool.spidernet.io/v2beta1"},
            {"kind", kind},
            {"metadata", {{"name", name}}},
            {"spec", std::move(spec)}};
}

Json pool(const std::string& name, Json ips, const std::string& subnet = "172.81.0.0/16") {
    return object("SpiderIPPool", name, {{"subnet", subnet}, {"ips", std::move(ips)}});
}

Json macvlan(const std::string& name) {
    return object("SpiderMultusConfig", name,
                  {{"cniType", "macvlan"}, {"macvlan", {{"master", {"ens6f0np0"}}, {"ippools", {{"ipv4", {"v4-81"}}}}}}});
}

std::string denied(const char* kind, const std::string& name, const std::string& rest) {
    std::string lower = kind;
    for (char& c : lower)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return "admission webhook \"" + lower + ".spiderpool.spidernet.io\" denied the request: " + kind +
           ".spiderpool.spidernet.io \"" + name + "\" is invalid: " + rest;
}

class Cluster {
public:
    explicit Cluster(SpiderpoolProfile profile, SpiderpoolAdmissionOptions options = {}) {
        options.profile = profile;
        pruned = installSpiderpoolAdmission(store, options);
    }
    std::string write(const std::function<void()>& action) {
        try {
            action();
        } catch (const plugin::KubeError& error) {
            return error.what();
        }
        return "accepted";
    }
    std::string create(Json o) {
        return write([&] { store.create(std::move(o)); });
    }
    std::string apply(const Json& o) {
        return write([&] { store.apply(o); });
    }

    clock::VirtualLoop loop;
    Store store{loop};
    std::shared_ptr<const std::vector<PrunedField>> pruned;
};

class SpiderpoolAdmissionTest : public testing::Test {
protected:
    Cluster v08{SpiderpoolProfile::v0_8}, v12{SpiderpoolProfile::v1_2};
};

TEST(SpiderpoolProfileText, KnowsItsReleases) {
    EXPECT_EQ(spiderpoolProfile("0.8"), SpiderpoolProfile::v0_8);
    EXPECT_EQ(spiderpoolProfile("v0.8.13"), SpiderpoolProfile::v0_8);
    EXPECT_EQ(spiderpoolProfile("1.2.2"), SpiderpoolProfile::v1_2);
    EXPECT_THROW(spiderpoolProfile("0.80"), std::invalid_argument);
    EXPECT_THROW(spiderpoolProfile("1.20"), std::invalid_argument);
}

TEST_F(SpiderpoolAdmissionTest, PoolsAreCompleted) {
    Json made = pool("p", {"172.81.0.110-172.81.0.120", "172.81.0.100-172.81.0.109"});
    ASSERT_EQ(v12.create(made), "accepted");
    made = *v12.store.get("SpiderIPPool", "", "p");
    EXPECT_EQ(made["spec"]["ipVersion"], 4);
    EXPECT_EQ(made["spec"]["default"], false);
    EXPECT_EQ(made["spec"]["ips"], Json::array({"172.81.0.100-172.81.0.120"}));
    EXPECT_EQ(labelOf(made, "ipam.spidernet.io/ippool-cidr"), "172-81-0-0-16");
    EXPECT_TRUE(hasFinalizer(made, "spiderpool.spidernet.io"));
}

TEST_F(SpiderpoolAdmissionTest, SubnetsMustBeWritten) {
    EXPECT_EQ(v12.create(pool("p", Json::array(), "172.16.11.0/16")),
              denied("SpiderIPPool", "p",
                     "spec.subnet: Invalid value: \"172.16.11.0/16\": unformatted subnet 172.16.11.0/16, please change it to "
                     "172.16.0.0/16"));
    EXPECT_EQ(v08.create(pool("p", Json::array(), "172.16.11.0/16")), "accepted") << "v0.8 does not look at host bits";
    EXPECT_EQ(v12.create(pool("q", Json::array(), "172.16.0.0")),
              denied("SpiderIPPool", "q",
                     "spec.ipVersion: Invalid value: \"null\": is not generated correctly, 'spec.subnet' may be invalid"));
    EXPECT_EQ(v12.create(object("SpiderIPPool", "r", Json::object())),
              "SpiderIPPool.spiderpool.spidernet.io \"r\" is invalid: spec.subnet: Required value");
    EXPECT_THAT(
        v12.create(object("SpiderIPPool", "r", {{"subnet", "172.16.0.0/16"}, {"ipVersion", "ipv4"}})),
        HasSubstr("spec.ipVersion: Invalid value: \"string\": spec.ipVersion in body must be of type integer: \"string\""));
}

TEST_F(SpiderpoolAdmissionTest, TheGatewayMustNotBeHandedOut) {
    Json p = pool("p", {"172.81.0.1-172.81.0.20"});
    p["spec"]["gateway"] = "172.81.0.1";
    EXPECT_EQ(v12.create(p),
              denied("SpiderIPPool", "p",
                     "spec.ips[0]: Invalid value: \"172.81.0.1-172.81.0.20\": conflicts with 'spec.gateway' 172.81.0.1, add "
                     "the gateway IP address to 'spec.excludeIPs' or remove it from 'spec.ips'"));
    p["spec"]["excludeIPs"] = {"172.81.0.1"};
    EXPECT_EQ(v12.create(p), "accepted");
    p = pool("q", Json::array());
    p["spec"]["gateway"] = "10.0.0.1";
    EXPECT_THAT(
        v12.create(p),
        HasSubstr("spec.gateway: Invalid value: \"10.0.0.1\": not pertains to the 'spec.subnet' 172.81.0.0/16 of IPPool"));
}

TEST_F(SpiderpoolAdmissionTest, RangesOfOnePool) {
    EXPECT_THAT(v12.create(pool("p", {"172.16.1.256"}, "172.16.0.0/16")),
                HasSubstr("spec.subnet: Invalid value: \"172.16.0.0/16\": invalid IP address: 172.16.1.256"));
    EXPECT_THAT(v12.create(pool("p", {"10.0.0.1"}, "172.16.0.0/16")), HasSubstr("not match base subnet: 10.0.0.1"));
    EXPECT_THAT(v12.create(pool("p", {"172.16.0.0/24"}, "172.16.0.0/16")), HasSubstr("invalid range: 172.16.0.0/24"));
    EXPECT_THAT(v08.create(pool("p", {"10.0.0.1"}, "172.16.0.0/16")),
                HasSubstr("spec.ips[0]: Invalid value: \"10.0.0.1\": not pertains to the 'spec.subnet' 172.16.0.0/16 of IPPool"));
    EXPECT_THAT(v08.create(pool("p", {"172.16.0.9-172.16.0.1"}, "172.16.0.0/16")),
                HasSubstr("invalid IP range format in IPv4 '172.16.0.9-172.16.0.1'"));
    EXPECT_EQ(v12.create(pool("reversed", {"172.16.0.9-172.16.0.1"}, "172.16.0.0/16")), "accepted") << "an upstream quirk";
}

TEST_F(SpiderpoolAdmissionTest, PoolsOfOneClusterDoNotOverlap) {
    ASSERT_EQ(v12.create(pool("a", {"172.81.0.10-172.81.0.20"})), "accepted");
    ASSERT_EQ(v08.create(pool("a", {"172.81.0.10-172.81.0.20"})), "accepted");
    EXPECT_EQ(v12.create(pool("b", {"172.81.0.20-172.81.0.30"})),
              denied("SpiderIPPool", "b",
                     "spec.ips: Forbidden: overlap with IPPool a in IP ranges [172.81.0.10-172.81.0.20], total IP addresses of "
                     "an IPPool are "
                     "jointly determined by 'spec.ips' and 'spec.excludeIPs'"));
    EXPECT_THAT(v08.create(pool("b", {"172.81.0.19-172.81.0.30"})), HasSubstr("in IP ranges [172.81.0.19-172.81.0.20], total"));
    EXPECT_EQ(
        v12.create(pool("c", Json::array(), "172.81.4.0/24")),
        denied("SpiderIPPool", "c",
               "spec.subnet: Invalid value: \"172.81.4.0/24\": overlap with IPPool a which 'spec.subnet' is 172.81.0.0/16"));
    EXPECT_EQ(v12.create(pool("d", {"172.81.0.21-172.81.0.30"})), "accepted");
    EXPECT_THAT(v12.create(pool("a", {"172.81.0.50"})), HasSubstr("SpiderIPPool.spiderpool.spidernet.io \"a\" already exists"));
    EXPECT_THAT(v08.create(pool("a", {"172.81.0.50"})), HasSubstr("spec.subnet: Internal error: IPPool a already exists"));
}

TEST_F(SpiderpoolAdmissionTest, AddressesInUseStay) {
    ASSERT_EQ(v12.create(pool("p", {"172.81.0.10-172.81.0.20"})), "accepted");
    Json p = *v12.store.get("SpiderIPPool", "", "p");
    p["status"] = {{"allocatedIPs", R"({"172.81.0.20":{"pod":"default/web","podUid":"u"}})"}, {"allocatedIPCount", 1}};
    p = *v12.store.updateStatus(p);
    p["spec"]["ips"] = {"172.81.0.10-172.81.0.19"};
    EXPECT_THAT(
        v12.write([&] { v12.store.update(p); }),
        HasSubstr(
            "spec.ips: Forbidden: remove an IP address 172.81.0.20 that is being used by Pod default/web, total IP addresses of "
            "an IPPool are jointly determined by 'spec.ips' and 'spec.excludeIPs'"));
    p["spec"]["ips"] = {"172.81.0.10-172.81.0.20"};
    p["spec"]["subnet"] = "10.0.0.0/16";
    EXPECT_THAT(v12.write([&] { v12.store.update(p); }), HasSubstr("spec.subnet: Forbidden: is not changeable"));
    v12.store.remove("SpiderIPPool", "", "p");
    p = *v12.store.get("SpiderIPPool", "", "p");
    p["spec"]["disable"] = true;
    EXPECT_THAT(v12.write([&] { v12.store.update(p); }),
                HasSubstr("denied the request: forbidden: cannot update a terminating IPPool"));
}

TEST_F(SpiderpoolAdmissionTest, RoutesAndAffinity) {
    Json p = pool("p", Json::array());
    p["spec"]["routes"] = Json::array({{{"dst", "0.0.0.0/0"}, {"gw", "172.81.0.1"}}});
    EXPECT_THAT(v12.create(p), HasSubstr("spec.routes[0].dst: Invalid value: \"0.0.0.0/0\": please specify 'spec.gateway'"));
    p["spec"]["routes"] =
        Json::array({{{"dst", "10.0.0.0/8"}, {"gw", "172.81.0.1"}}, {{"dst", "10.0.0.0/8"}, {"gw", "172.81.0.1"}}});
    EXPECT_THAT(v12.create(p), HasSubstr("spec.routes[1].dst: Invalid value: \"10.0.0.0/8\": duplicate route with the same dst"));
    p["spec"]["routes"] = Json::array({{{"to", "10.0.0.0/8"}, {"via", "172.81.0.1"}}});
    EXPECT_THAT(v12.create(p), HasSubstr("[spec.routes[0].dst: Required value, spec.routes[0].gw: Required value]"));
    p["spec"].erase("routes");
    p["spec"]["podAffinity"] = Json::object();
    EXPECT_THAT(v12.create(p), HasSubstr("empty podAffinity is invalid for SpiderIPPool"));
}

TEST(SpiderpoolAdmission, FamiliesCanBeOff) {
    SpiderpoolAdmissionOptions options;
    options.enableIPv6 = false;
    Cluster cluster(SpiderpoolProfile::v1_2, options);
    EXPECT_THAT(cluster.create(pool("p", Json::array(), "fd00::/64")), HasSubstr("spec.ipVersion: Forbidden: IPv6 is disabled"));
    Cluster both(SpiderpoolProfile::v1_2);
    EXPECT_EQ(both.create(pool("p", {"fd00::1-fd00::ffff"}, "fd00::/64")), "accepted");
}

TEST(SpiderpoolAdmission, WithoutItsControllerNothingIsWritten) {
    bool serving = false;
    SpiderpoolAdmissionOptions options;
    options.serving = [&] { return serving; };
    Cluster cluster(SpiderpoolProfile::v1_2, options);
    EXPECT_THAT(cluster.create(pool("p", Json::array())),
                testing::StartsWith("Internal error occurred: failed calling webhook \"spiderippool.spiderpool.spidernet.io\""));
    serving = true;
    EXPECT_EQ(cluster.create(pool("p", Json::array())), "accepted");
}

TEST_F(SpiderpoolAdmissionTest, ASubnetAdoptsItsPools) {
    Json subnet = object("SpiderSubnet", "s",
                         {{"subnet", "172.81.0.0/16"}, {"ips", {"172.81.0.10-172.81.0.20"}}, {"gateway", "172.81.0.1"}});
    ASSERT_EQ(v12.create(subnet), "accepted");
    ASSERT_EQ(v12.create(pool("p", {"172.81.0.10"})), "accepted");
    const Json p = *v12.store.get("SpiderIPPool", "", "p");
    EXPECT_EQ(stringAt(controllerOf(p), {"name"}), "s");
    EXPECT_EQ(p["spec"]["gateway"], "172.81.0.1");
    EXPECT_THAT(v12.create(pool("q", {"172.81.0.21"})),
                HasSubstr("add some IP ranges [172.81.0.21] that are not contained in controller Subnet s"));
    subnet["metadata"]["name"] = "t";
    EXPECT_THAT(v12.create(subnet), HasSubstr("overlap with Subnet s which 'spec.subnet' is 172.81.0.0/16"));
}

TEST_F(SpiderpoolAdmissionTest, ReservedIps) {
    EXPECT_EQ(v12.create(object("SpiderReservedIP", "r", {{"ips", {"10.0.0.3", "10.0.0.1-10.0.0.2"}}})), "accepted");
    EXPECT_EQ(at(*v12.store.get("SpiderReservedIP", "", "r"), {"spec", "ips"}), Json::array({"10.0.0.1-10.0.0.3"}));
    EXPECT_THAT(v12.create(object("SpiderReservedIP", "s", {{"ips", Json::array()}})),
                HasSubstr("is not generated correctly, 'spec.ips' is empty or 'spec.ips[0]' may be invalid"));
    EXPECT_THAT(v12.create(object("SpiderReservedIP", "s", {{"ips", {"10.0.0.1", "x"}}})),
                HasSubstr("spec.ips[1]: Invalid value: \"x\": invalid IP range format in IPv4 'x'"));
}

TEST_F(SpiderpoolAdmissionTest, Coordinators) {
    Json c = object("SpiderCoordinator", "default", {{"podCIDRType", "auto"}, {"hijackCIDR", {"169.254.20.10"}}});
    ASSERT_EQ(v12.create(c), "accepted");
    const Json made = *v12.store.get("SpiderCoordinator", "", "default");
    EXPECT_EQ(made["spec"]["hijackCIDR"], Json::array({"169.254.20.10/32"}));
    EXPECT_EQ(made["spec"]["vethMTU"], 1500);
    EXPECT_EQ(made["spec"]["hostRuleTable"], 500);
    c["metadata"]["name"] = "other";
    c["spec"]["podMACPrefix"] = "0b:1b";
    EXPECT_THAT(v12.create(c), HasSubstr("not a unicast MAC: the lowest bit of the first byte must be 0"));
    c["spec"]["podMACPrefix"] = "zz:1b";
    EXPECT_THAT(v12.create(c), HasSubstr("spec.podMACPrefix: Invalid value: \"zz:1b\": not a valid MAC prefix"));
    c["spec"].erase("podMACPrefix");
    c["spec"]["podRPFilter"] = 3;
    EXPECT_THAT(v12.create(c), HasSubstr("spec.podRPFilter: Unsupported value: 3: supported values: \"0\", \"1\", \"2\""));
    c["spec"]["podRPFilter"] = -1;
    c["spec"]["mode"] = "disable";
    EXPECT_THAT(v12.create(c),
                HasSubstr("spec.mode: Unsupported value: \"disable\": supported values: \"auto\", \"underlay\", \"overlay\", "
                          "\"disabled\""));
    c["spec"]["mode"] = "disabled";
    EXPECT_EQ(v12.create(c), "accepted");
}

TEST_F(SpiderpoolAdmissionTest, EnableRdmaIsPrunedSinceV1) {
    const Json seed =
        object("SpiderMultusConfig", "sriov-rdma",
               {{"cniType", "sriov"}, {"sriov", {{"resourceName", "spidernet.io/mellanoxrdma"}, {"enableRdma", true}}}});
    ASSERT_EQ(v08.create(seed), "accepted");
    ASSERT_EQ(v12.create(seed), "accepted");
    EXPECT_THAT(*v08.pruned, IsEmpty());
    ASSERT_EQ(v12.pruned->size(), 1u);
    EXPECT_EQ(v12.pruned->front().path, "spec.sriov.enableRdma");
    EXPECT_EQ(v12.pruned->front().name, "sriov-rdma");
    EXPECT_FALSE(at(*v12.store.get("SpiderMultusConfig", "default", "sriov-rdma"), {"spec", "sriov"}).contains("enableRdma"));
}

// The seed's install, then its manifest: what the user runs into.
TEST_F(SpiderpoolAdmissionTest, ApplyingTheSeedManifestOverInitsDefaultIsForbidden) {
    for (Cluster* cluster : {&v08, &v12}) {
        Json byInit = object("SpiderMultusConfig", "macvlan-ens6f0np0", {{"cniType", "custom"}, {"enableCoordinator", false}});
        ASSERT_EQ(cluster->create(byInit), "accepted");
        EXPECT_EQ(at(*cluster->store.get("SpiderMultusConfig", "default", "macvlan-ens6f0np0"), {"spec", "customCNI"}), "");
        EXPECT_EQ(cluster->apply(macvlan("macvlan-ens6f0np0")),
                  denied("SpiderMultusConfig", "macvlan-ens6f0np0",
                         "spec.cniType: Forbidden: the cniType macvlan only supports spec.macvlanConfig, please remove other CNI "
                         "configs"));
        Json withNull = macvlan("macvlan-ens6f0np0");
        withNull["spec"]["customCNI"] = nullptr;
        EXPECT_EQ(cluster->apply(withNull), "accepted");
        EXPECT_EQ(at(*cluster->store.get("SpiderMultusConfig", "default", "macvlan-ens6f0np0"), {"spec", "enableCoordinator"}),
                  false)
            << "the residue of init";
    }
    v12.store.remove("SpiderMultusConfig", "default", "macvlan-ens6f0np0");
    EXPECT_EQ(v12.apply(macvlan("macvlan-ens6f0np0")), "accepted");
    EXPECT_EQ(at(*v12.store.get("SpiderMultusConfig", "default", "macvlan-ens6f0np0"), {"spec", "enableCoordinator"}), true);
}

TEST_F(SpiderpoolAdmissionTest, MultusConfigRules) {
    const auto refused = [&](Json spec, Json annotations = Json::object()) {
        Json smc = object("SpiderMultusConfig", "m", std::move(spec));
        smc["metadata"]["annotations"] = std::move(annotations);
        return v12.create(std::move(smc));
    };
    EXPECT_THAT(refused({{"cniType", "macvlan"}}),
                HasSubstr("spec.macvlanConfig: Required value: no spec.macvlanConfig specified"));
    EXPECT_THAT(refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a"}}, {"ippools", {{"matchMasterSubnet", true}}}}}}),
                HasSubstr("MatchMasterSubnet feature is not supported for macvlan"));
    EXPECT_THAT(refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a", "b"}}}}}),
                HasSubstr("the bond property is nil with multiple Interfaces"));
    EXPECT_THAT(refused({{"cniType", "macvlan"}, {"macvlan", {{"master", Json::array()}}}}), HasSubstr("master can't be empty"));
    EXPECT_THAT(
        refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a"}}, {"vlanID", 5000}}}}),
        HasSubstr("spec.macvlan.vlanID: Invalid value: 5000: spec.macvlan.vlanID in body should be less than or equal to 4094"));
    EXPECT_THAT(refused({{"cniType", "sriov"}, {"sriov", {{"vlanID", 1}}}}),
                HasSubstr("spec.sriovConfig: Required value: no spec.sriovConfig[resourceName] specified"));
    EXPECT_THAT(refused({{"cniType", "sriov"}, {"sriov", {{"resourceName", "r"}, {"minTxRateMbps", 9}, {"maxTxRateMbps", 1}}}}),
                HasSubstr("minTxRateMbps must be less than maxTxRateMbps"));
    EXPECT_THAT(
        refused({{"cniType", "ib-sriov"}, {"ibsriov", {{"resourceName", "r"}, {"pkey", 1000}}}}),
        HasSubstr(
            "spec.ibsriov.pkey: Invalid value: \"integer\": spec.ibsriov.pkey in body must be of type string: \"integer\""));
    EXPECT_THAT(refused({{"cniType", "vlan"}, {"vlan", {{"master", {"a"}}, {"vlanMode", "auto"}, {"vlanID", 3}}}}),
                HasSubstr("vlanId must not be specified when vlanMode is auto"));
    EXPECT_THAT(refused({{"cniType", "ipoib"}, {"ipoib", {{"master", ""}}}}), HasSubstr("no spec.ipoibConfig[master] specified"));
    EXPECT_THAT(refused({{"cniType", "custom"}, {"customCNI", "{"}}),
                HasSubstr("spec.customCniTypeConfig: Forbidden: customCniConfig isn't a valid JSON encoding"));
    EXPECT_THAT(refused({{"cniType", "custom"}, {"macvlan", {{"master", {"a"}}}}}),
                HasSubstr("the cniType custom only supports spec.customCniTypeConfig"));
    EXPECT_THAT(
        refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a"}}}}}, {{"multus.spidernet.io/cni-version", "1.1.0"}}),
        HasSubstr("metadata.annotations: Invalid value: map[string]string{\"multus.spidernet.io/cni-version\":\"1.1.0\"}: "
                  "unsupported CNI "
                  "version 1.1.0"));
    EXPECT_THAT(
        refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a"}}}}}, {{"cni.spidernet.io/rdma-resource-inject", "rdma"}}),
        HasSubstr("rdmaResourceName can not empty for spidermultusconfig default/m"));
    EXPECT_THAT(refused({{"cniType", "ovs"}, {"ovs", {{"bridge", "br1"}}}}, {{"cni.spidernet.io/network-resource-inject", "x"}}),
                HasSubstr("the cniType ovs does not support RDMA resource or network resource injected"));
    EXPECT_THAT(refused({{"cniType", "macvlan"}, {"macvlan", {{"master", {"a"}}}}, {"chainCNIJsonData", {"{}"}}}),
                HasSubstr("invalid {}: "));
    EXPECT_THAT(refused({{"cniType", "ipvlan"}, {"ipvlan", {{"master", {"a"}}}}, {"coordinator", {{"txQueueLen", -1}}}}),
                HasSubstr("txQueueLen can't be less than 0"));
    EXPECT_THAT(v08.create(object("SpiderMultusConfig", "m", {{"cniType", "ipoib"}})),
                HasSubstr("spec.cniType: Unsupported value: \"ipoib\": supported values: \"macvlan\", \"ipvlan\", \"sriov\", "
                          "\"ovs\", \"custom\""));
}

TEST_F(SpiderpoolAdmissionTest, InjectionAnnotationsBecomeLabels) {
    Json smc = macvlan("m");
    smc["metadata"]["annotations"]["cni.spidernet.io/network-resource-inject"] = "rails";
    ASSERT_EQ(v12.create(smc), "accepted");
    EXPECT_EQ(labelOf(*v12.store.get("SpiderMultusConfig", "default", "m"), "cni.spidernet.io/network-resource-inject"), "rails");
}

TEST_F(SpiderpoolAdmissionTest, TwoConfigsCannotShareANetworkName) {
    const ObjectPtr first = v12.store.create(macvlan("first"));
    Json nad = {
        {"apiVersion", "k8s.cni.cncf.io/v1"}, {"kind", "NetworkAttachmentDefinition"}, {"metadata", {{"name", "shared"}}}};
    nad["metadata"]["ownerReferences"] = Json::array({controllerReference(*first)});
    v12.store.create(nad);
    Json second = macvlan("second");
    second["metadata"]["annotations"]["multus.spidernet.io/cr-name"] = "shared";
    EXPECT_THAT(
        v12.create(second),
        HasSubstr("the net-attach-def default/shared already exists and is managed by SpiderMultusConfig default/first."));
}

TEST_F(SpiderpoolAdmissionTest, TheNetworkNameIsFinal) {
    Json smc = macvlan("m");
    ASSERT_EQ(v12.create(smc), "accepted");
    smc["metadata"]["annotations"]["multus.spidernet.io/cr-name"] = "n";
    EXPECT_THAT(v12.write([&] { v12.store.update(smc); }),
                HasSubstr("it's unsupported to changed Multus net-attach-def 'm' to customized name 'n'"));
}

TEST(ValidateManifest, FindsWhatNeedsNoCluster) {
    EXPECT_THAT(validateManifest({{"apiVersion", "v1"}, {"kind", "Pod"}}, SpiderpoolProfile::v1_2), IsEmpty());
    EXPECT_THAT(validateManifest(macvlan("m"), SpiderpoolProfile::v1_2), IsEmpty());
    EXPECT_THAT(validateManifest(pool("p", {"172.81.0.1"}), SpiderpoolProfile::v1_2), IsEmpty());
    const auto unformatted = validateManifest(pool("p", Json::array(), "172.16.11.0/16"), SpiderpoolProfile::v1_2);
    ASSERT_EQ(unformatted.size(), 1u);
    EXPECT_EQ(unformatted[0].jsonPath, "spec.subnet");
    EXPECT_FALSE(unformatted[0].pruned);
    Json smc = macvlan("m");
    smc["spec"]["rdmaResourceName"] = "r";
    smc["spec"]["macvlan"]["bond"] = {{"name", 7}};
    const auto problems = validateManifest(smc, SpiderpoolProfile::v1_2);
    ASSERT_EQ(problems.size(), 2u);
    EXPECT_EQ(problems[0].jsonPath, "spec.rdmaResourceName");
    EXPECT_TRUE(problems[0].pruned);
    EXPECT_EQ(problems[1].jsonPath, "spec.macvlan.bond.name");
}

} // namespace
} // namespace rdmalab::cluster
