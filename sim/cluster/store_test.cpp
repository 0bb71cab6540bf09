#include "sim/cluster/store.h"

#include "sim/clock/virtual_loop.h"
#include "sim/cluster/apply_merge.h"
#include "sim/cluster/object_meta.h"

#include <gmock/gmock.h>

#include <regex>

namespace rdmalab::cluster {
namespace {

using plugin::KubeError;
using testing::ElementsAre;

Json pod(const std::string& name, const std::string& node = "") {
    Json object = {
        {"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", {{"name", name}}}, {"spec", {{"containers", Json::array()}}}};
    if (!node.empty())
        object["spec"]["nodeName"] = node;
    return object;
}

Json configMap(const std::string& name, Json data = Json::object()) {
    return {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", name}}}, {"data", std::move(data)}};
}

Json ownedBy(Json object, const Json& owner) {
    object["metadata"]["ownerReferences"].push_back(controllerReference(owner));
    return object;
}

std::string refusal(const std::function<void()>& action, int code, const std::string& reason) {
    try {
        action();
    } catch (const KubeError& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        EXPECT_EQ(error.reason(), reason) << error.what();
        return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
}

class StoreTest : public testing::Test {
protected:
    // Everything that is due now and what follows from it.
    void settle(std::chrono::seconds forThisLong = std::chrono::seconds(0)) {
        loop.runUntil([] { return false; }, forThisLong);
    }
    void watched(const std::string& kind, Store::Subscription& subscription) {
        subscription = store.watch(kind, [this](const WatchEvent& event) {
            const char* type = event.type == WatchEvent::Type::added ? "+" : event.type == WatchEvent::Type::modified ? "~" : "-";
            log.push_back(type + nameOf(*event.object));
        });
    }

    clock::VirtualLoop loop;
    Store store{loop};
    std::vector<std::string> log;
};

TEST_F(StoreTest, CreateFillsInWhatTheServerOwns) {
    settle(std::chrono::seconds(61));
    const ObjectPtr made = store.create(pod("a"));
    EXPECT_EQ(namespaceOf(*made), "default");
    EXPECT_EQ(stringAt(*made, {"metadata", "creationTimestamp"}), "2024-01-01T00:01:01Z");
    EXPECT_EQ(intAt(*made, {"metadata", "generation"}), 1);
    EXPECT_EQ(stringAt(*made, {"metadata", "resourceVersion"}), std::to_string(store.resourceVersion()));
    EXPECT_TRUE(
        std::regex_match(uidOf(*made), std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
    EXPECT_NE(uidOf(*made), uidOf(*store.create(pod("b"))));
}

TEST_F(StoreTest, GeneratedNamesUseTheKubernetesAlphabetAndAreReproducible) {
    Json object = pod("");
    object["metadata"] = {{"generateName", "rdma-macvlan-"}};
    const std::string first = nameOf(*store.create(object)), second = nameOf(*store.create(object));
    EXPECT_TRUE(std::regex_match(first, std::regex("rdma-macvlan-[bcdfghjklmnpqrstvwxz2456789]{5}"))) << first;
    EXPECT_NE(first, second);
    clock::VirtualLoop otherLoop;
    Store other(otherLoop);
    EXPECT_EQ(nameOf(*other.create(object)), first);
}

TEST_F(StoreTest, RefusalsReadLikeTheApiServers) {
    store.create(pod("x"));
    EXPECT_EQ(refusal([&] { store.create(pod("x")); }, 409, "AlreadyExists"), "pods \"x\" already exists");
    EXPECT_EQ(refusal([&] { store.get("Pod", "default", "y"); }, 404, "NotFound"), "pods \"y\" not found");
    EXPECT_EQ(refusal([&] { store.remove("DaemonSet", "default", "y"); }, 404, "NotFound"), "daemonsets.apps \"y\" not found");
    EXPECT_EQ(refusal([&] { store.get("SpiderIPPool", "", "p"); }, 404, "NotFound"),
              "spiderippools.spiderpool.spidernet.io \"p\" not found");
    EXPECT_EQ(refusal(
                  [&] {
                      store.create({{"apiVersion", "v1"}, {"kind", "Pot"}, {"metadata", {{"name", "a"}}}});
                  },
                  404, "NotFound"),
              "no matches for kind \"Pot\" in version \"v1\"");
    EXPECT_EQ(refusal(
                  [&] {
                      store.create({{"apiVersion", "apps/v1beta1"}, {"kind", "DaemonSet"}, {"metadata", {{"name", "a"}}}});
                  },
                  404, "NotFound"),
              "no matches for kind \"DaemonSet\" in version \"apps/v1beta1\"");
    EXPECT_EQ(refusal([&] { store.create(pod("")); }, 422, "Invalid"),
              "Pod \"\" is invalid: metadata.name: Required value: name or generateName is required");
    EXPECT_THAT(refusal([&] { store.create(pod("Foo_1")); }, 422, "Invalid"),
                testing::StartsWith(
                    "Pod \"Foo_1\" is invalid: metadata.name: Invalid value: \"Foo_1\": a lowercase RFC 1123 subdomain must "
                    "consist of lower case alphanumeric characters"));
}

TEST_F(StoreTest, AStaleWriterMeetsAConflict) {
    const Json first = *store.create(configMap("c", {{"k", "1"}}));
    Json second = first;
    second["data"]["k"] = "2";
    store.update(second);
    Json late = first;
    late["data"]["k"] = "3";
    EXPECT_EQ(refusal([&] { store.update(late); }, 409, "Conflict"),
              "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your changes to the "
              "latest "
              "version and try again");
    late["metadata"].erase("resourceVersion");
    EXPECT_EQ((*store.update(late))["data"]["k"], "3");
}

TEST_F(StoreTest, AnUpdateWithoutAChangeIsNoWrite) {
    const ObjectPtr made = store.create(configMap("c", {{"k", "1"}}));
    const auto version = store.resourceVersion();
    EXPECT_EQ(store.update(*made), made);
    Json unversioned = *made;
    unversioned["metadata"].erase("resourceVersion");
    EXPECT_EQ(store.update(unversioned), made);
    EXPECT_EQ(store.resourceVersion(), version);
}

TEST_F(StoreTest, StatusAndSpecAreWrittenApart) {
    Json object = *store.create(pod("x"));
    object["status"]["phase"] = "Running";
    object["spec"]["nodeName"] = "n1";
    object = *store.update(object);
    EXPECT_FALSE(object.contains("status"));
    EXPECT_EQ(intAt(object, {"metadata", "generation"}), 2);
    object["status"]["phase"] = "Running";
    object["spec"]["nodeName"] = "n2";
    object["metadata"]["annotations"]["a"] = "b";
    object = *store.updateStatus(object);
    EXPECT_EQ(stringAt(object, {"status", "phase"}), "Running");
    EXPECT_EQ(stringAt(object, {"spec", "nodeName"}), "n1");
    EXPECT_EQ(annotationOf(object, "a"), "b");
    EXPECT_EQ(intAt(object, {"metadata", "generation"}), 2);
}

TEST_F(StoreTest, SpiderEndpointHasNoStatusSubresource) {
    Json endpoint = {
        {"apiVersion", "spiderpool.spidernet.io/v2beta1"}, {"kind", "SpiderEndpoint"}, {"metadata", {{"name", "e"}}}};
    store.create(endpoint);
    endpoint["status"] = {{"ownerControllerType", "Pod"}};
    EXPECT_EQ(stringAt(*store.update(endpoint), {"status", "ownerControllerType"}), "Pod");
    EXPECT_EQ(refusal([&] { store.updateStatus(endpoint); }, 404, "NotFound"),
              "the server could not find the requested resource");
}

TEST_F(StoreTest, FinalizersHoldAnObjectUntilTheLastIsGone) {
    Json object = configMap("c");
    object["metadata"]["finalizers"] = {"a", "b"};
    store.create(object);
    store.remove("ConfigMap", "default", "c");
    Json terminating = *store.get("ConfigMap", "default", "c");
    EXPECT_TRUE(isTerminating(terminating));
    terminating["metadata"]["finalizers"] = {"a", "c"};
    EXPECT_THAT(refusal([&] { store.update(terminating); }, 422, "Invalid"),
                testing::HasSubstr("no new finalizers can be added if the object is being deleted"));
    terminating["metadata"]["finalizers"] = {"b"};
    store.update(terminating);
    EXPECT_TRUE(store.find("ConfigMap", "default", "c"));
    store.mergePatch("ConfigMap", "default", "c", {{"metadata", {{"finalizers", nullptr}}}});
    EXPECT_FALSE(store.find("ConfigMap", "default", "c"));
}

TEST_F(StoreTest, UnboundPodsGoAtOnceBoundOnesWaitForTheKubelet) {
    store.create(pod("unbound"));
    store.remove("Pod", "default", "unbound");
    EXPECT_FALSE(store.find("Pod", "default", "unbound"));

    store.create(pod("bound", "n1"));
    store.remove("Pod", "default", "bound");
    const ObjectPtr going = store.get("Pod", "default", "bound");
    EXPECT_EQ(stringAt(*going, {"metadata", "deletionTimestamp"}), "2024-01-01T00:00:30Z");
    EXPECT_EQ(intAt(*going, {"metadata", "deletionGracePeriodSeconds"}), 30);
    // Status writes go on meanwhile and end nothing.
    Json status = *going;
    status["status"]["phase"] = "Failed";
    store.updateStatus(status);
    EXPECT_TRUE(store.find("Pod", "default", "bound"));
    store.finalizeRemoval("Pod", "default", "bound");
    EXPECT_FALSE(store.find("Pod", "default", "bound"));

    store.create(pod("forced", "n1"));
    store.remove("Pod", "default", "forced", 0);
    EXPECT_FALSE(store.find("Pod", "default", "forced"));
}

TEST_F(StoreTest, OwnedObjectsFollowTheirOwner) {
    const ObjectPtr set = store.create({{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}, {"metadata", {{"name", "rs"}}}});
    const ObjectPtr other = store.create({{"apiVersion", "apps/v1"}, {"kind", "ReplicaSet"}, {"metadata", {{"name", "other"}}}});
    store.create(ownedBy(pod("child"), *set));
    store.create(ownedBy(ownedBy(pod("shared"), *set), *other));
    store.create(pod("stranger"));
    store.remove("ReplicaSet", "default", "rs");
    settle();
    EXPECT_FALSE(store.find("Pod", "default", "child"));
    EXPECT_EQ(at(*store.get("Pod", "default", "shared"), {"metadata", "ownerReferences"}).size(), 1u);
    EXPECT_TRUE(store.find("Pod", "default", "stranger"));
    // An owner that is gone already.
    store.create(ownedBy(pod("late"), *set));
    settle();
    EXPECT_FALSE(store.find("Pod", "default", "late"));
}

TEST_F(StoreTest, WatchersSeeWhatIsThereAndThenEveryWriteInOrder) {
    store.create(configMap("b"));
    store.create(configMap("a"));
    Store::Subscription subscription;
    watched("ConfigMap", subscription);
    store.create(configMap("c"));
    EXPECT_THAT(log, testing::IsEmpty()) << "nothing is delivered from within a write";
    store.mergePatch("ConfigMap", "default", "a", {{"data", {{"x", "1"}}}});
    store.remove("ConfigMap", "default", "b");
    settle();
    EXPECT_THAT(log, ElementsAre("+a", "+b", "+c", "~a", "-b"));
    subscription.reset();
    store.create(configMap("d"));
    settle();
    EXPECT_EQ(log.size(), 5u);
}

TEST_F(StoreTest, AWatcherThatEndsItselfGetsNothingMore) {
    Store::Subscription subscription;
    int events = 0;
    subscription = store.watch("ConfigMap", [&](const WatchEvent&) {
        ++events;
        subscription.reset();
    });
    store.create(configMap("a"));
    store.create(configMap("b"));
    settle();
    EXPECT_EQ(events, 1);
}

TEST_F(StoreTest, ListsAreOrderedAndKeptApartByNamespace) {
    for (const char* ns : {"kube-system", "default"})
        for (const char* name : {"b", "a"}) {
            Json object = configMap(name);
            object["metadata"]["namespace"] = ns;
            store.create(object);
        }
    std::vector<std::string> names;
    for (const ObjectPtr& object : store.list("ConfigMap"))
        names.push_back(namespaceOf(*object) + "/" + nameOf(*object));
    EXPECT_THAT(names, ElementsAre("default/a", "default/b", "kube-system/a", "kube-system/b"));
    EXPECT_EQ(store.list("ConfigMap", "kube-system").size(), 2u);
    EXPECT_EQ(store.list("ConfigMap", "nowhere").size(), 0u);
}

TEST_F(StoreTest, ApplyMergesThreeWays) {
    store.apply(configMap("c", {{"keep", "1"}, {"drop", "1"}}));
    store.mergePatch("ConfigMap", "default", "c", {{"data", {{"others", "1"}}}});
    const ObjectPtr merged = store.apply(configMap("c", {{"keep", "2"}}));
    EXPECT_EQ((*merged)["data"], (Json{{"keep", "2"}, {"others", "1"}}));
    EXPECT_THAT(annotationOf(*merged, lastAppliedAnnotation).value(), testing::HasSubstr("\"keep\":\"2\""));
}

TEST_F(StoreTest, ApplyOntoAnObjectThatApplyDidNotMakeKeepsItsFields) {
    store.create(configMap("c", {{"theirs", "1"}}));
    EXPECT_EQ((*store.apply(configMap("c", {{"mine", "2"}})))["data"], (Json{{"mine", "2"}, {"theirs", "1"}}));
    EXPECT_EQ((*store.apply(configMap("c", {{"mine", "2"}, {"theirs", nullptr}})))["data"], (Json{{"mine", "2"}}));
}

TEST_F(StoreTest, AdmissionRunsMutationsBeforeValidations) {
    store.addValidation("ConfigMap", [&](AdmissionRequest& request) {
        log.push_back(request.operation == Operation::remove ? "remove" : stringAt(request.object, {"data", "k"}, "missing"));
        if (boolAt(request.object, {"immutable"}))
            throw KubeError(403, "Forbidden", "no");
    });
    store.addMutation("ConfigMap",
                      [](AdmissionRequest& request) { request.object["data"]["k"] = request.old ? "updated" : "new"; });
    store.create(configMap("c"));
    store.update(configMap("c"));
    store.remove("ConfigMap", "default", "c");
    EXPECT_THAT(log, ElementsAre("new", "updated", "remove"));
    Json refused = configMap("d");
    refused["immutable"] = true;
    refusal([&] { store.create(refused); }, 403, "Forbidden");
    EXPECT_FALSE(store.find("ConfigMap", "default", "d"));
}

TEST_F(StoreTest, EventsAreCountedUpWhenTheyRepeat) {
    const ObjectPtr subject = store.create(pod("p"));
    Store::Subscription subscription;
    int added = 0, modified = 0;
    subscription =
        store.watch("Event", [&](const WatchEvent& event) { ++(event.type == WatchEvent::Type::added ? added : modified); });
    settle();
    store.recordEvent(*subject, "Warning", "FailedScheduling", "0/2 nodes are available", "default-scheduler");
    settle(std::chrono::seconds(10));
    store.recordEvent(*subject, "Warning", "FailedScheduling", "0/2 nodes are available", "default-scheduler");
    store.recordEvent(*subject, "Normal", "Scheduled", "ok", "default-scheduler");
    settle();
    const auto events = store.list("Event", "default");
    ASSERT_EQ(events.size(), 2u);
    const Json& folded = *events.front();
    EXPECT_EQ(folded["count"], 2);
    EXPECT_EQ(folded["firstTimestamp"], "2024-01-01T00:00:00Z");
    EXPECT_EQ(folded["lastTimestamp"], "2024-01-01T00:00:10Z");
    EXPECT_EQ(stringAt(folded, {"involvedObject", "uid"}), uidOf(*subject));
    EXPECT_TRUE(store.find("Event", "default", nameOf(folded)));
    EXPECT_EQ(added, 2);
    EXPECT_EQ(modified, 1);
    store.remove("Event", "default", nameOf(folded));
    EXPECT_EQ(store.list("Event").size(), 1u);
}

TEST_F(StoreTest, ANamespaceTakesItsContentsAlong) {
    store.create({{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "lab"}}}});
    Json inside = pod("p", "n1");
    inside["metadata"]["namespace"] = "lab";
    store.create(inside);
    store.remove("Namespace", "", "lab");
    settle();
    EXPECT_EQ(stringAt(*store.get("Namespace", "", "lab"), {"status", "phase"}), "Terminating");
    EXPECT_TRUE(isTerminating(*store.get("Pod", "lab", "p")));
    store.finalizeRemoval("Pod", "lab", "p");
    EXPECT_FALSE(store.find("Namespace", "", "lab"));
}

TEST_F(StoreTest, TypesAreFoundByKindAndPlural) {
    EXPECT_EQ(store.findType("apps/v1", "DaemonSet")->plural, "daemonsets");
    EXPECT_EQ(store.findPlural("k8s.cni.cncf.io/v1", "network-attachment-definitions")->kind, "NetworkAttachmentDefinition");
    EXPECT_EQ(store.findType("apps/v2", "DaemonSet"), nullptr);
    store.registerType({"example.com/v1", "things", "Thing", false});
    EXPECT_NO_THROW(store.create({{"apiVersion", "example.com/v1"}, {"kind", "Thing"}, {"metadata", {{"name", "t"}}}}));
    EXPECT_TRUE(store.find("Thing", "ignored", "t"));
}

TEST_F(StoreTest, OneHundredThousandPodsNeedNoScans) {
    // A scan in create or update would make this run for hours.
    for (int i = 0; i < 100'000; ++i)
        store.create(pod("pod-" + std::to_string(i)));
    for (int i = 0; i < 100'000; i += 10)
        store.mergePatch("Pod", "default", "pod-" + std::to_string(i), {{"spec", {{"nodeName", "n1"}}}});
    for (int i = 0; i < 100'000; i += 2)
        store.finalizeRemoval("Pod", "default", "pod-" + std::to_string(i));
    EXPECT_EQ(store.list("Pod").size(), 50'000u);
}

TEST(ObjectMeta, TimestampsGoBothWays) {
    using std::chrono::seconds;
    EXPECT_EQ(formatTimestamp(seconds(0)), "2024-01-01T00:00:00Z");
    EXPECT_EQ(formatTimestamp(seconds(59 * 86400 + 3661)), "2024-02-29T01:01:01Z");
    EXPECT_EQ(parseTimestamp("2024-02-29T01:01:01Z"), seconds(59 * 86400 + 3661));
    EXPECT_FALSE(parseTimestamp("yesterday"));
}

} // namespace
} // namespace rdmalab::cluster
