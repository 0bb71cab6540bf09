#include "plugins/device/rdma_shared/rsdp_config.h"

#include "plugins/device/rdma_shared/go_text.h"

#include <gmock/gmock.h>

namespace rdmalab::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const PluginLog quiet = [](const std::string&) {};

std::string errorOf(std::string_view json) {
    try {
        parseRsdpConfig(json, quiet);
    } catch (const RsdpFatal& e) {
        return e.what();
    }
    return "";
}

// `entry` in a list of one.
std::string one(const std::string& entry) {
    return R"({"configList":[)" + entry + "]}";
}

TEST(RsdpConfig, ReadsWhatTheSpiderpoolChartWrites) {
    const auto config = parseRsdpConfig(R"({
        "periodicUpdateInterval": 300,
        "configList": [{
             "resourcePrefix": "spidernet.io",
             "resourceName": "hca_shared_devices",
             "rdmaHcaMax": 500,
             "selectors": {"vendors": ["15b3"], "deviceIDs": ["1017"]}
        }]
    })",
                                        quiet);
    EXPECT_EQ(config.updateInterval, std::chrono::seconds(300));
    ASSERT_EQ(config.resources.size(), 1u);
    EXPECT_EQ(config.resources[0].fullName(), "spidernet.io/hca_shared_devices");
    EXPECT_EQ(config.resources[0].hcaMax, 500);
    EXPECT_THAT(config.resources[0].selectors.vendors, ElementsAre("15b3"));
    EXPECT_THAT(config.resources[0].selectors.deviceIds, ElementsAre("1017"));
}

TEST(RsdpConfig, DefaultsArePrefixRdmaNoDevicesAndAMinute) {
    const auto config = parseRsdpConfig(one(R"({"resourceName":"hca","devices":["ens6f0"],"unknownKey":1})"), quiet);
    EXPECT_EQ(config.updateInterval, std::chrono::seconds(60));
    EXPECT_EQ(config.resources[0].fullName(), "rdma/hca");
    EXPECT_EQ(config.resources[0].hcaMax, 0);
    EXPECT_THAT(config.resources[0].selectors.ifNames, ElementsAre("ens6f0")); // the old form is a selector by name
}

TEST(RsdpConfig, ZeroTurnsThePeriodicUpdateOffAndNullLeavesTheDefault) {
    const std::string rest = R"("configList":[{"resourceName":"a","devices":["x"]}]})";
    EXPECT_EQ(parseRsdpConfig(R"({"periodicUpdateInterval":0,)" + rest, quiet).updateInterval.count(), 0);
    EXPECT_EQ(parseRsdpConfig(R"({"periodicUpdateInterval":null,)" + rest, quiet).updateInterval.count(), 60);
}

TEST(RsdpConfig, KeysMatchInAnyCaseAsGoMatchesThem) {
    const auto config =
        parseRsdpConfig(R"({"ConfigList":[{"RESOURCENAME":"a","rdmahcamax":3,"Selectors":{"deviceids":["1017"]}}]})", quiet);
    EXPECT_EQ(config.resources[0].hcaMax, 3);
    EXPECT_THAT(config.resources[0].selectors.deviceIds, ElementsAre("1017"));
}

struct BadConfig {
    std::string json, error;
};

class RsdpConfigErrors : public ::testing::TestWithParam<BadConfig> {};

TEST_P(RsdpConfigErrors, HasUpstreamsText) {
    EXPECT_EQ(errorOf(GetParam().json), GetParam().error);
}

const std::string prefix = "Exiting.. one or more invalid configuration(s) given: ";
const std::string selectors = R"("selectors":{"vendors":["15b3"]})";

INSTANTIATE_TEST_SUITE_P(
    Validation, RsdpConfigErrors,
    ::testing::Values(
        BadConfig{R"({"periodicUpdateInterval":-5,"configList":[]})",
                  prefix + R"(invalid "periodicUpdateInterval" configuration "-5000000000")"},
        BadConfig{R"({})", prefix + "no resources configuration found"},
        BadConfig{R"({"configList":[]})", prefix + "no resources configuration found"},
        BadConfig{one(R"({"resourceName":"a-b",)" + selectors + "}"),
                  prefix + R"(error: resource name "a-b" contains invalid characters)"},
        BadConfig{one(R"({"resourceName":"a.b",)" + selectors + "}"),
                  prefix + R"(error: resource name "a.b" contains invalid characters)"},
        BadConfig{one("{" + selectors + "}"), prefix + R"(error: resource name "" contains invalid characters)"},
        BadConfig{one(R"({"resourceName":"a","resourcePrefix":"p",)" + selectors + R"(},{"resourceName":"a",)" + selectors + "}"),
                  prefix + R"(error: resource name "a" already exists)"},
        BadConfig{one(R"({"resourceName":"a","rdmaHcaMax":-1,)" + selectors + "}"),
                  prefix + "error: Invalid value for rdmaHcaMax < 0: -1"},
        BadConfig{one(R"({"resourceName":"a"})"),
                  prefix +
                      "error: configuration missmatch. neither \"selectors\" nor \"devices\" fields exits, it is recommended to "
                      "use the new “selectors” field"},
        BadConfig{one(R"({"resourceName":"a","selectors":{"vendors":[]}})"), // without values it counts as absent
                  prefix +
                      "error: configuration missmatch. neither \"selectors\" nor \"devices\" fields exits, it is recommended to "
                      "use the new “selectors” field"},
        BadConfig{one(R"({"resourceName":"a","devices":["x"],)" + selectors + "}"),
                  prefix + R"(configuration mismatch. Cannot specify both "selectors" and "devices" fields)"}));

INSTANTIATE_TEST_SUITE_P(
    Json, RsdpConfigErrors,
    ::testing::Values(
        BadConfig{"", "unexpected end of JSON input"}, BadConfig{R"({"configList":[)", "unexpected end of JSON input"},
        BadConfig{R"({"a":1,})", "invalid character '}' looking for beginning of object key string"},
        BadConfig{R"({"a":[1,]})", "invalid character ']' looking for beginning of value"},
        BadConfig{R"({"periodicUpdateInterval": , "configList":[]})", "invalid character ',' looking for beginning of value"},
        BadConfig{R"({"a" 1})", "invalid character '1' after object key"},
        BadConfig{R"({"a":1 "b":2})", R"(invalid character '"' after object key:value pair)"},
        BadConfig{R"([1 2])", "invalid character '2' after array element"},
        BadConfig{"{} x", "invalid character 'x' after top-level value"},
        BadConfig{R"({"a":'x'})", R"(invalid character '\'' looking for beginning of value)"},
        BadConfig{R"({"a":nul})", "invalid character '}' in literal null (expecting 'l')"},
        BadConfig{"{\"a\":\"x\ny\"}", R"(invalid character '\n' in string literal)"},
        BadConfig{"[]", "json: cannot unmarshal array into Go value of type types.UserConfigList"},
        BadConfig{one(R"({"rdmaHcaMax":"500"})"),
                  "json: cannot unmarshal string into Go struct field UserConfig.configList.rdmaHcaMax of type int"},
        BadConfig{one(R"({"selectors":{"vendors":"15b3"}})"),
                  "json: cannot unmarshal string into Go struct field Selectors.configList.selectors.vendors of type []string"}));

TEST(RsdpRelease, ComesFromTheImageTag) {
    EXPECT_EQ(rsdpReleaseOf("v1.5.1"), RsdpRelease::untilV1_5_1);
    EXPECT_EQ(rsdpReleaseOf("1.3.2"), RsdpRelease::untilV1_5_1);
    EXPECT_EQ(rsdpReleaseOf("v1.5.2"), RsdpRelease::current);
    EXPECT_EQ(rsdpReleaseOf("v1.10.0"), RsdpRelease::current);
    EXPECT_EQ(rsdpReleaseOf("latest"), RsdpRelease::current);
    EXPECT_EQ(rsdpReleaseOf("mirror:5000/mellanox/k8s-rdma-shared-dev-plugin"), RsdpRelease::current);
    EXPECT_EQ(rsdpReleaseOf("mirror:5000/mellanox/k8s-rdma-shared-dev-plugin:v1.4.0"), RsdpRelease::untilV1_5_1);
    EXPECT_EQ(rsdpReleaseOf("ghcr.io/mellanox/k8s-rdma-shared-dev-plugin:v1.5.3@sha256:01"), RsdpRelease::current);
}

TEST(GoText, QuotesAsPercentQ) {
    EXPECT_EQ(goQuote("a \"b\"\\\n"), R"("a \"b\"\\\n")");
}

} // namespace
} // namespace rdmalab::plugin
