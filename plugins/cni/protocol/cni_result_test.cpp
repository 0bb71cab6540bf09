#include "plugins/cni/protocol/cni_args.h"
#include "plugins/cni/protocol/cni_result.h"
#include "plugins/cni/protocol/go_json.h"

#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

const char* const full =
    R"({"cniVersion":"1.0.0","interfaces":[{"name":"net1","mac":"aa:bb:cc:dd:ee:ff","mtu":1500,"sandbox":"/ns"}],
    "ips":[{"interface":0,"address":"10.0.0.2/24","gateway":"10.0.0.1"},{"address":"fd00::2/64"}],
    "routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1","mtu":9000,"priority":5}]})";

template <typename Action>
std::string errorOf(Action action) {
    try {
        action();
        return "no error";
    } catch (const std::runtime_error& error) {
        return error.what();
    }
}

TEST(CniResult, OldVersionsHaveVersionFieldsNoMtuAndAlwaysDns) {
    const auto text = CniResult::parse(parseJson(full), "1.0.0").print("0.4.0");
    EXPECT_EQ(text, R"({
    "cniVersion": "0.4.0",
    "interfaces": [
        {
            "name": "net1",
            "mac": "aa:bb:cc:dd:ee:ff",
            "sandbox": "/ns"
        }
    ],
    "ips": [
        {
            "version": "4",
            "interface": 0,
            "address": "10.0.0.2/24",
            "gateway": "10.0.0.1"
        },
        {
            "version": "6",
            "address": "fd00::2/64"
        }
    ],
    "routes": [
        {
            "dst": "0.0.0.0/0",
            "gw": "10.0.0.1"
        }
    ],
    "dns": {}
})");
}

TEST(CniResult, NewVersionsAreSortedAndLeaveEmptyDnsOut) {
    const auto text = CniResult::parse(parseJson(full), "1.0.0").print("1.1.0");
    EXPECT_LT(text.find("\"address\""), text.find("\"gateway\""));
    EXPECT_LT(text.find("\"cniVersion\""), text.find("\"interfaces\""));
    EXPECT_NE(text.find("\"mtu\": 1500"), std::string::npos);
    EXPECT_EQ(text.find("\"dns\""), std::string::npos);
    EXPECT_EQ(text.find("\"version\""), std::string::npos);
}

TEST(CniResult, OldestVersionsNeedAnAddress) {
    EXPECT_EQ(errorOf([] { CniResult().print("0.2.0"); }), "cannot convert: no valid IP addresses");
    EXPECT_EQ(errorOf([] { CniResult().print("7.0.0"); }), "no converter for CNI result version 1.1.0 to 7.0.0");
}

TEST(CniResult, VersionKeyMustFitTheFamily) {
    EXPECT_EQ(errorOf([] { CniResult::parse(parseJson(full), "0.4.0"); }),
              R"(result type supports [0.3.0 0.3.1 0.4.0] but unmarshalled CNIVersion is "1.0.0")");
    EXPECT_EQ(errorOf([] { CniResult::parse(parseJson(full), "9.9.9"); }), R"(unsupported CNI result version "9.9.9")");
}

TEST(CniResult, VersionsAreComparedByNumber) {
    EXPECT_TRUE(versionAtLeast("0.10.0", "0.4.0"));
    EXPECT_TRUE(versionAtLeast("1.0", "1.0.0"));
    EXPECT_FALSE(versionAtLeast("0.3.1", "0.4.0"));
    EXPECT_FALSE(versionAtLeast("", "0.1.0"));
}

TEST(CniArgs, UnknownOnesNeedIgnoreUnknown) {
    EXPECT_EQ(parseCniArgs("FOO=1;IgnoreUnknown=true;MAC=x", {"MAC"}).at("MAC"), "x");
    EXPECT_EQ(errorOf([] { parseCniArgs("FOO=1", {"MAC"}); }), R"(ARGS: unknown args ["FOO=1"])");
    EXPECT_EQ(errorOf([] { parseCniArgs("FOO=1;B=2;IgnoreUnknown=0", {"MAC"}); }), R"(ARGS: unknown args ["FOO=1" "B=2"])");
    EXPECT_EQ(errorOf([] { parseCniArgs("mac=1", {"MAC"}); }), R"(ARGS: unknown args ["mac=1"])");
}

TEST(CniArgs, PairsMustBePairs) {
    EXPECT_EQ(errorOf([] { parseCniArgs("a=b=c", {}); }), R"(ARGS: invalid pair "a=b=c")");
    EXPECT_EQ(errorOf([] { parseCniArgs("a=b;", {"a"}); }), R"(ARGS: invalid pair "")");
    EXPECT_NE(errorOf([] { parseCniArgs("IgnoreUnknown=maybe", {}); }).find("boolean unmarshal error: invalid input maybe"),
              std::string::npos);
}

} // namespace
} // namespace rdmalab::plugin
