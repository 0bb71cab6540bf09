#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/skeleton.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

class Skeleton : public ::testing::Test {
protected:
    Skeleton() {
        commands_.add = [](const CniRequest& request) { return "added " + request.ifName; };
        commands_.check = [](const CniRequest&) -> std::string { throw std::runtime_error("a <b> & c"); };
        commands_.del = [](const CniRequest&) -> std::string { throw CniError(11, "later", "much"); };
        commands_.versions = allCniVersions();
        commands_.about = "about";
        call_.environment = {{"CNI_COMMAND", "ADD"},
                             {"CNI_CONTAINERID", "id"},
                             {"CNI_NETNS", "/run/netns/x"},
                             {"CNI_IFNAME", "eth0"},
                             {"CNI_PATH", "/opt/cni/bin"}};
        call_.input = R"({"cniVersion":"1.0.0","name":"net"})";
    }
    CniOutcome run() { return runCniCommand(commands_, call_, services_); }
    std::string error() {
        const auto outcome = run();
        EXPECT_EQ(outcome.exitStatus, 1);
        const auto json = nlohmann::json::parse(outcome.output);
        return std::to_string(json.at("code").get<int>()) + " " + json.at("msg").get<std::string>() +
               (json.contains("details") ? "; " + json.at("details").get<std::string>() : "");
    }

    CniCommands commands_;
    CniInvocation call_;
    testing::FakeKernel kernel_;
    testing::FakeFiles files_;
    testing::FakeExec exec_;
    CniServices services_{kernel_, files_, exec_, {}, {}};
};

TEST_F(Skeleton, MissingVariablesAreReportedTogether) {
    call_.environment.erase("CNI_NETNS");
    call_.environment.erase("CNI_IFNAME");
    EXPECT_EQ(error(), "4 required env variables [CNI_NETNS,CNI_IFNAME] missing");
}

TEST_F(Skeleton, InvalidValueWinsOverMissingOnes) {
    call_.environment.erase("CNI_PATH");
    call_.environment["CNI_CONTAINERID"] = "a/b";
    EXPECT_EQ(error(), "4 invalid characters in containerID; a/b");
}

TEST_F(Skeleton, InterfaceNameRules) {
    const std::map<std::string, std::string> cases{
        {"sixteencharacter", "4 interface name is too long; interface name should be less than 16 characters"},
        {"..", "4 interface name is . or .."},
        {"a/b", "4 interface name contains / or : or whitespace characters"},
        {"a b", "4 interface name contains / or : or whitespace characters"}};
    for (const auto& [name, text] : cases) {
        call_.environment["CNI_IFNAME"] = name;
        EXPECT_EQ(error(), text);
    }
}

TEST_F(Skeleton, NetnsIsOptionalForDel) {
    call_.environment["CNI_COMMAND"] = "DEL";
    call_.environment.erase("CNI_NETNS");
    EXPECT_EQ(error(), "11 later; much"); // the command ran
}

TEST_F(Skeleton, ConfigurationRules) {
    call_.input = "{";
    EXPECT_EQ(error(), "6 error unmarshall network config: unexpected end of JSON input");
    call_.input = "{}";
    EXPECT_EQ(error(), "7 missing network name");
    call_.input = R"({"name":"a b"})";
    EXPECT_EQ(error(), "7 invalid characters found in network name; a b");
}

TEST_F(Skeleton, VersionMustBeInTheList) {
    commands_.versions = {"0.3.0", "1.0.0"};
    call_.input = R"({"cniVersion":"1.1.0","name":"net"})";
    EXPECT_EQ(error(), R"(1 incompatible CNI versions; config is "1.1.0", plugin supports ["0.3.0" "1.0.0"])");
    call_.input = R"({"name":"net"})"; // absent means 0.1.0
    EXPECT_EQ(error(), R"(1 incompatible CNI versions; config is "0.1.0", plugin supports ["0.3.0" "1.0.0"])");
}

TEST_F(Skeleton, CheckGcAndStatusNeedNewEnoughVersions) {
    call_.environment["CNI_COMMAND"] = "CHECK";
    call_.input = R"({"cniVersion":"0.3.1","name":"net"})";
    EXPECT_EQ(error(), "1 config version does not allow CHECK");
    commands_.versions = {"0.3.1", "0.4.0"};
    call_.input = R"({"cniVersion":"1.0.0","name":"net"})";
    EXPECT_EQ(error(), "1 plugin version does not allow CHECK");
    for (const std::string command : {"GC", "STATUS"}) {
        call_.environment["CNI_COMMAND"] = command;
        EXPECT_EQ(error(), "1 config version does not allow " + command);
    }
}

TEST_F(Skeleton, PlainErrorsAreCode999WithGosEscapes) {
    call_.environment["CNI_COMMAND"] = "CHECK";
    EXPECT_EQ(run().output, "{\n    \"code\": 999,\n    \"msg\": \"a \\u003cb\\u003e \\u0026 c\"\n}");
}

TEST_F(Skeleton, CommandWithoutHandlerSucceedsSilently) {
    call_.environment["CNI_COMMAND"] = "GC";
    call_.input = R"({"cniVersion":"1.1.0","name":"net"})";
    const auto outcome = run();
    EXPECT_EQ(outcome.exitStatus, 0);
    EXPECT_EQ(outcome.output, "");
}

TEST_F(Skeleton, UnknownCommandIsCaseSensitive) {
    call_.environment["CNI_COMMAND"] = "add";
    EXPECT_EQ(error(), "4 unknown CNI_COMMAND: add");
}

TEST_F(Skeleton, VersionAnswerIsTheNewestOne) {
    call_.environment = {{"CNI_COMMAND", "VERSION"}};
    call_.input = "";
    EXPECT_EQ(run().output, "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\","
                            "\"1.0.0\",\"1.1.0\"]}\n");
}

TEST_F(Skeleton, WithoutCommandThePluginIntroducesItself) {
    call_.environment.erase("CNI_COMMAND");
    const auto outcome = run();
    EXPECT_EQ(outcome.exitStatus, 0);
    EXPECT_EQ(outcome.errors, "about\nCNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n");
}

} // namespace
} // namespace rdmalab::plugin
