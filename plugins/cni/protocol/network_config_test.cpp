#include "plugins/cni/protocol/network_config.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

template <typename Action>
std::string errorOf(Action action) {
    try {
        action();
        return "no error";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

const std::string listOf(const std::string& name, const std::string& type) {
    return R"({"cniVersion":"1.0.0","name":")" + name + R"(","plugins":[{"type":")" + type + "\"}]}";
}

TEST(NetworkConfig, OneBadListHidesAllThatFollow) {
    testing::FakeFiles files;
    files.content["/d/10-good.conflist"] = listOf("good", "a");
    files.content["/d/20-bad.conflist"] = R"({"name":"bad","plugins":[]})";
    files.content["/d/30-late.conflist"] = listOf("late", "a");
    EXPECT_EQ(loadNetworkConfig(files, "/d", "good").plugins.front().type, "a");
    EXPECT_EQ(errorOf([&] { loadNetworkConfig(files, "/d", "late"); }), "error parsing configuration list: no plugins in list");
}

TEST(NetworkConfig, ListsWinOverSingleFiles) {
    testing::FakeFiles files;
    files.content["/d/a.conf"] = R"({"name":"net","type":"single"})";
    files.content["/d/b.conflist"] = listOf("net", "listed");
    EXPECT_EQ(loadNetworkConfig(files, "/d", "net").plugins.front().type, "listed");
}

TEST(NetworkConfig, NothingFoundHasItsTexts) {
    testing::FakeFiles files;
    EXPECT_EQ(errorOf([&] { loadNetworkConfig(files, "/d", "x"); }), "no net configurations found in /d");
    files.content["/d/a.json"] = R"({"name":"net","type":"t"})";
    EXPECT_EQ(errorOf([&] { loadNetworkConfig(files, "/d", "x"); }), R"(no net configuration with name "x" in /d)");
    EXPECT_EQ(loadNetworkConfig(files, "/d", "net").plugins.front().type, "t");
}

TEST(NetworkConfig, FolderOfTheNetworkAddsPlugins) {
    testing::FakeFiles files;
    files.content["/d/net.conflist"] = listOf("net", "first");
    files.content["/d/net/20.conf"] = R"({"type":"third"})";
    files.content["/d/net/10.conf"] = R"({"type":"second"})";
    const auto list = loadNetworkConfig(files, "/d", "net");
    ASSERT_EQ(list.plugins.size(), 3u);
    EXPECT_EQ(list.plugins[1].type, "second");
    files.content["/d/net.conflist"] = R"({"name":"net","loadOnlyInlinedPlugins":"true","plugins":[{"type":"first"}]})";
    EXPECT_EQ(loadNetworkConfig(files, "/d", "net").plugins.size(), 1u);
}

TEST(NetworkConfig, ListErrors) {
    EXPECT_EQ(errorOf([] { parseConfigList(R"({"plugins":[{"type":"a"}]})"); }), "error parsing configuration list: no name");
    EXPECT_EQ(errorOf([] { parseConfigList(R"({"name":"n"})"); }), "no plugin configs found");
    EXPECT_EQ(errorOf([] { parseConfigList(R"({"name":"n","loadOnlyInlinedPlugins":true})"); }),
              "error parsing configuration list: `loadOnlyInlinedPlugins` is true, and no 'plugins' key");
    EXPECT_EQ(errorOf([] { parsePluginConfig("{}"); }), "error parsing configuration: missing 'type'");
}

TEST(NetworkConfig, HighestKnownVersionIsChosen) {
    const auto version = [](const std::string& keys) {
        return parseConfigList("{" + keys + R"("name":"n","plugins":[{"type":"a"}]})").cniVersion;
    };
    EXPECT_EQ(version(R"("cniVersion":"0.4.0","cniVersions":["1.0.0","1.1.0","1.2.0"],)"), "1.1.0");
    EXPECT_EQ(version(R"("cniVersion":"0.4.0","cniVersions":["0.3.1"],)"), "0.4.0");
    EXPECT_EQ(version(R"("cniVersion":"0.3.1",)"), "0.3.1");
}

} // namespace
} // namespace rdmalab::plugin
