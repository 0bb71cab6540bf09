// The coordinator on the real kernel; only the agent's answer is made up.

#include "plugins/cni/protocol/go_json.h"
#include "plugins/cni/protocol/plugin.h"
#include "plugins/cni/protocol/process_exec.h"
#include "plugins/cni/testing/pod_netns.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>
#include <sched.h>

namespace rdmalab::plugin {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* agentAnswer = R"({"mode":"auto","overlayPodCIDR":[],"serviceCIDR":["10.96.0.0/16"],"tunePodRoutes":true,)"
                                    R"("hijackCIDR":["169.254.0.0/16"],"hostRuleTable":500,"podRPFilter":0})";

class CoordinatorNetns : public ::testing::Test {
protected:
    void SetUp() override {
        if (unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs the right to make network namespaces: " << goErrnoText(errno);
        host_ = std::make_unique<LinuxKernel>();
        netns_ = std::make_unique<testing::PodNetns>();
        ASSERT_TRUE(netns_->usable());
        pod_ = host_->openNetns(netns_->path());
        host_->setLinkUp(1, true);
        addNic("ens6", "tor0", "172.81.0.10/16");
    }
    void addNic(const std::string& name, const std::string& peer, const std::string& address) {
        host_->addVeth({name, "", peer, "", 1500}, *host_);
        for (const auto& link : {name, peer})
            host_->setLinkUp(host_->linkByName(link)->index, true);
        host_->addAddress(host_->linkByName(name)->index, *Cidr::parse(address));
    }
    // What the macvlan plugin leaves behind.
    void addMacvlan(const std::string& name, const std::string& master, const std::string& address, const std::string& gateway) {
        host_->addMacvlan({name, host_->linkByName(master)->index, "bridge", 0, "", 0}, *pod_);
        const auto link = pod_->linkByName(name);
        pod_->addAddress(link->index, *Cidr::parse(address));
        pod_->setLinkUp(link->index, true);
        Route route;
        route.gateway = IpAddress::parse(gateway);
        route.linkIndex = link->index;
        route.exclusive = false;
        pod_->addRoute(route);
    }
    CniOutcome run(const std::string& command, const std::string& ifName, const std::string& extra = "") {
        CniInvocation call;
        call.environment = {{"CNI_COMMAND", command},
                            {"CNI_CONTAINERID", "0123456789abcdef"},
                            {"CNI_NETNS", netns_->path()},
                            {"CNI_IFNAME", ifName},
                            {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_NAMESPACE=ns"},
                            {"CNI_PATH", "/opt/cni/bin"}};
        call.input = R"({"cniVersion":"0.3.1","name":"n","type":"coordinator",)" + extra +
                     R"("prevResult":{"cniVersion":"0.3.1","interfaces":[{"name":")" + ifName +
                     R"(","sandbox":"/x"}],"ips":[{"version":"4","interface":0,"address":"10.0.0.1/24"}],"dns":{}}})";
        CniServices services{*host_,
                             files_,
                             exec_,
                             [this](const std::string& socket, const HttpRequest& request) {
                                 EXPECT_EQ(socket, "/var/run/spidernet/spiderpool.sock");
                                 EXPECT_EQ(request.target, "/v1/coordinator/config");
                                 EXPECT_EQ(request.body, "{\"podName\":\"p\",\"podNamespace\":\"ns\"}\n");
                                 return HttpResponse{status_, answer_};
                             },
                             {}};
        return coordinatorMain(call, services);
    }
    std::string message(const CniOutcome& outcome) {
        return outcome.exitStatus == 0 ? "" : stringOf(parseJson(outcome.output), "msg");
    }
    static std::vector<std::string> routes(Kernel& kernel, int table) {
        std::vector<std::string> out;
        for (const auto& route : kernel.routes(table))
            if (route.family == 2)
                out.push_back(fmt::format("{}{} dev {}{}{}", route.dst ? route.dst->str() : "default",
                                          route.gateway ? " via " + route.gateway->str() : "",
                                          kernel.linkByIndex(route.linkIndex)->name, route.scope == 253 ? " link" : "",
                                          route.source ? " src " + route.source->str() : ""));
        return out;
    }
    static std::vector<std::string> rules(Kernel& kernel) {
        std::vector<std::string> out;
        for (const auto& rule : kernel.rules())
            if (rule.family == 2 && (rule.table < 253 || rule.table > 255))
                out.push_back(fmt::format("{}{}{} lookup {}", rule.from ? "from " + rule.from->str() : "from all",
                                          rule.to ? " to " + rule.to->str() : "",
                                          rule.mark != 0 ? fmt::format(" fwmark {:#x}", rule.mark) : "", rule.table));
        return out;
    }

    std::unique_ptr<LinuxKernel> host_;
    std::unique_ptr<testing::PodNetns> netns_;
    std::unique_ptr<Kernel> pod_;
    LinuxFiles files_;
    ProcessExec exec_;
    std::string answer_ = agentAnswer;
    int status_ = 200;
};

TEST_F(CoordinatorNetns, FirstUnderlayNic) {
    addMacvlan("eth0", "ens6", "172.81.0.100/16", "172.81.0.1");
    const auto outcome = run("ADD", "eth0");
    if (outcome.output.find("iptables") != std::string::npos)
        GTEST_SKIP() << "no usable iptables here: " << outcome.output;
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_EQ(stringOf(parseJson(outcome.output).at("interfaces")[0], "name"), "eth0"); // prevResult, unchanged

    EXPECT_THAT(routes(*pod_, 254),
                UnorderedElementsAre("default via 172.81.0.1 dev eth0", "172.81.0.0/16 dev eth0 link src 172.81.0.100",
                                     "172.81.0.10/32 dev veth0 link src 172.81.0.100",
                                     "10.96.0.0/16 via 172.81.0.10 dev veth0 src 172.81.0.100",
                                     "169.254.0.0/16 via 172.81.0.10 dev veth0 src 172.81.0.100"));
    EXPECT_THAT(routes(*pod_, 101), UnorderedElementsAre("172.81.0.10/32 dev veth0 link src 172.81.0.100"));
    EXPECT_THAT(routes(*pod_, 100), UnorderedElementsAre("default via 172.81.0.10 dev veth0 src 172.81.0.100"));
    EXPECT_THAT(rules(*pod_), UnorderedElementsAre("from all fwmark 0x1 lookup 100"));
    EXPECT_THAT(pod_->iptablesRules("mangle", 2),
                UnorderedElementsAre(IptablesRule{"-t", "mangle", "-A", "PREROUTING", "-i", "veth0", "-m", "conntrack",
                                                  "--ctstate", "NEW", "-j", "MARK", "--set-xmark", "0x1"},
                                     IptablesRule{"-t", "mangle", "-A", "PREROUTING", "-m", "mark", "--mark", "0x1", "-j",
                                                  "CONNMARK", "--save-mark"},
                                     IptablesRule{"-t", "mangle", "-A", "OUTPUT", "-j", "CONNMARK", "--restore-mark"}));
    EXPECT_THAT(pod_->sysctl("ipv4/conf/all/rp_filter"), ::testing::StartsWith("0"));

    const auto hostVeth = host_->linkByName("veth0123456789a");
    ASSERT_TRUE(hostVeth);
    EXPECT_TRUE(hostVeth->up);
    const auto podVeth = pod_->linkByName("veth0");
    EXPECT_THAT(rules(*host_), UnorderedElementsAre("from all lookup 500"));
    EXPECT_THAT(routes(*host_, 500), UnorderedElementsAre("172.81.0.100/32 dev veth0123456789a link"));
    const auto neighbour = [](Kernel& kernel, const std::string& ip) {
        for (const auto& entry : kernel.neighbours())
            if (entry.ip.str() == ip)
                return fmt::format("{} {}", entry.mac, entry.permanent);
        return std::string("none");
    };
    EXPECT_EQ(neighbour(*host_, "172.81.0.100"), podVeth->mac + " true");
    EXPECT_EQ(neighbour(*pod_, "172.81.0.10"), hostVeth->mac + " true");

    ASSERT_EQ(run("DEL", "eth0").exitStatus, 0);
    EXPECT_FALSE(host_->linkByName("veth0123456789a"));
    EXPECT_THAT(rules(*host_), UnorderedElementsAre("from all lookup 500")); // stays for the other pods
    EXPECT_THAT(routes(*host_, 500), UnorderedElementsAre());
    EXPECT_EQ(run("DEL", "eth0").exitStatus, 0);
}

TEST_F(CoordinatorNetns, LaterUnderlayNicsGetTablesOfTheirOwn) {
    addNic("ens7", "tor1", "172.91.0.10/16");
    addMacvlan("eth0", "ens6", "172.81.0.100/16", "172.81.0.1");
    const auto first = run("ADD", "eth0");
    if (first.output.find("iptables") != std::string::npos)
        GTEST_SKIP() << "no usable iptables here: " << first.output;
    ASSERT_EQ(first.exitStatus, 0) << first.output;
    addMacvlan("net1", "ens7", "172.91.0.100/16", "172.91.0.1");
    const auto outcome = run("ADD", "net1");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(routes(*pod_, 254), Contains("default via 172.81.0.1 dev eth0"));
    EXPECT_THAT(routes(*pod_, 254), Not(Contains("default via 172.91.0.1 dev net1")));
    EXPECT_THAT(routes(*pod_, 101), Contains("default via 172.91.0.1 dev net1"));
    EXPECT_THAT(routes(*pod_, 101), Contains("172.91.0.0/16 dev net1 link src 172.91.0.100"));
    EXPECT_THAT(rules(*pod_), Contains("from 172.91.0.100/32 lookup 101"));
    EXPECT_THAT(routes(*host_, 500), Contains("172.91.0.100/32 dev veth0123456789a link"));
}

TEST_F(CoordinatorNetns, RailsNextToAnOverlayNetwork) {
    addNic("ens7", "tor1", "172.16.11.10/24");
    addNic("ens8", "tor2", "172.16.12.10/24");
    // As calico leaves it: a veth with a /32 and a default route.
    host_->addVeth({"cali123", "", "eth0", "", 1500}, *pod_);
    host_->setLinkUp(host_->linkByName("cali123")->index, true);
    const auto eth0 = pod_->linkByName("eth0")->index;
    pod_->setLinkUp(eth0, true);
    pod_->addAddress(eth0, *Cidr::parse("10.233.1.5/32"));
    const auto gateway = *IpAddress::parse("169.254.1.1");
    Route link;
    link.dst = Cidr{gateway, 32};
    link.linkIndex = eth0;
    link.scope = 253;
    pod_->addRoute(link);
    Route route;
    route.gateway = gateway;
    route.linkIndex = eth0;
    pod_->addRoute(route);
    Route toPod;
    toPod.dst = Cidr::parse("10.233.1.5/32");
    toPod.linkIndex = host_->linkByName("cali123")->index;
    toPod.scope = 253;
    host_->addRoute(toPod);

    addMacvlan("net1", "ens7", "172.16.11.1/24", "172.16.11.254");
    auto outcome = run("ADD", "net1");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    addMacvlan("net2", "ens8", "172.16.12.1/24", "172.16.12.254");
    outcome = run("ADD", "net2");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;

    EXPECT_THAT(rules(*pod_), UnorderedElementsAre("from 172.16.11.1/32 lookup 101", "from 10.233.1.5/32 lookup 100",
                                                   "from 172.16.12.1/32 lookup 102"));
    EXPECT_THAT(routes(*pod_, 254), Contains("default via 169.254.1.1 dev eth0"));
    EXPECT_THAT(routes(*pod_, 254), Contains("172.16.11.0/24 dev net1 link src 172.16.11.1"));
    EXPECT_THAT(routes(*pod_, 254), Contains(HasSubstr("10.96.0.0/16 via")));
    EXPECT_THAT(routes(*pod_, 100), UnorderedElementsAre("default via 169.254.1.1 dev eth0"));
    EXPECT_THAT(routes(*pod_, 101), Contains("default via 172.16.11.254 dev net1"));
    EXPECT_THAT(routes(*pod_, 101), Contains("172.16.11.0/24 dev net1 link src 172.16.11.1"));
    EXPECT_THAT(routes(*pod_, 101), Contains("172.81.0.10/32 dev eth0 link src 10.233.1.5"));
    EXPECT_THAT(routes(*pod_, 102), Contains("default via 172.16.12.254 dev net2"));
    EXPECT_THAT(routes(*pod_, 102), Contains(HasSubstr("10.96.0.0/16 via")));
    EXPECT_THAT(routes(*host_, 500), UnorderedElementsAre("172.16.11.1/32 dev cali123 link", "172.16.12.1/32 dev cali123 link"));
}

TEST_F(CoordinatorNetns, ModeErrorsAreUpstreams) {
    addMacvlan("net1", "ens6", "172.81.0.100/16", "172.81.0.1");
    EXPECT_EQ(message(run("ADD", "net1", R"("mode":"underlay",)")),
              "when creating interface net1 in underlay mode, it detects that the auxiliary interface eth0 was not created by "
              "previous interface. please enable coordinator plugin in previous interface");
    EXPECT_EQ(
        message(run("ADD", "net1", R"("mode":"overlay","podDefaultCniNic":"net1",)")),
        "when creating interface net1 in overlay mode, it detects that the current interface is first interface named net1, "
        "this plugin should not work for it. please modify in the CNI configuration");
    EXPECT_EQ(message(run("ADD", "net1", R"("mode":"disabled",)")), "unknown tuneMode: disabled");
    EXPECT_EQ(run("ADD", "net1", R"("mode":"disable",)").exitStatus, 0);
    EXPECT_EQ(message(run("ADD", "net9")), "failed to read addresses on \"net9\": Link not found");
}

TEST_F(CoordinatorNetns, ConfigurationErrorsAreUpstreams) {
    addMacvlan("eth0", "ens6", "172.81.0.100/16", "172.81.0.1");
    EXPECT_THAT(message(run("ADD", "eth0", R"("podMACPrefix":"zz:1b",)")), HasSubstr("mac_prefix format should be match regex"));
    EXPECT_THAT(message(run("ADD", "eth0", R"("podRPFilter":3,)")), HasSubstr("available options: [-1,0,1,2]"));
    EXPECT_THAT(message(run("ADD", "eth0", R"("detectOptions":{"interval":"1 day"},)")),
                HasSubstr("invalid detectOptions.interval 1 day"));
    EXPECT_THAT(message(run("ADD", "eth0", R"("txQueueLen":2000,)")), HasSubstr("txQueueLen to 0xc"));
    EXPECT_TRUE(pod_->linkByName("veth0")); // left behind
    answer_ = R"({"mode":"auto","overlayPodCIDR":[],"serviceCIDR":null,"tunePodRoutes":true})";
    EXPECT_EQ(message(run("ADD", "eth0")), "validation failure list:\nserviceCIDR in body is required");
    status_ = 500;
    answer_ = "\"spidercoordinator: default no ready\"\n";
    EXPECT_EQ(message(run("ADD", "eth0")), "failed to GetCoordinatorConfig: [GET /coordinator/config][500] "
                                           "getCoordinatorConfigFailure  spidercoordinator: default no ready");
}

TEST_F(CoordinatorNetns, MacPrefixMakesTheMacOutOfTheAddress) {
    addMacvlan("eth0", "ens6", "172.81.0.100/16", "172.81.0.1");
    const auto outcome = run("ADD", "eth0", R"("podMACPrefix":"0a:1b",)");
    if (outcome.output.find("iptables") == std::string::npos) {
        EXPECT_EQ(outcome.exitStatus, 0) << outcome.output;
    }
    EXPECT_EQ(pod_->linkByName("eth0")->mac, "0a:1b:ac:51:00:64");
}

TEST_F(CoordinatorNetns, DefaultRouteNicMustExist) {
    addMacvlan("eth0", "ens6", "172.81.0.100/16", "172.81.0.1");
    const auto first = run("ADD", "eth0");
    if (first.output.find("iptables") != std::string::npos)
        GTEST_SKIP() << "no usable iptables here: " << first.output;
    addNic("ens7", "tor1", "172.91.0.10/16");
    addMacvlan("net1", "ens7", "172.91.0.100/16", "172.91.0.1");
    EXPECT_EQ(message(run("ADD", "net1", R"("podDefaultRouteNic":"net9",)")),
              "failed to tunePodRoutes: podDefaultRouteNIC: net9 don't exist in pod");
    const auto outcome = run("ADD", "net1", R"("podDefaultRouteNic":"net1",)");
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    EXPECT_THAT(routes(*pod_, 254), Contains("default via 172.91.0.1 dev net1"));
    EXPECT_THAT(routes(*pod_, 254), Not(Contains("default via 172.81.0.1 dev eth0")));
    EXPECT_THAT(rules(*pod_), Contains("from 172.81.0.100/32 lookup 101"));
}

} // namespace
} // namespace rdmalab::plugin
