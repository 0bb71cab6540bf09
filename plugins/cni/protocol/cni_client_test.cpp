#include "plugins/cni/protocol/cni_client.h"
#include "plugins/cni/protocol/cni_runtime.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

using ::testing::ElementsAre;
using testing::FakeExec;

const std::string cache = "/var/lib/cni/results/chain-pod-eth0";

class Client : public ::testing::Test {
protected:
    Client() {
        for (const std::string type : {"a", "b", "c"})
            exec_.plugins[type] = [type](const FakeExec::Call& call) {
                if (call.command != "ADD")
                    return CniOutcome{};
                return CniOutcome{
                    0, R"({"cniVersion":")" + call.config.value("cniVersion", "") + R"(","dns":{"domain":")" + type + "\"}}", ""};
            };
    }
    NetworkConfigList chain(const std::string& version = "1.0.0") {
        return parseConfigList(
            R"({"cniVersion":")" + version +
            R"(","name":"chain","plugins":[{"type":"a"},{"type":"b","capabilities":{"mac":true}},{"type":"c"}]})");
    }
    std::string errorOf(const std::function<void()>& action) {
        try {
            action();
            return "no error";
        } catch (const CniError& error) {
            return error.what();
        }
    }

    testing::FakeFiles files_;
    FakeExec exec_;
    CniClient client_{files_, exec_, {}};
    CniAttachment attachment_{"pod", "/ns", "eth0", {{"K", "V"}, {"L", "W"}}, ""};
};

TEST_F(Client, EachResultIsTheNextPluginsPrevResult) {
    const auto result = client_.addNetworkList(chain(), attachment_);
    EXPECT_EQ(nlohmann::json::parse(result).at("dns").at("domain"), "c");
    EXPECT_FALSE(exec_.calls[0].config.contains("prevResult"));
    EXPECT_EQ(exec_.calls[2].config.at("prevResult").at("dns").at("domain"), "b");
    EXPECT_EQ(exec_.calls[0].config.at("name"), "chain");
    EXPECT_EQ(exec_.calls[0].invocation.environment.at("CNI_ARGS"), "K=V;L=W");
    const auto cached = nlohmann::json::parse(files_.read(cache));
    EXPECT_EQ(cached.at("kind"), "cniCacheV1");
    EXPECT_EQ(cached.at("result").at("dns").at("domain"), "c");
}

TEST_F(Client, FailedAddStopsWithoutRollbackOrCache) {
    exec_.plugins["b"] = [](const FakeExec::Call&) { return testing::failure("no luck", 11); };
    try {
        client_.addNetworkList(chain(), attachment_);
        FAIL();
    } catch (const CniError& error) {
        EXPECT_STREQ(error.what(), R"(plugin type="b" failed (add): no luck)");
        EXPECT_EQ(error.code(), 11);
    }
    EXPECT_THAT(exec_.log(), ElementsAre("ADD a", "ADD b"));
    EXPECT_FALSE(files_.exists(cache));
}

TEST_F(Client, DeleteRunsBackwardsWithTheFinalResult) {
    client_.addNetworkList(chain(), attachment_);
    exec_.calls.clear();
    client_.delNetworkList(chain(), attachment_);
    EXPECT_THAT(exec_.log(), ElementsAre("DEL c", "DEL b", "DEL a"));
    for (const auto& call : exec_.calls)
        EXPECT_EQ(call.config.at("prevResult").at("dns").at("domain"), "c");
    EXPECT_FALSE(files_.exists(cache));
}

TEST_F(Client, OldVersionsGetNoPrevResultOnDelete) {
    client_.addNetworkList(chain("0.3.1"), attachment_);
    exec_.calls.clear();
    client_.delNetworkList(chain("0.3.1"), attachment_);
    for (const auto& call : exec_.calls)
        EXPECT_FALSE(call.config.contains("prevResult"));
}

TEST_F(Client, FailedDeleteStopsAndKeepsTheCache) {
    client_.addNetworkList(chain(), attachment_);
    const auto working = exec_.plugins["b"];
    exec_.plugins["b"] = [](const FakeExec::Call&) { return testing::failure("busy"); };
    exec_.calls.clear();
    EXPECT_EQ(errorOf([&] { client_.delNetworkList(chain(), attachment_); }), R"(plugin type="b" failed (delete): busy)");
    EXPECT_TRUE(files_.exists(cache));
    exec_.plugins["b"] = working;
    client_.delNetworkList(chain(), attachment_);
    EXPECT_THAT(exec_.log(), ElementsAre("DEL c", "DEL b", "DEL c", "DEL b", "DEL a"));
}

TEST_F(Client, CorruptCacheDoesNotKeepAPodFromBeingDeleted) {
    files_.content[cache] = "{";
    client_.delNetworkList(chain(), attachment_);
    EXPECT_FALSE(exec_.calls.front().config.contains("prevResult"));
    EXPECT_FALSE(files_.exists(cache));
}

TEST_F(Client, CapabilitiesReachOnlyWhoDeclaresThem) {
    attachment_.capabilityArgs = R"({"mac":"0a:00:00:00:00:01","ips":["1.2.3.4"]})";
    client_.addNetworkList(chain(), attachment_);
    EXPECT_FALSE(exec_.calls[0].config.contains("runtimeConfig"));
    EXPECT_EQ(exec_.calls[1].config.at("runtimeConfig"), (nlohmann::json{{"mac", "0a:00:00:00:00:01"}}));
    EXPECT_FALSE(exec_.calls[2].config.contains("runtimeConfig"));
}

TEST_F(Client, CheckNeedsVersion040) {
    EXPECT_EQ(errorOf([&] { client_.checkNetworkList(chain("0.3.1"), attachment_); }),
              R"(configuration version "0.3.1" does not support the CHECK command)");
    EXPECT_TRUE(exec_.calls.empty());
    client_.checkNetworkList(chain("0.4.0"), attachment_);
    EXPECT_THAT(exec_.log(), ElementsAre("CHECK a", "CHECK b", "CHECK c"));
}

TEST_F(Client, GcDeletesWhatIsNotValidAndTellsEveryPlugin) {
    const auto other = [&] {
        auto copy = attachment_;
        copy.containerId = "other";
        return copy;
    }();
    client_.addNetworkList(chain("1.1.0"), attachment_);
    client_.addNetworkList(chain("1.1.0"), other);
    exec_.calls.clear();
    client_.gcNetworkList(chain("1.1.0"), {attachment_});
    EXPECT_THAT(exec_.log(), ElementsAre("DEL c", "DEL b", "DEL a", "GC a", "GC b", "GC c"));
    EXPECT_EQ(exec_.calls[0].invocation.environment.at("CNI_CONTAINERID"), "other");
    EXPECT_EQ(exec_.calls[3].config.at("cni.dev/valid-attachments").dump(), R"([{"containerID":"pod","ifname":"eth0"}])");
}

TEST_F(Client, FailuresAreDescribedAsLibcniDoes) {
    const auto add = [&] { return errorOf([&] { client_.addNetworkList(chain(), attachment_); }); };
    exec_.plugins["a"] = [](const FakeExec::Call&) { return CniOutcome{2, "", "panic: x\n"}; };
    EXPECT_EQ(add(), R"(plugin type="a" failed (add): netplugin failed: "panic: x\n": exit status 2)");
    exec_.plugins["a"] = [](const FakeExec::Call&) { return CniOutcome{3, "", ""}; };
    EXPECT_EQ(add(), R"(plugin type="a" failed (add): netplugin failed with no error message: exit status 3)");
    exec_.plugins["a"] = [](const FakeExec::Call&) { return CniOutcome{-9, "", ""}; };
    EXPECT_EQ(add(), R"(plugin type="a" failed (add): netplugin failed with no error message: signal: killed)");
    exec_.plugins["a"] = [](const FakeExec::Call&) { return CniOutcome{1, "oops", ""}; };
    EXPECT_EQ(add(), R"(plugin type="a" failed (add): netplugin failed but error parsing its diagnostic message "oops": )"
                     R"(invalid character 'o' looking for beginning of value)");
    exec_.plugins.erase("a");
    EXPECT_EQ(add(), R"(plugin type="a" failed (add): failed to find plugin "a" in path [/opt/cni/bin])");
}

TEST_F(Client, MissingVersionInTheResultIsTheConfigurations) {
    exec_.plugins["c"] = [](const FakeExec::Call&) { return CniOutcome{0, "null", ""}; };
    EXPECT_EQ(client_.addNetworkList(chain(), attachment_), R"({"cniVersion":"1.0.0"})");
}

TEST_F(Client, RuntimeTakesTheFirstFileOfAnyKind) {
    CniRuntime runtime(files_, exec_);
    EXPECT_EQ(runtime.notReady(),
              "cni config load failed: no network config found in /etc/cni/net.d: cni plugin not initialized: "
              "failed to load cni config");
    files_.content["/etc/cni/net.d/10-b.conflist"] = R"({"cniVersion":"1.0.0","name":"two","plugins":[{"type":"b"}]})";
    files_.content["/etc/cni/net.d/00-a.conf"] = R"({"cniVersion":"1.0.0","name":"one","type":"a"})";
    files_.content["/etc/cni/net.d/00-0.txt"] = "x";
    EXPECT_EQ(runtime.notReady(), "");
    const auto call = CniRuntime::kubernetesAttachment("id", "/ns", "default", "p", "uid");
    runtime.add(call);
    EXPECT_THAT(exec_.log(), ElementsAre("ADD a"));
    EXPECT_EQ(exec_.calls[0].invocation.environment.at("CNI_ARGS"),
              "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=id;K8S_POD_UID=uid");
    EXPECT_TRUE(files_.exists("/var/lib/cni/results/one-id-eth0"));
}

} // namespace
} // namespace rdmalab::plugin
