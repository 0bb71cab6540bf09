// A cluster of fake nodes on a virtual clock, and short words for what tests ask of it.
#pragma once

#include "sim/clock/virtual_loop.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/object_meta.h"
#include "sim/cluster/testing/fake_node_host.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace rdmalab::cluster::testing {

using namespace std::chrono_literals;

class ClusterTest : public ::testing::Test {
protected:
    void useProfile(const std::string& kubernetes) {
        cluster.reset();
        ClusterOptions options;
        options.kubernetes = kubernetes;
        options.kubeletLog = [this](const std::string&, const std::string& line) { kubeletLog.push_back(line); };
        cluster = std::make_unique<Cluster>(loop, options);
    }
    void SetUp() override { useProfile("1.35"); }
    void TearDown() override { cluster.reset(); }

    FakeNodeHost& addNode(const std::string& name, std::map<std::string, std::string> capacity = {},
                          std::map<std::string, std::string> labels = {}, std::vector<Json> taints = {}) {
        auto& host = hosts[name] = std::make_unique<FakeNodeHost>(loop, std::to_string(hosts.size()));
        cluster->addNode({name, std::move(labels), std::move(taints), std::move(capacity), {"10.0.0.1"}, {}}, *host);
        return *host;
    }
    // A node with one plugin of `count` healthy devices "0", "1", ...
    FakePlugin& addPlugin(FakeNodeHost& host, const std::string& resource, int count, const std::string& endpoint = "p.sock") {
        FakePlugin& plugin = host.addPlugin(endpoint, resource, healthy(count));
        host.registerPlugin(endpoint);
        settle();
        return plugin;
    }
    static std::vector<PluginDevice> healthy(int count) {
        std::vector<PluginDevice> list;
        for (int i = 0; i < count; ++i)
            list.push_back({std::to_string(i), "Healthy", {}});
        return list;
    }

    // Lets everything happen that is due within a moment.
    void settle(clock::Duration limit = 100ms) {
        loop.runUntil([] { return false; }, limit);
    }
    void pass(clock::Duration time) {
        loop.runUntil([] { return false; }, time);
    }

    static Json container(const std::string& name, const Json& limits = {}, const Json& requests = {}) {
        Json result{{"name", name}, {"image", "busybox"}};
        if (!limits.is_null())
            result["resources"]["limits"] = limits;
        if (!requests.is_null())
            result["resources"]["requests"] = requests;
        return result;
    }
    static Json pod(const std::string& name, std::vector<Json> containers, Json spec = Json::object()) {
        spec["containers"] = std::move(containers);
        return {{"apiVersion", "v1"},
                {"kind", "Pod"},
                {"metadata", {{"name", name}, {"namespace", "default"}}},
                {"spec", std::move(spec)}};
    }
    static Json devicePod(const std::string& name, const std::string& resource, int count, Json spec = Json::object()) {
        return pod(name, {container("c", {{resource, std::to_string(count)}})}, std::move(spec));
    }
    ObjectPtr create(Json object) {
        ObjectPtr created = cluster->store().create(std::move(object));
        settle();
        return created;
    }
    Json get(const std::string& name, const std::string& kind = "Pod") {
        const bool clusterScoped = kind == "Node";
        const ObjectPtr object = cluster->store().find(kind, clusterScoped ? "" : "default", name);
        return object ? *object : Json();
    }
    std::string phase(const std::string& pod) { return stringAt(get(pod), {"status", "phase"}); }
    std::string reason(const std::string& pod) { return stringAt(get(pod), {"status", "reason"}); }
    std::string message(const std::string& pod) { return stringAt(get(pod), {"status", "message"}); }
    std::string nodeOf(const std::string& pod) { return stringAt(get(pod), {"spec", "nodeName"}); }
    Json condition(const std::string& name, const std::string& type, const std::string& kind = "Pod") {
        const Json object = get(name, kind);
        for (const Json& entry : at(object, {"status", "conditions"}))
            if (stringAt(entry, {"type"}) == type)
                return entry;
        return {};
    }
    std::string unschedulable(const std::string& pod) { return stringAt(condition(pod, "PodScheduled"), {"message"}); }
    bool ready(const std::string& pod) { return stringAt(condition(pod, "Ready"), {"status"}) == "True"; }
    std::string capacity(const std::string& node, const std::string& resource) {
        return stringAt(get(node, "Node"), {"status", "capacity", resource});
    }
    std::string allocatable(const std::string& node, const std::string& resource) {
        return stringAt(get(node, "Node"), {"status", "allocatable", resource});
    }
    void remove(const std::string& pod, std::optional<int> grace = {}) {
        cluster->store().remove("Pod", "default", pod, grace);
        settle();
    }
    // Messages of all events with this reason, as often as they were counted.
    std::vector<std::string> events(const std::string& reason) {
        std::vector<std::string> found;
        for (const auto& event : cluster->store().list("Event"))
            if (stringAt(*event, {"reason"}) == reason)
                for (std::int64_t i = 0; i < std::max<std::int64_t>(1, intAt(*event, {"count"})); ++i)
                    found.push_back(stringAt(*event, {"message"}));
        return found;
    }
    std::vector<std::string> ids(const std::string& node, const std::string& podName, const std::string& containerName) {
        std::vector<std::string> found;
        for (const auto& devices : cluster->kubelet(node).devices()->devicesOf(uidOf(get(podName)), containerName))
            found.insert(found.end(), devices.ids.begin(), devices.ids.end());
        return found;
    }
    std::vector<ObjectPtr> pods() { return cluster->store().list("Pod"); }

    clock::VirtualLoop loop;
    std::map<std::string, std::unique_ptr<FakeNodeHost>> hosts;
    std::vector<std::string> kubeletLog;
    std::unique_ptr<Cluster> cluster;
};

} // namespace rdmalab::cluster::testing
