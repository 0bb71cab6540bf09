// Our macvlan executable and Debian's, side by side on the real kernel.

#include "plugins/cni/protocol/cni_runtime.h"
#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/invoke.h"
#include "plugins/cni/protocol/process_exec.h"
#include "plugins/cni/testing/pod_netns.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sched.h>

namespace rdmalab::plugin {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

const std::string debian = "/usr/lib/cni";
const std::string ours = std::string(RDMALAB_BINARY_DIR) + "/plugins";

class MacvlanNetns : public ::testing::Test {
protected:
    void SetUp() override {
        if (unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs the right to make network namespaces: " << goErrnoText(errno);
        if (!fs::exists(debian + "/host-local"))
            GTEST_SKIP() << "needs the package containernetworking-plugins";
        if (!fs::exists(ours + "/macvlan"))
            GTEST_SKIP() << "needs the target plugin_macvlan";
        char name[] = "/tmp/cni-test-XXXXXX";
        directory_ = mkdtemp(name);
        kernel_ = std::make_unique<LinuxKernel>();
        kernel_->addVeth({"uplink", "", "tor", "", 1500}, *kernel_);
        for (const auto* link : {"uplink", "tor"})
            kernel_->setLinkUp(kernel_->linkByName(link)->index, true);
        pod_ = std::make_unique<testing::PodNetns>();
        ASSERT_TRUE(pod_->usable());
    }
    void TearDown() override {
        pod_.reset();
        if (!directory_.empty())
            fs::remove_all(directory_);
    }

    std::string config(const std::string& version, const std::string& extra = "", const std::string& store = "store",
                       const std::string& range = R"("rangeStart":"10.56.217.10","rangeEnd":"10.56.217.20",)") const {
        return fmt::format(
            R"({{"cniVersion":"{}","name":"rail","type":"macvlan","master":"uplink",{}"ipam":{{"type":"host-local",)"
            R"("dataDir":"{}/{}",{}"subnet":"10.56.217.0/24","routes":[{{"dst":"0.0.0.0/0"}}]}}}})",
            version, extra, directory_, store, range);
    }
    static std::string layer2(const std::string& extra = "") {
        return R"({"cniVersion":"0.4.0","name":"rail","type":"macvlan",)" + extra + R"("master":"uplink"})";
    }
    CniOutcome run(const std::string& directory, const std::string& command, const std::string& input,
                   const std::string& args = "", const std::string& netns = "\x01") {
        CniInvocation call;
        call.environment = {
            {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "pod1"}, {"CNI_NETNS", netns == "\x01" ? pod_->path() : netns},
            {"CNI_IFNAME", "net1"},   {"CNI_ARGS", args},          {"CNI_PATH", debian}};
        call.input = input;
        return exec_.run(directory + "/macvlan", call);
    }
    std::unique_ptr<Kernel> pod() { return kernel_->openNetns(pod_->path()); }
    std::string message(const CniOutcome& outcome) { return stringOf(parseJson(outcome.output), "msg"); }

    std::string directory_;
    std::unique_ptr<LinuxKernel> kernel_;
    std::unique_ptr<testing::PodNetns> pod_;
    ProcessExec exec_;
};

constexpr const char* fixedMac = R"("mac":"0a:58:0a:38:d9:0a",)";

TEST_F(MacvlanNetns, ResultIsByteForByteDebians) {
    for (const std::string version : {"0.2.0", "0.3.1", "0.4.0"}) {
        const auto theirs = run(debian, "ADD", config(version, fixedMac, "theirs" + version));
        ASSERT_EQ(theirs.exitStatus, 0) << theirs.output;
        ASSERT_EQ(run(debian, "DEL", config(version, fixedMac, "theirs" + version)).exitStatus, 0);
        const auto own = run(ours, "ADD", config(version, fixedMac, "ours" + version));
        ASSERT_EQ(own.exitStatus, 0) << own.output;
        EXPECT_EQ(own.output, theirs.output) << version;
        ASSERT_EQ(run(ours, "DEL", config(version, fixedMac, "ours" + version)).exitStatus, 0);
        EXPECT_FALSE(pod()->linkByName("net1"));
    }
}

TEST_F(MacvlanNetns, ResultOfVersion1DiffersInTheEmptyDnsOnly) {
    auto theirs = parseJson(run(debian, "ADD", config("1.0.0", fixedMac, "theirs")).output);
    run(debian, "DEL", config("1.0.0", fixedMac, "theirs"));
    const auto own = parseJson(run(ours, "ADD", config("1.0.0", fixedMac, "ours")).output);
    EXPECT_EQ(theirs.erase("dns"), 1u); // CNI libraries before 1.2 print it
    EXPECT_EQ(own, theirs);
}

TEST_F(MacvlanNetns, PodGetsTheSameNetworkAsFromDebians) {
    const auto describe = [this] {
        std::string out;
        const auto netns = pod();
        const auto link = netns->linkByName("net1");
        if (!link)
            return std::string("none");
        out += fmt::format("{} {} {} mtu {} up {}\n", link->kind, link->mode, link->mac, link->mtu, link->up);
        for (const auto& address : netns->addresses(link->index))
            if (address.cidr.address.isV4())
                out += address.cidr.str() + "\n";
        for (const auto& route : netns->routes(254))
            if (route.family == 2)
                out += fmt::format("{} via {} scope {} proto {} src {}\n", route.dst ? route.dst->str() : "default",
                                   route.gateway ? route.gateway->str() : "-", route.scope, route.protocol,
                                   route.source ? route.source->str() : "-");
        return out + netns->sysctl("ipv4/conf/net1/arp_notify");
    };
    const std::string extra = std::string(fixedMac) + R"("mtu":1400,"mode":"private",)";
    run(debian, "ADD", config("0.4.0", extra, "theirs"));
    const auto theirs = describe();
    run(debian, "DEL", config("0.4.0", extra, "theirs"));
    run(ours, "ADD", config("0.4.0", extra, "ours"));
    EXPECT_EQ(describe(), theirs);
    EXPECT_THAT(theirs, HasSubstr("mtu 1400"));
}

TEST_F(MacvlanNetns, Layer2LinkIsUpWithoutAddress) {
    const auto outcome = run(ours, "ADD", layer2());
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    const auto link = pod()->linkByName("net1");
    ASSERT_TRUE(link);
    EXPECT_TRUE(link->up);
    const auto result = parseJson(outcome.output);
    EXPECT_EQ(result.at("interfaces").size(), 1u);
    EXPECT_EQ(result.at("interfaces")[0].at("sandbox"), pod_->path());
    EXPECT_FALSE(result.contains("ips"));
}

TEST_F(MacvlanNetns, TooLargeMtuCreatesNothing) {
    const auto outcome = run(ours, "ADD", layer2(R"("mtu":9000,)"));
    EXPECT_EQ(message(outcome), "invalid MTU 9000, must be [0, master MTU(1500)]");
    EXPECT_EQ(pod()->links().size(), 1u);
}

TEST_F(MacvlanNetns, TakenNameLeavesNoTemporaryLink) {
    ASSERT_EQ(run(ours, "ADD", layer2()).exitStatus, 0);
    const auto outcome = run(ours, "ADD", layer2());
    EXPECT_EQ(outcome.exitStatus, 1);
    EXPECT_EQ(message(outcome), R"(failed to rename macvlan to "net1": file exists)");
    EXPECT_EQ(pod()->links().size(), 2u); // lo, net1
}

TEST_F(MacvlanNetns, ExhaustedIpamLeavesTheLinkForDel) {
    const std::string one = R"("rangeStart":"10.56.217.10","rangeEnd":"10.56.217.10",)";
    testing::PodNetns first;
    ASSERT_EQ(run(ours, "ADD", config("0.4.0", "", "s", one), "", first.path()).exitStatus, 0);
    CniInvocation call;
    call.environment = {{"CNI_COMMAND", "ADD"},
                        {"CNI_CONTAINERID", "pod2"},
                        {"CNI_NETNS", pod_->path()},
                        {"CNI_IFNAME", "net1"},
                        {"CNI_PATH", debian}};
    call.input = config("0.4.0", "", "s", one);
    const auto outcome = exec_.run(ours + "/macvlan", call);
    EXPECT_EQ(message(outcome), "failed to allocate for range 0: no IP addresses available in range set: "
                                "10.56.217.10-10.56.217.10");
    const auto link = pod()->linkByName("net1");
    ASSERT_TRUE(link);
    EXPECT_FALSE(link->up);
    call.environment["CNI_COMMAND"] = "DEL";
    EXPECT_EQ(exec_.run(ours + "/macvlan", call).exitStatus, 0);
    EXPECT_FALSE(pod()->linkByName("net1"));
}

TEST_F(MacvlanNetns, DelCanBeRepeated) {
    const auto input = config("0.4.0");
    ASSERT_EQ(run(ours, "ADD", input).exitStatus, 0);
    EXPECT_EQ(run(ours, "DEL", input).exitStatus, 0);
    EXPECT_EQ(run(ours, "DEL", input).exitStatus, 0);
    EXPECT_EQ(run(ours, "DEL", input, "", "/nowhere/at/all").exitStatus, 0);
    EXPECT_EQ(run(ours, "DEL", input, "", "").exitStatus, 0);
    std::ofstream(directory_ + "/file") << "x";
    const auto outcome = run(ours, "DEL", input, "", directory_ + "/file");
    EXPECT_THAT(message(outcome), HasSubstr("unknown FS magic on \"" + directory_ + "/file\": "));
}

TEST_F(MacvlanNetns, RuntimeConfigBeatsArgsBeatsConfig) {
    ASSERT_EQ(run(ours, "ADD", layer2(fixedMac), "MAC=0a:58:00:00:00:02").exitStatus, 0);
    EXPECT_EQ(pod()->linkByName("net1")->mac, "0a:58:00:00:00:02");
    run(ours, "DEL", layer2());
    ASSERT_EQ(run(ours, "ADD", layer2(std::string(fixedMac) + R"("runtimeConfig":{"mac":"0a:58:00:00:00:03"},)"),
                  "MAC=0a:58:00:00:00:02")
                  .exitStatus,
              0);
    EXPECT_EQ(pod()->linkByName("net1")->mac, "0a:58:00:00:00:03");
}

TEST_F(MacvlanNetns, DefaultMasterIsTheDefaultRoutesInterface) {
    const std::string input = R"({"cniVersion":"0.4.0","name":"rail","type":"macvlan"})";
    EXPECT_EQ(message(run(ours, "ADD", input)), "no default route interface found");
    const auto link = kernel_->linkByName("uplink");
    kernel_->addAddress(link->index, *Cidr::parse("10.0.0.2/24"));
    Route route;
    route.gateway = IpAddress::parse("10.0.0.1");
    route.linkIndex = link->index;
    kernel_->addRoute(route);
    EXPECT_EQ(run(ours, "ADD", input).exitStatus, 0);
    EXPECT_EQ(pod()->linkByName("net1")->parentIndex, link->index);
}

TEST_F(MacvlanNetns, CheckFindsWhatChanged) {
    const auto input = config("0.4.0");
    const auto added = run(ours, "ADD", input);
    ASSERT_EQ(added.exitStatus, 0);
    auto check = parseJson(input);
    EXPECT_EQ(message(run(ours, "CHECK", check.dump())), "required prevResult missing");
    check["prevResult"] = parseJson(added.output);
    const auto fine = run(ours, "CHECK", check.dump());
    EXPECT_EQ(fine.exitStatus, 0) << fine.output;
    auto elsewhere = check;
    elsewhere["prevResult"]["interfaces"][0]["sandbox"] = "/other";
    EXPECT_EQ(message(run(ours, "CHECK", elsewhere.dump())),
              "sandbox in prevResult /other doesn't match configured netns: " + pod_->path());
    auto address = check;
    address["prevResult"]["ips"][0]["address"] = "10.56.217.99/24";
    EXPECT_EQ(message(run(ours, "CHECK", address.dump())), "Failed to match addr 10.56.217.99/24 on interface net1");
    auto gateway = check; // only the existence of a default route counts
    gateway["prevResult"]["routes"][0]["gw"] = "10.56.217.254";
    EXPECT_EQ(run(ours, "CHECK", gateway.dump()).exitStatus, 0);
    const auto link = pod()->linkByName("net1");
    pod()->setLinkMac(link->index, "0a:58:00:00:00:09");
    EXPECT_EQ(message(run(ours, "CHECK", check.dump())),
              fmt::format("interface net1 Mac {} doesn't match container Mac: 0a:58:00:00:00:09", link->mac));
}

TEST_F(MacvlanNetns, LinkInContainerStaysInside) {
    auto inside = pod();
    inside->addVeth({"uplink", "", "far", "", 1500}, *inside);
    const auto before = kernel_->links().size();
    ASSERT_EQ(run(ours, "ADD", layer2(R"("linkInContainer":true,)")).exitStatus, 0);
    EXPECT_EQ(kernel_->links().size(), before);
    EXPECT_EQ(pod()->linkByName("net1")->parentIndex, inside->linkByName("uplink")->index);
}

TEST_F(MacvlanNetns, Ipv6IsEnabledWhereItWasOff) {
    pod()->setSysctl("ipv6/conf/lo/disable_ipv6", "1");
    pod()->setSysctl("ipv6/conf/default/disable_ipv6", "1");
    const auto input = fmt::format(R"({{"cniVersion":"1.0.0","name":"rail","type":"macvlan","master":"uplink","ipam":{{"type":)"
                                   R"("host-local","dataDir":"{}/v6","ranges":[[{{"subnet":"fd00:1::/64"}}],[{{"subnet":)"
                                   R"("10.9.0.0/24"}}]],"routes":[{{"dst":"::/0"}},{{"dst":"0.0.0.0/0"}}]}}}})",
                                   directory_);
    const auto outcome = run(ours, "ADD", input);
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(pod()->sysctl("ipv6/conf/net1/disable_ipv6"), ::testing::StartsWith("0"));
    EXPECT_THAT(pod()->sysctl("ipv6/conf/lo/disable_ipv6"), ::testing::StartsWith("0"));
    EXPECT_THAT(pod()->sysctl("ipv6/conf/net1/keep_addr_on_down"), ::testing::StartsWith("1"));
    std::vector<std::string> gateways;
    for (const auto& route : pod()->routes(254))
        if (!route.dst && route.gateway)
            gateways.push_back(route.gateway->str());
    EXPECT_THAT(gateways, ::testing::UnorderedElementsAre("10.9.0.1", "fd00:1::1"));
}

TEST_F(MacvlanNetns, OwnNetnsIsReportedAfterTheWork) {
    const auto outcome = run(ours, "ADD", layer2(), "", "/proc/self/ns/net");
    EXPECT_EQ(outcome.exitStatus, 1);
    EXPECT_THAT(outcome.output, HasSubstr("\"interfaces\""));
    EXPECT_THAT(outcome.output, HasSubstr("plugin's netns and netns from CNI_NETNS should not be the same"));
}

// The same runtime drives either set of plugins; what the pod's network looks like must not depend on which.
TEST_F(MacvlanNetns, RuntimeDrivesDebiansPluginsAsOurs) {
    LinuxFiles files;
    std::vector<std::string> results;
    for (const auto& plugins : {debian, ours}) {
        const auto base = directory_ + "/" + (plugins == debian ? "debian" : "ours");
        fs::create_directories(base + "/net.d");
        auto plugin = parseJson(config("0.4.0", "", plugins == debian ? "theirs" : "ours"));
        plugin["capabilities"] = {{"mac", true}};
        const nlohmann::json list{
            {"cniVersion", "0.4.0"}, {"name", "rail"}, {"plugins", {plugin, {{"type", "tuning"}, {"mtu", 1300}}}}};
        std::ofstream(base + "/net.d/10-rail.conflist") << list;

        CniRuntime::Options options;
        options.confDir = base + "/net.d";
        options.client.binDirs = {plugins, debian};
        options.client.cacheDir = base + "/cache";
        CniRuntime runtime(files, exec_, options);
        EXPECT_EQ(runtime.notReady(), "");
        const auto call = CniRuntime::kubernetesAttachment("pod1", pod_->path(), "default", "p", "uid", "net1",
                                                           R"({"mac":"0a:58:00:00:00:07","ips":["1.2.3.4"]})");
        results.push_back(runtime.add(call));
        EXPECT_TRUE(fs::exists(base + "/cache/results/rail-pod1-net1"));
        EXPECT_EQ(pod()->linkByName("net1")->mac, "0a:58:00:00:00:07");
        EXPECT_EQ(pod()->linkByName("net1")->mtu, 1300);
        runtime.check(call);
        try {
            runtime.add(call);
            ADD_FAILURE() << "the name is taken";
        } catch (const CniError& error) {
            EXPECT_STREQ(error.what(),
                         "plugin type=\"macvlan\" name=\"rail\" failed (add): failed to rename macvlan to \"net1\": file exists");
        }
        runtime.remove(call);
        EXPECT_FALSE(fs::exists(base + "/cache/results/rail-pod1-net1"));
        EXPECT_FALSE(pod()->linkByName("net1"));
        runtime.remove(call);
    }
    EXPECT_EQ(results[1], results[0]);
}

} // namespace
} // namespace rdmalab::plugin
