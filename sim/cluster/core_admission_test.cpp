#include "sim/cluster/core_admission.h"

#include "sim/clock/virtual_loop.h"
#include "sim/cluster/api_errors.h"
#include "sim/cluster/object_meta.h"

#include <gmock/gmock.h>

namespace rdmalab::cluster {
namespace {

using testing::HasSubstr;

constexpr const char* hca = "spidernet.io/hca_shared_devices";

Json pod(const std::string& name, Json resources = Json::object()) {
    return {{"apiVersion", "v1"},
            {"kind", "Pod"},
            {"metadata", {{"name", name}}},
            {"spec",
             {{"containers",
               Json::array({{{"name", "main"}, {"image", "mellanox/rping-test"}, {"resources", std::move(resources)}}})}}}};
}

Json daemonSet(const std::string& selected, const std::string& labelled) {
    return {{"apiVersion", "apps/v1"},
            {"kind", "DaemonSet"},
            {"metadata", {{"name", "ds"}}},
            {"spec",
             {{"selector", {{"matchLabels", {{"app", selected}}}}},
              {"template", {{"metadata", {{"labels", {{"app", labelled}}}}}, {"spec", pod("x")["spec"]}}}}}};
}

class CoreAdmissionTest : public testing::Test {
protected:
    CoreAdmissionTest() { installCoreAdmission(store); }
    std::string refused(Json object) {
        try {
            store.create(std::move(object));
        } catch (const plugin::KubeError& error) {
            return error.what();
        }
        return "accepted";
    }

    clock::VirtualLoop loop;
    Store store{loop};
};

TEST_F(CoreAdmissionTest, PodDefaults) {
    const ObjectPtr made = store.create(pod("p", {{"limits", {{hca, 1}, {"cpu", "1000m"}}}}));
    const Json& spec = at(*made, {"spec"});
    EXPECT_EQ(spec["restartPolicy"], "Always");
    EXPECT_EQ(spec["terminationGracePeriodSeconds"], 30);
    EXPECT_EQ(spec["containers"][0]["resources"]["requests"], (Json{{hca, "1"}, {"cpu", "1"}}));
    EXPECT_EQ(spec["containers"][0]["imagePullPolicy"], "Always") << "no tag";
    EXPECT_EQ(spec["tolerations"].size(), 2u);
    EXPECT_EQ(spec["tolerations"][0]["tolerationSeconds"], 300);
    EXPECT_EQ(stringAt(*made, {"status", "phase"}), "Pending");
    EXPECT_EQ(stringAt(*made, {"status", "qosClass"}), "Burstable");
}

TEST_F(CoreAdmissionTest, QuantitiesAreStoredCanonically) {
    const ObjectPtr made = store.create(pod("p", {{"limits", {{hca, "1000"}}}}));
    EXPECT_EQ(made->at("spec")["containers"][0]["resources"]["limits"][hca], "1k");
}

TEST_F(CoreAdmissionTest, ExtendedResourcesNeedLimitsThatEqualRequests) {
    EXPECT_EQ(refused(pod("p", {{"requests", {{hca, 1}}}})),
              "Pod \"p\" is invalid: spec.containers[0].resources.limits: Required value: Limit must be set for non "
              "overcommitable resources");
    EXPECT_EQ(refused(pod("p", {{"limits", {{hca, 2}}}, {"requests", {{hca, 1}}}})),
              "Pod \"p\" is invalid: spec.containers[0].resources.requests: Invalid value: \"1\": must be equal to "
              "spidernet.io/hca_shared_devices limit of 2");
    EXPECT_EQ(
        refused(pod("p", {{"limits", {{hca, "500m"}}}})),
        "Pod \"p\" is invalid: [spec.containers[0].resources.limits[spidernet.io/hca_shared_devices]: Invalid value: \"500m\": "
        "must be "
        "an integer, spec.containers[0].resources.requests[spidernet.io/hca_shared_devices]: Invalid value: \"500m\": must be an "
        "integer]");
    EXPECT_THAT(refused(pod("p", {{"limits", {{"cpu", "1"}}}, {"requests", {{"cpu", "2"}}}})),
                HasSubstr("must be less than or equal to cpu limit of 1"));
    EXPECT_THAT(refused(pod("p", {{"limits", {{"gpu", 1}}}})), HasSubstr("must be a standard resource for containers"));
    EXPECT_THAT(refused(pod("p", {{"limits", {{"cpu", "one"}}}})), HasSubstr("quantities must match the regular expression"));
}

TEST_F(CoreAdmissionTest, WhatIsAnExtendedResource) {
    EXPECT_TRUE(isExtendedResource("rdma/hca"));
    EXPECT_FALSE(isExtendedResource("cpu"));
    EXPECT_FALSE(isExtendedResource("kubernetes.io/x"));
    EXPECT_FALSE(isExtendedResource("a.kubernetes.io/x"));
    EXPECT_TRUE(isExtendedResource("notkubernetes.io/x"));
}

TEST_F(CoreAdmissionTest, BrokenPods) {
    Json object = pod("p");
    object["spec"]["containers"] = Json::array();
    EXPECT_EQ(refused(object), "Pod \"p\" is invalid: spec.containers: Required value");
    object = pod("p");
    object["spec"]["containers"].push_back(object["spec"]["containers"][0]);
    EXPECT_THAT(refused(object), HasSubstr("spec.containers[1].name: Duplicate value: \"main\""));
    object = pod("p");
    object["spec"]["containers"][0]["volumeMounts"] = Json::array({{{"name", "v"}, {"mountPath", "/v"}}});
    EXPECT_THAT(refused(object), HasSubstr("spec.containers[0].volumeMounts[0].name: Not found: \"v\""));
    object = pod("p");
    object["metadata"]["labels"]["app"] = "not valid";
    EXPECT_THAT(refused(object),
                HasSubstr("metadata.labels: Invalid value: \"not valid\": a valid label must be an empty string"));
    object = pod("p");
    object["metadata"]["namespace"] = "nowhere";
    EXPECT_EQ(refused(object), "namespaces \"nowhere\" not found");
}

TEST_F(CoreAdmissionTest, PodUpdatesMayBindAndChangeImagesOnly) {
    store.create(pod("p"));
    Json object = *store.get("Pod", "default", "p");
    object["spec"]["nodeName"] = "n1";
    EXPECT_NO_THROW(object = *store.update(object));
    object["spec"]["containers"][0]["image"] = "other:1";
    EXPECT_NO_THROW(object = *store.update(object));
    object["spec"]["hostNetwork"] = true;
    EXPECT_THROW(store.update(object), plugin::KubeError);
    object["spec"].erase("hostNetwork");
    object["spec"]["nodeName"] = "n2";
    EXPECT_THROW(store.update(object), plugin::KubeError);
}

TEST_F(CoreAdmissionTest, ASelectorMustMatchTheTemplate) {
    EXPECT_EQ(refused(daemonSet("a", "b")), "DaemonSet.apps \"ds\" is invalid: spec.template.metadata.labels: Invalid value: "
                                            "map[string]string{\"app\":\"b\"}: `selector` does "
                                            "not match template `labels`");
    const ObjectPtr made = store.create(daemonSet("a", "a"));
    EXPECT_EQ(at(*made, {"spec", "updateStrategy", "rollingUpdate", "maxUnavailable"}), 1);
    Json changed = daemonSet("b", "b");
    EXPECT_THROW(store.update(changed), plugin::KubeError) << "the selector is immutable";
    changed = daemonSet("a", "a");
    changed["metadata"]["name"] = "ds2";
    changed["spec"]["template"]["spec"]["restartPolicy"] = "Never";
    EXPECT_THAT(refused(changed),
                HasSubstr("spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""));
    changed["spec"].erase("selector");
    EXPECT_THAT(refused(changed), HasSubstr("spec.selector: Required value"));
}

TEST_F(CoreAdmissionTest, ApplyingTheSameManifestTwiceChangesNothing) {
    store.apply(daemonSet("a", "a"));
    const auto version = store.resourceVersion();
    store.apply(daemonSet("a", "a"));
    EXPECT_EQ(store.resourceVersion(), version);
}

} // namespace
} // namespace rdmalab::cluster
