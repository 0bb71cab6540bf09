#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/cni/testing/fake_sriov_node.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Sriov : public ::testing::Test {
protected:
    Sriov() {
        node.addPf("ens6f0np0", 2);
        node.addPod("pod1");
        exec.plugins["host-local"] = [this](const testing::FakeExec::Call& call) {
            if (call.command != "ADD")
                return CniOutcome{};
            if (ipamFails)
                return testing::failure("no IP addresses available in range set");
            return CniOutcome{0, R"({"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"},{"address":"fd00::2/64"}]})", ""};
        };
        services.now = [] { return std::chrono::system_clock::time_point(std::chrono::seconds(1700000000)); };
        services.sleep = [this](std::chrono::milliseconds time) { slept += time; };
        services.vfKernel = [this](Kernel&) { return std::make_unique<testing::FakeVfKernel>(node); };
    }

    static json config(const json& extra = {}) {
        json object{{"cniVersion", "1.0.0"}, {"name", "rail"}, {"type", "sriov"}, {"deviceID", "0000:af:00.2"}};
        object.update(extra.is_object() ? extra : json::object());
        return object;
    }
    CniOutcome run(const std::string& command, const json& input = config(), const std::string& netns = "/run/netns/pod1",
                   const std::string& args = "", const std::string& id = "c1") {
        CniInvocation call;
        call.environment = {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", id}, {"CNI_NETNS", netns},
                            {"CNI_IFNAME", "net1"},   {"CNI_ARGS", args},      {"CNI_PATH", "/opt/cni/bin"}};
        call.input = input.dump();
        return sriovMain(call, services);
    }
    std::string message(const CniOutcome& outcome) {
        return outcome.output.empty() ? "" : stringOf(parseJson(outcome.output), "msg");
    }
    std::string failureOf(const json& input, const std::string& args = "") {
        return message(run("ADD", input, "/run/netns/pod1", args));
    }
    json cache(const std::string& id = "c1") { return json::parse(node.files.content.at("/var/lib/cni/sriov/" + id + "-net1")); }
    bool cached() { return node.files.content.count("/var/lib/cni/sriov/c1-net1") != 0; }
    std::optional<std::string> allocation() { return node.files.readIfExists("/var/lib/cni/sriov/pci/0000:af:00.2"); }

    testing::FakeSriovNode node;
    testing::FakeSriovKernel host{node, "host"};
    testing::FakeExec exec;
    CniServices services{host, node.files, exec, {}, {}};
    std::chrono::milliseconds slept{0};
    bool ipamFails = false;
};

const std::string load = "SRIOV-CNI failed to load netconf: LoadConf(): ";

TEST_F(Sriov, MovesTheVfThroughANamespaceOfItsOwn) {
    const auto outcome = run("ADD");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(node.log,
                ElementsAre("unshare", "move ens6f0np0v1 from host to temporary1", "rename ens6f0np0v1 to net1 in temporary1",
                            "move net1 from temporary1 to pod1", "up net1 in pod1"));
    EXPECT_EQ(parseJson(outcome.output), json::parse(R"({"cniVersion":"1.0.0","interfaces":[
        {"name":"net1","mac":"02:00:00:00:00:01","mtu":9000,"sandbox":"/run/netns/pod1"}]})"));
    const auto& sysctls = node.namespaces["pod1"].sysctls;
    EXPECT_EQ(sysctls.at("ipv4/conf/net1/arp_notify"), "1");
    EXPECT_EQ(sysctls.at("ipv6/conf/net1/ndisc_notify"), "1");
    EXPECT_EQ(sysctls.at("ipv6/conf/net1/optimistic_dad"), "1");
    EXPECT_EQ(allocation(), "/run/netns/pod1");
    EXPECT_EQ(node.files.modes["/var/lib/cni/sriov/c1-net1"], 0600u);
}

TEST_F(Sriov, KeepsWhatDelNeeds) {
    node.vf(1).vlan = 7;
    node.vf(1).trust = true;
    run("ADD", config({{"vlan", 100},
                       {"min_tx_rate", 5},
                       {"spoofchk", "off"},
                       {"ipam", {{"type", "host-local"}, {"subnet", "x"}}},
                       {"runtimeConfig", {{"mac", "02:AA:00:00:00:05"}}},
                       {"master", "nonsense"}}));
    EXPECT_EQ(node.files.content.at("/var/lib/cni/sriov/c1-net1"),
              R"({"MAC":"02:aa:00:00:00:05","MTU":9000,"Master":"ens6f0np0","OrigVfState":{"AdminMAC":"00:00:00:00:00:00",)"
              R"("EffectiveMAC":"02:00:00:00:00:01","HostIFName":"ens6f0np0v1","LinkState":0,"MTU":9000,"MaxTxRate":0,)"
              R"("MinTxRate":0,"SpoofChk":false,"Trust":true,"Vlan":7,"VlanProto":33024,"VlanQoS":0},"VFID":1,)"
              R"("cniVersion":"1.0.0","deviceID":"0000:af:00.2","ipam":{"type":"host-local"},"max_tx_rate":null,"min_tx_rate":5,)"
              R"("name":"rail","runtimeConfig":{"mac":"02:AA:00:00:00:05"},"spoofchk":"off","type":"sriov","vlan":100,)"
              R"("vlanProto":"802.1q","vlanQoS":0})");
}

TEST_F(Sriov, SetsOnlyWhatIsConfigured) {
    EXPECT_EQ(run("ADD", config({{"mac", "02:AA:00:00:00:05"}})).exitStatus, 0);
    EXPECT_THAT(node.logged("vf "), ElementsAre("vf 1 mac 02:aa:00:00:00:05"));
    EXPECT_THAT(node.logged("mac "), ElementsAre("mac net1 02:aa:00:00:00:05 in pod1"));
}

TEST_F(Sriov, SetsEverythingInOrder) {
    const auto outcome = run("ADD", config({{"vlan", 100},
                                            {"vlanQoS", 3},
                                            {"vlanProto", "802.1AD"},
                                            {"mac", "02:aa:00:00:00:05"},
                                            {"max_tx_rate", 1000},
                                            {"spoofchk", "on"},
                                            {"trust", "maybe"},
                                            {"link_state", "enable"}}));
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(node.logged("vf "), ElementsAre("vf 1 vlan 100 qos 3 proto 88a8", "vf 1 mac 02:aa:00:00:00:05",
                                                "vf 1 rate 0 1000", "vf 1 spoofchk true", "vf 1 trust false", "vf 1 state 1"));
}

TEST_F(Sriov, MacFromRuntimeConfigBeatsArgsBeatsConfig) {
    const std::string args = "IgnoreUnknown=1;MAC=02:00:00:00:0A:02;K8S_POD_NAME=x";
    run("ADD", config({{"mac", "02:00:00:00:0a:01"}}), "/run/netns/pod1", args);
    EXPECT_EQ(cache()["MAC"], "02:00:00:00:0a:02");
    run("DEL");
    run("ADD", config({{"mac", "02:00:00:00:0a:01"}, {"runtimeConfig", {{"mac", "02:00:00:00:0a:03"}}}}), "/run/netns/pod1",
        args);
    EXPECT_EQ(cache()["MAC"], "02:00:00:00:0a:03");
    run("DEL");
    EXPECT_EQ(failureOf(config(), "FOO=1"), "SRIOV-CNI failed to parse args: ARGS: unknown args [\"FOO=1\"]");
}

TEST_F(Sriov, ConfigurationErrors) {
    const std::pair<json, std::string> cases[] = {
        {{{"vlanQoS", 1}}, "vlan id must be configured to set vlan QoS to a non-nil value"},
        {{{"vlanProto", "802.1q"}}, "vlan id must be configured to set vlan proto to a non-nil value"},
        {{{"vlan", 4095}}, "vlan id 4095 invalid: value must be in the range 0-4094"},
        {{{"vlan", -1}}, "vlan id -1 invalid: value must be in the range 0-4094"},
        {{{"vlan", 1}, {"vlanQoS", 8}}, "vlan QoS PCP 8 invalid: value must be in the range 0-7"},
        {{{"vlan", 0}, {"vlanQoS", 1}}, "non-zero vlan id must be configured to set vlan QoS to a non-zero value"},
        {{{"vlan", 1}, {"vlanProto", "802.1X"}}, "vlan Proto 802.1x invalid: value must be '802.1Q' or '802.1ad'"},
        {{{"vlan", 0}, {"vlanProto", "802.1AD"}}, "non-zero vlan id must be configured to set vlan proto 802.1ad"},
        {{{"link_state", "up"}}, "invalid link_state value: up"},
    };
    for (const auto& [extra, text] : cases)
        EXPECT_EQ(failureOf(config(extra)), load + text);
    EXPECT_THAT(node.log, IsEmpty());
    EXPECT_EQ(
        failureOf(config({{"vlan", "100"}})),
        "SetLogging(): failed to load netconf: json: cannot unmarshal string into Go struct field NetConf.vlan of type int");
    EXPECT_EQ(failureOf(config({{"deviceID", ""}})), load + "VF pci addr is required");
}

TEST_F(Sriov, DeviceThatIsNoVf) {
    EXPECT_EQ(
        failureOf(config({{"deviceID", "0000:af:00.0"}})),
        load +
            R"(failed to get VF information: "lstat /sys/bus/pci/devices/0000:af:00.0/physfn/net: no such file or directory")");
    node.files.links["/sys/devices/pci0000:ae/0000:af:00.7/physfn"] = "../0000:af:00.0";
    node.files.links["/sys/bus/pci/devices/0000:af:00.7"] = "../../../devices/pci0000:ae/0000:af:00.7";
    EXPECT_EQ(failureOf(config({{"deviceID", "0000:af:00.7"}})),
              load + R"(failed to get VF information: "unable to get VF ID with PF: ens6f0np0 and VF pci address 0000:af:00.7")");
}

TEST_F(Sriov, DriverDecidesAboutAVfWithoutNetdev) {
    node.files.directories.erase("/sys/devices/pci0000:ae/0000:af:00.2/net/ens6f0np0v1");
    EXPECT_EQ(failureOf(config()), load + "the VF 0000:af:00.2 does not have a interface name or a dpdk driver");
    node.files.links.erase("/sys/devices/pci0000:ae/0000:af:00.2/driver");
    EXPECT_EQ(failureOf(config()),
              load +
                  "failed to detect if VF 0000:af:00.2 has dpdk driver \"lstat /sys/bus/pci/devices/0000:af:00.2/driver: no such "
                  "file or directory\"");
}

TEST_F(Sriov, VfioVfIsOnlySetUpThroughItsPf) {
    node.files.directories.erase("/sys/devices/pci0000:ae/0000:af:00.2/net/ens6f0np0v1");
    node.files.directories.insert("/sys/bus/pci/drivers/vfio-pci");
    node.files.links["/sys/devices/pci0000:ae/0000:af:00.2/driver"] = "../../../bus/pci/drivers/vfio-pci";
    node.vf(1).mac = "02:bb:00:00:00:01";
    const auto outcome = run("ADD", config({{"vlan", 5}, {"ipam", {{"type", "host-local"}}}}));
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(node.log, ElementsAre("vf 1 vlan 5 qos 0 proto 8100")); // no link is touched, no address set
    const auto result = parseJson(outcome.output);
    EXPECT_EQ(result["interfaces"][0]["mac"], "02:bb:00:00:00:01");
    EXPECT_EQ(result["interfaces"][0]["mtu"], 1500); // the PF's
    EXPECT_EQ(result["ips"][0]["interface"], 0);
    // That there is no netdev is not kept: as upstream, DEL resets the VF and then fails; its retry finds nothing to do.
    EXPECT_EQ(message(run("DEL")), R"(failed to get netlink device with name net1: "Link not found")");
    EXPECT_EQ(node.vf(1).vlan, 0);
    EXPECT_EQ(run("DEL").exitStatus, 0);
    EXPECT_TRUE(allocation());
}

TEST_F(Sriov, ZeroAdminMacOfAVfioVfIsNoResult) {
    node.files.directories.erase("/sys/devices/pci0000:ae/0000:af:00.2/net/ens6f0np0v1");
    node.files.directories.insert("/sys/bus/pci/drivers/vfio-pci");
    node.files.links["/sys/devices/pci0000:ae/0000:af:00.2/driver"] = "../../../bus/pci/drivers/vfio-pci";
    EXPECT_FALSE(parseJson(run("ADD").output)["interfaces"][0].contains("mac"));
}

TEST_F(Sriov, FirstOfTwoNetdevsIsTaken) {
    node.files.directories.insert("/sys/devices/pci0000:ae/0000:af:00.2/net/a0");
    node.addLink("a0", "02:cc:00:00:00:01");
    EXPECT_EQ(parseJson(run("ADD").output)["interfaces"][0]["mac"], "02:cc:00:00:00:01");
}

TEST_F(Sriov, AltNameIsRemovedBeforeTheMove) {
    node.find("host", "ens6f0np0v1")->altNames = {"enp1", "ens6f0np0v1"};
    ASSERT_EQ(run("ADD").exitStatus, 0);
    EXPECT_THAT(node.find("pod1", "net1")->altNames, ElementsAre("enp1"));
    EXPECT_EQ(node.log[3], "delete altname ens6f0np0v1");
}

TEST_F(Sriov, PfThatShowsNoVfs) {
    node.vfs.begin()->second.clear();
    EXPECT_EQ(failureOf(config()), "failed to get original vf information: failed to find vf 1");
    services.vfKernel = {};
    EXPECT_EQ(failureOf(config()),
              R"(failed to get original vf information: failed to lookup master "ens6f0np0": operation not supported)");
}

TEST_F(Sriov, MacThatThePfForgets) {
    node.macIgnored = true;
    EXPECT_EQ(
        failureOf(config({{"mac", "02:aa:00:00:00:05"}})),
        R"(SRIOV-CNI failed to configure VF "failed to set MAC address to 02:aa:00:00:00:05: hardware mac address is different )"
        R"(from requested one")");
    EXPECT_EQ(slept, std::chrono::seconds(2));
    EXPECT_EQ(node.logged("vf 1 mac").size(), 20u);
}

TEST_F(Sriov, BadMac) {
    EXPECT_EQ(
        failureOf(config({{"mac", "02:aa"}})),
        R"(SRIOV-CNI failed to configure VF "failed to set MAC address to 02:aa: failed to parse MAC address 02:aa: address )"
        R"(02:aa: invalid MAC address")");
}

TEST_F(Sriov, HalfAppliedSettingsStay) {
    node.refusals["vf 1 trust"] = EOPNOTSUPP;
    EXPECT_EQ(failureOf(config({{"vlan", 100}, {"trust", "on"}})),
              R"(SRIOV-CNI failed to configure VF "failed to set vf 1 trust flag to on: operation not supported")");
    EXPECT_EQ(node.vf(1).vlan, 100);
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
    EXPECT_FALSE(cached());
}

TEST_F(Sriov, IpamFailureTakesEverythingBack) {
    ipamFails = true;
    EXPECT_EQ(
        failureOf(config({{"vlan", 100}, {"ipam", {{"type", "host-local"}}}})),
        R"(failed to set up IPAM plugin type "host-local" from the device "ens6f0np0": no IP addresses available in range set)");
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
    EXPECT_EQ(node.vf(1).vlan, 0);
    EXPECT_THAT(exec.log(), ElementsAre("ADD host-local")); // nothing was given out
    EXPECT_FALSE(cached());
    EXPECT_FALSE(allocation());
}

TEST_F(Sriov, FailureAfterIpamGivesTheAddressBack) {
    node.refusals["address"] = EPERM;
    EXPECT_THAT(failureOf(config({{"ipam", {{"type", "host-local"}}}})), HasSubstr("operation not permitted"));
    EXPECT_THAT(exec.log(), ElementsAre("ADD host-local", "DEL host-local"));
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
}

TEST_F(Sriov, NameThatIsTakenInThePod) {
    Link eth;
    eth.index = 2;
    eth.name = "net1";
    node.namespaces["pod1"].links[2] = eth;
    EXPECT_EQ(failureOf(config()),
              R"(failed to set up pod interface "net1" from the device "ens6f0np0": setupVF failed: failed to )"
              R"(move IF net1 to netns: file exists)");
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
}

TEST_F(Sriov, NamespaceThatDoesNotExist) {
    EXPECT_EQ(message(run("ADD", config(), "/run/netns/none")),
              R"(failed to open netns "/run/netns/none": failed to Statfs "/run/netns/none": no such file or directory)");
}

TEST_F(Sriov, AddressesAreSetAndAnnounced) {
    const auto outcome = run("ADD", config({{"ipam", {{"type", "host-local"}}}}));
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(node.logged("address"), ElementsAre("address 10.1.0.2/24 on net1", "address fd00::2/64 on net1"));
    EXPECT_THAT(node.logged("announce"), ElementsAre("announce 10.1.0.2 on net1", "announce fd00::2 on net1"));
    EXPECT_EQ(slept.count(), 0); // there was a carrier
}

TEST_F(Sriov, AnnouncementErrorsDoNotMatter) {
    node.refusals["announce"] = EADDRNOTAVAIL;
    EXPECT_EQ(run("ADD", config({{"ipam", {{"type", "host-local"}}}})).exitStatus, 0);
}

TEST_F(Sriov, DelRestoresEverything) {
    const auto before = node.vf(1);
    const json all = config({{"vlan", 100},
                             {"vlanQoS", 3},
                             {"mac", "02:aa:00:00:00:05"},
                             {"max_tx_rate", 1000},
                             {"spoofchk", "on"},
                             {"trust", "on"},
                             {"link_state", "disable"},
                             {"ipam", {{"type", "host-local"}}}});
    ASSERT_EQ(run("ADD", all).exitStatus, 0);
    node.find("pod1", "net1")->mtu = 1400;
    ASSERT_EQ(run("DEL", all).exitStatus, 0);
    const Link* const link = node.find("host", "ens6f0np0v1");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->mac, "02:00:00:00:00:01");
    EXPECT_EQ(link->mtu, 9000);
    EXPECT_FALSE(link->up);
    const auto& after = node.vf(1);
    EXPECT_EQ(std::tie(after.mac, after.vlan, after.qos, after.vlanProtocol, after.maxTxRate, after.spoofCheck, after.trust,
                       after.linkState),
              std::tie(before.mac, before.vlan, before.qos, before.vlanProtocol, before.maxTxRate, before.spoofCheck,
                       before.trust, before.linkState));
    EXPECT_FALSE(cached());
    EXPECT_FALSE(allocation());
    EXPECT_THAT(exec.log(), ElementsAre("ADD host-local", "DEL host-local"));
    EXPECT_EQ(run("DEL", all).exitStatus, 0);
    EXPECT_EQ(exec.calls.size(), 2u); // nothing is left to be done
}

TEST_F(Sriov, DelIgnoresTheConfigurationItGets) {
    run("ADD");
    ASSERT_EQ(run("DEL", config({{"deviceID", "0000:af:00.1"}, {"vlan", 9}})).exitStatus, 0);
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
    EXPECT_THAT(node.logged("vf "), ElementsAre("vf 1 mac 00:00:00:00:00:00")); // always
}

TEST_F(Sriov, InterfaceRenamedInThePod) {
    run("ADD");
    node.find("pod1", "net1")->name = "other";
    EXPECT_EQ(message(run("DEL")), R"(failed to get netlink device with name net1: "Link not found")");
    EXPECT_EQ(run("DEL").exitStatus, 0); // there is no cache any more
    EXPECT_TRUE(node.find("pod1", "other"));
}

TEST_F(Sriov, ResetThatFailsLosesTheCacheToo) {
    run("ADD", config({{"trust", "on"}}));
    node.refusals["vf 1 trust"] = EBUSY;
    EXPECT_EQ(message(run("DEL")), R"(cmdDel() error reseting VF: "failed to set trust for vf 1: device or resource busy")");
    EXPECT_FALSE(cached());
}

TEST_F(Sriov, IpamErrorOfDelKeepsTheCache) {
    const json input = config({{"ipam", {{"type", "host-local"}}}});
    run("ADD", input);
    exec.plugins["host-local"] = [](const auto&) { return testing::failure("busy", 11); };
    const auto outcome = run("DEL", input);
    EXPECT_EQ(message(outcome), "busy");
    EXPECT_EQ(parseJson(outcome.output)["code"], 11);
    EXPECT_TRUE(cached());
    exec.plugins["host-local"] = [](const auto&) { return CniOutcome{}; };
    EXPECT_EQ(run("DEL", input).exitStatus, 0);
    EXPECT_TRUE(node.find("host", "ens6f0np0v1"));
}

TEST_F(Sriov, DelWithoutNamespaceOnlyGivesTheAddressBack) {
    const json input = config({{"vlan", 100}, {"ipam", {{"type", "host-local"}}}});
    run("ADD", input);
    EXPECT_EQ(run("DEL", input, "").exitStatus, 0);
    EXPECT_EQ(exec.log().back(), "DEL host-local");
    EXPECT_FALSE(cached());
    EXPECT_EQ(node.vf(1).vlan, 100);
    EXPECT_TRUE(allocation());
}

TEST_F(Sriov, NamespaceGoneBeforeDel) {
    run("ADD", config({{"vlan", 100}}));
    node.endPod("pod1");
    EXPECT_EQ(run("DEL", config({{"vlan", 100}})).exitStatus, 0);
    EXPECT_EQ(node.vf(1).vlan, 0);
    EXPECT_FALSE(cached());
    EXPECT_TRUE(node.find("host", "net1")); // nobody gives it its name back
    EXPECT_TRUE(allocation());
}

TEST_F(Sriov, VfThatVanishedBeforeDel) {
    run("ADD");
    node.files.content["/sys/devices/pci0000:ae/0000:af:00.0/sriov_numvfs"] = "0\n";
    EXPECT_EQ(message(run("DEL")),
              R"(cmdDel() error obtaining VF ID: "unable to get VF ID with PF: ens6f0np0 and VF pci address 0000:af:00.2")");
}

TEST_F(Sriov, AllocatedVfIsNotGivenOutAgain) {
    run("ADD");
    node.addPod("pod2");
    EXPECT_EQ(message(run("ADD", config(), "/run/netns/pod2", "", "c2")),
              "SRIOV-CNI failed to load netconf: pci address 0000:af:00.2 is already allocated");
    node.endPod("pod1");
    node.find("host", "net1")->name = "ens6f0np0v1";
    EXPECT_EQ(run("ADD", config(), "/run/netns/pod2", "", "c2").exitStatus, 0);
    EXPECT_EQ(allocation(), "/run/netns/pod2");
}

TEST_F(Sriov, LockIsHeldForTheWholeCommand) {
    std::weak_ptr<void> held;
    std::string path;
    services.lockFile = [&](const std::string& file, std::chrono::milliseconds patience) {
        EXPECT_EQ(patience, std::chrono::minutes(1));
        EXPECT_TRUE(node.files.exists("/var/lib/cni/sriov/pci/vf_lock"));
        path = file;
        auto lock = std::make_shared<int>(0);
        held = lock;
        return std::shared_ptr<void>(lock);
    };
    bool duringIpam = false;
    exec.plugins["host-local"] = [&](const auto& call) {
        duringIpam = !held.expired();
        return call.command == "ADD" ? CniOutcome{0, R"({"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]})", ""}
                                     : CniOutcome{};
    };
    const json input = config({{"ipam", {{"type", "host-local"}}}});
    ASSERT_EQ(run("ADD", input).exitStatus, 0);
    EXPECT_TRUE(duringIpam);
    EXPECT_TRUE(held.expired());
    EXPECT_EQ(path, "/var/lib/cni/sriov/pci/vf_lock/0000:af:00.2.lock");
    duringIpam = false;
    ASSERT_EQ(run("DEL", input).exitStatus, 0);
    EXPECT_TRUE(duringIpam);
    services.lockFile = [](const auto&, auto) { return std::shared_ptr<void>(); };
    EXPECT_EQ(failureOf(config()), "SRIOV-CNI failed to load netconf: time out while waiting to acquire exclusive lock on "
                                   "[/var/lib/cni/sriov/pci/vf_lock/0000:af:00.2.lock]");
}

TEST_F(Sriov, CheckAlwaysSucceeds) {
    EXPECT_EQ(run("CHECK").exitStatus, 0);
}

TEST_F(Sriov, LogGoesToStandardErrorOrAFile) {
    const auto quiet = run("DEL");
    EXPECT_EQ(quiet.exitStatus, 0);
    EXPECT_EQ(quiet.errors, "time=\"2023-11-14T22:13:20.000000000Z\" level=\"error\" msg=\"Cannot load config file from cache\" "
                            "cniName=\"sriov-cni\" containerID=\"c1\" netns=\"/run/netns/pod1\" ifname=\"net1\" func=\"cmdDel\" "
                            "err=\"error reading cached NetConf in /var/lib/cni/sriov with name c1-net1\"\n");
    const auto logged = run("DEL", config({{"logLevel", "Debug"}, {"logFile", "/var/log/sriov.log"}}));
    EXPECT_EQ(logged.errors, "");
    EXPECT_THAT(node.files.content["/var/log/sriov.log"], HasSubstr("level=\"debug\" msg=\"function called\""));
    EXPECT_EQ(run("DEL", config({{"logLevel", "panic"}})).errors, "");
}

} // namespace
} // namespace rdmalab::plugin
