#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

class Spiderpool : public ::testing::Test {
protected:
    Spiderpool() {
        call_.environment = {
            {"CNI_COMMAND", "ADD"},       {"CNI_CONTAINERID", "id"},
            {"CNI_NETNS", "/ns"},         {"CNI_IFNAME", "net1"},
            {"CNI_PATH", "/opt/cni/bin"}, {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=p;K8S_POD_NAMESPACE=ns;K8S_POD_UID=u;X=1"}};
        call_.input =
            R"({"cniVersion":"0.3.1","name":"n","type":"macvlan","ipam":{"type":"spiderpool","default_ipv4_ippool":["v4-81"]}})";
    }
    CniOutcome run() {
        CniServices services{kernel_,
                             files_,
                             exec_,
                             [this](const std::string& socket, const HttpRequest& request) {
                                 socket_ = socket;
                                 requests_.push_back(request.method + " " + request.target + " " + request.body);
                                 if (request.method == "GET")
                                     return HttpResponse{health_, ""};
                                 return answer_;
                             },
                             {}};
        return spiderpoolMain(call_, services);
    }
    std::string message() { return stringOf(nlohmann::json::parse(run().output), "msg"); }

    testing::FakeKernel kernel_;
    testing::FakeFiles files_;
    testing::FakeExec exec_;
    CniInvocation call_;
    int health_ = 200;
    HttpResponse answer_{200, R"({"ips":[{"version":4,"address":"172.81.0.100/16","nic":"eth0"},)"
                              R"({"version":4,"address":"172.91.0.100/16","nic":"net1","gateway":"172.91.0.1"}],)"
                              R"("routes":[{"ifName":"net1","dst":"0.0.0.0/0","gw":"172.91.0.1"},)"
                              R"({"ifName":"eth0","dst":"0.0.0.0/0","gw":"172.81.0.1"}]})"};
    std::string socket_;
    std::vector<std::string> requests_;
};

TEST_F(Spiderpool, KeepsTheAddressesOfItsOwnNic) {
    const auto outcome = run();
    ASSERT_EQ(outcome.exitStatus, 0) << outcome.output;
    const auto result = nlohmann::json::parse(outcome.output);
    EXPECT_FALSE(result.contains("interfaces"));
    EXPECT_EQ(result.at("ips").dump(), R"([{"address":"172.91.0.100/16","gateway":"172.91.0.1","version":"4"}])");
    EXPECT_EQ(result.at("routes").dump(), R"([{"dst":"0.0.0.0/0","gw":"172.91.0.1"}])");
}

TEST_F(Spiderpool, AsksForHealthFirst) {
    run();
    EXPECT_EQ(socket_, "/var/run/spidernet/spiderpool.sock");
    EXPECT_THAT(
        requests_,
        ::testing::ElementsAre(
            "GET /v1/ipam/healthy ",
            "POST /v1/ipam/ip {\"containerID\":\"id\",\"defaultIPv4IPPool\":[\"v4-81\"],\"defaultIPv6IPPool\":null,"
            "\"ifName\":\"net1\",\"netNamespace\":\"/ns\",\"podName\":\"p\",\"podNamespace\":\"ns\",\"podUID\":\"u\"}\n"));
    health_ = 500;
    EXPECT_EQ(message(), "unhealthy spiderpool-agent backend, failed to check: [GET /ipam/healthy][500] "
                         "getIpamHealthyInternalServerError ");
}

TEST_F(Spiderpool, OptionsGoIntoTheRequest) {
    call_.input = R"({"cniVersion":"1.0.0","name":"n","ipam":{"clean_gateway":true,"match_master_subnet":true,)"
                  R"("ipam_unix_socket_path":"/x.sock"}})";
    run();
    EXPECT_EQ(socket_, "/x.sock");
    EXPECT_THAT(requests_.back(), ::testing::HasSubstr(R"("cleanGateway":true)"));
    EXPECT_THAT(requests_.back(), ::testing::HasSubstr(R"("matchMasterSubnet":true)"));
}

TEST_F(Spiderpool, AgentsErrorIsPassedOnInUpstreamsWords) {
    answer_ = {500, "\"failed to allocate IP addresses in standard mode: all IP addresses used out\"\n"};
    EXPECT_EQ(message(),
              "spiderpool IP allocation error: [POST /ipam/ip][500] postIpamIpFailure  failed to allocate IP addresses "
              "in standard mode: all IP addresses used out");
    answer_ = {200, R"({"ips":[]})"};
    EXPECT_EQ(message(), "spiderpool IP allocation error: no Interface net1 IP allocation found");
}

TEST_F(Spiderpool, DelIgnoresWhatTheAgentSays) {
    call_.environment["CNI_COMMAND"] = "DEL";
    answer_ = {500, "\"no\""};
    EXPECT_EQ(run().exitStatus, 0);
    EXPECT_THAT(requests_.back(), ::testing::StartsWith("DELETE /v1/ipam/ip {"));
}

TEST_F(Spiderpool, DelFailsWithoutAgent) {
    call_.environment["CNI_COMMAND"] = "DEL";
    CniServices services{kernel_,
                         files_,
                         exec_,
                         [](const std::string& path, const HttpRequest&) -> HttpResponse {
                             throw std::runtime_error("dial unix " + path + ": connect: no such file or directory");
                         },
                         {}};
    EXPECT_EQ(stringOf(nlohmann::json::parse(spiderpoolMain(call_, services).output), "msg"),
              "unhealthy spiderpool-agent backend, failed to check: Get \"http:///v1/ipam/healthy\": dial unix "
              "/var/run/spidernet/spiderpool.sock: connect: no such file or directory");
}

TEST_F(Spiderpool, VersionsAreThoseOfSpiderpool) {
    call_.input = R"({"cniVersion":"1.1.0","name":"n"})";
    EXPECT_EQ(message(), "incompatible CNI versions");
}

} // namespace
} // namespace rdmalab::plugin
