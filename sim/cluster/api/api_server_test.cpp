#include "sim/clock/virtual_loop.h"
#include "sim/cluster/api/api_server.h"
#include "sim/cluster/store.h"

#include <gtest/gtest.h>

namespace rdmalab::cluster {
namespace {

class Api : public testing::Test {
protected:
    Json call(const std::string& method, const std::string& target, const Json& body = nullptr,
              const std::string& type = "application/json") {
        const auto response = server_.handle({method, target, body.is_null() ? "" : body.dump(), type});
        status_ = response.status;
        return Json::parse(response.body, nullptr, false);
    }
    static Json configMap(const std::string& name, const Json& labels = Json::object()) {
        return {{"metadata", {{"name", name}, {"labels", labels}}}, {"data", {{"k", "v"}}}};
    }

    clock::VirtualLoop loop_;
    Store store_{loop_};
    ApiServer server_{store_};
    int status_ = 0;
};

TEST_F(Api, CreateFillsInWhatThePathSays) {
    const Json made = call("POST", "/api/v1/namespaces/n/configmaps", configMap("a"));
    EXPECT_EQ(status_, 201);
    EXPECT_EQ(made.at("kind"), "ConfigMap");
    EXPECT_EQ(made.at("metadata").at("namespace"), "n");
    EXPECT_EQ(call("GET", "/api/v1/namespaces/n/configmaps/a").at("data").at("k"), "v");
}

TEST_F(Api, RefusalsAreStatusObjects) {
    const Json missing = call("GET", "/api/v1/namespaces/n/pods/x");
    EXPECT_EQ(status_, 404);
    EXPECT_EQ(missing.at("kind"), "Status");
    EXPECT_EQ(missing.at("reason"), "NotFound");
    EXPECT_EQ(missing.at("message"), "pods \"x\" not found");
    call("POST", "/api/v1/namespaces/n/configmaps", configMap("a"));
    EXPECT_EQ(call("POST", "/api/v1/namespaces/n/configmaps", configMap("a")).at("reason"), "AlreadyExists");
    EXPECT_EQ(status_, 409);
}

TEST_F(Api, StaleResourceVersionIsAConflict) {
    Json object = call("POST", "/api/v1/namespaces/n/configmaps", configMap("a"));
    Json newer = object;
    newer["data"]["k"] = "w";
    call("PUT", "/api/v1/namespaces/n/configmaps/a", newer);
    EXPECT_EQ(status_, 200);
    EXPECT_EQ(call("PUT", "/api/v1/namespaces/n/configmaps/a", object).at("reason"), "Conflict");
}

TEST_F(Api, ListsBySelectors) {
    call("POST", "/api/v1/namespaces/n/configmaps", configMap("a", {{"app", "x"}}));
    call("POST", "/api/v1/namespaces/n/configmaps", configMap("b", {{"app", "y"}}));
    call("POST", "/api/v1/namespaces/m/configmaps", configMap("c", {{"app", "x"}}));
    EXPECT_EQ(call("GET", "/api/v1/configmaps?labelSelector=app%3Dx").at("items").size(), 2u);
    EXPECT_EQ(call("GET", "/api/v1/namespaces/n/configmaps?labelSelector=app%3Dx").at("items").size(), 1u);
    const Json one = call("GET", "/api/v1/namespaces/n/configmaps?fieldSelector=metadata.name%3Db");
    ASSERT_EQ(one.at("items").size(), 1u);
    EXPECT_EQ(one.at("items").at(0).at("metadata").at("name"), "b");
    EXPECT_EQ(call("GET", "/api/v1/namespaces/n/configmaps?fieldSelector=metadata.name!%3Db").at("items").size(), 1u);
}

TEST_F(Api, MergePatchAndDelete) {
    call("POST", "/api/v1/namespaces/n/configmaps", configMap("a"));
    const Json patched =
        call("PATCH", "/api/v1/namespaces/n/configmaps/a", {{"data", {{"l", "2"}}}}, "application/merge-patch+json");
    EXPECT_EQ(patched.at("data"), (Json{{"k", "v"}, {"l", "2"}}));
    call("DELETE", "/api/v1/namespaces/n/configmaps/a");
    EXPECT_EQ(status_, 200);
    call("GET", "/api/v1/namespaces/n/configmaps/a");
    EXPECT_EQ(status_, 404);
}

TEST_F(Api, BodiesThatContradictThePathAreRefused) {
    Json object = configMap("a");
    object["metadata"]["namespace"] = "other";
    EXPECT_EQ(call("POST", "/api/v1/namespaces/n/configmaps", object).at("reason"), "BadRequest");
    EXPECT_EQ(call("POST", "/api/v1/namespaces/n/configmaps", Json::array()).at("reason"), "BadRequest");
    EXPECT_EQ(call("POST", "/api/v1/namespaces/n/configmaps", {{"metadata", 3}}).at("reason"), "BadRequest");
}

TEST_F(Api, NonsenseNeverGetsPast) {
    for (const char* target :
         {"/", "/api", "/api/v1", "/apis/x", "/api/v1/nothing", "/api/v1/pods/a/b/c", "/api/v1/pods/a/log", ""}) {
        call("GET", target);
        EXPECT_EQ(status_, 404) << target;
    }
    call("BREW", "/api/v1/pods");
    EXPECT_EQ(status_, 405);
    call("GET", "/api/v1/pods?labelSelector=%3D%3D%28");
    EXPECT_EQ(status_, 400);
    call("GET", "/api/v1/pods?watch=true");
    EXPECT_EQ(status_, 405);
}

} // namespace
} // namespace rdmalab::cluster
