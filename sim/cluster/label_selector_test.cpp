#include "sim/cluster/label_selector.h"

#include "plugins/kube/kube_client.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace rdmalab::cluster {
namespace {

using Json = nlohmann::json;

const Json labels = {{"app", "rdma"}, {"tier", "gpu"}};

Json expression(const char* key, const char* op, Json values = Json::array()) {
    return {{"matchExpressions", Json::array({{{"key", key}, {"operator", op}, {"values", std::move(values)}}})}};
}

TEST(LabelSelector, NullMatchesNothingEmptyEverything) {
    EXPECT_FALSE(matchesSelector(nullptr, labels));
    EXPECT_TRUE(matchesSelector(Json::object(), labels));
    EXPECT_TRUE(matchesSelector(Json::object(), nullptr));
}

TEST(LabelSelector, AllRequirementsMustHold) {
    EXPECT_TRUE(matchesSelector({{"matchLabels", {{"app", "rdma"}}}}, labels));
    EXPECT_FALSE(matchesSelector({{"matchLabels", {{"app", "rdma"}, {"tier", "cpu"}}}}, labels));
    EXPECT_TRUE(matchesSelector(expression("app", "In", {"x", "rdma"}), labels));
    EXPECT_FALSE(matchesSelector(expression("app", "NotIn", {"x", "rdma"}), labels));
    EXPECT_TRUE(matchesSelector(expression("absent", "NotIn", {"x"}), labels)) << "an absent label is in no set";
    EXPECT_TRUE(matchesSelector(expression("app", "Exists"), labels));
    EXPECT_FALSE(matchesSelector(expression("app", "DoesNotExist"), labels));
    EXPECT_FALSE(matchesSelector(expression("app", "Bogus"), labels));
}

TEST(LabelSelector, KubectlSyntax) {
    for (const char* text : {"app=rdma", "app==rdma,tier!=cpu", "tier in (gpu, cpu),app", "!absent", "app notin (a,b)", ""})
        EXPECT_TRUE(matchesSelector(parseSelector(text), labels)) << text;
    for (const char* text : {"app=x", "tier notin (gpu)", "!app", "absent"})
        EXPECT_FALSE(matchesSelector(parseSelector(text), labels)) << text;
    EXPECT_THROW(parseSelector("a b=c"), plugin::KubeError);
}

TEST(LabelSelector, ProblemsNameTheField) {
    const auto problems = labelSelectorProblems(expression("app", "In"), "spec.selector");
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].str(),
              "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'");
}

} // namespace
} // namespace rdmalab::cluster
