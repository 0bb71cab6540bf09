// bench_api_server FOLDER: an API server on loopback with what an address of the pool "bench" needs: the pool and one pod.
// Writes FOLDER/kubeconfig, then FOLDER/pod.env (the pod's name, namespace and uid): when that is there, it serves. Ends on a
// signal.
#include "plugins/http/http_server.h"
#include "sim/clock/real_loop.h"
#include "sim/cluster/api/api_server.h"
#include "sim/cluster/spiderpool/admission.h"
#include "sim/cluster/store.h"

#include <filesystem>
#include <fstream>
#include <iostream>

using namespace rdmalab;
using cluster::Json;

namespace {

// Complete at once for whoever waits for the name.
void write(const std::filesystem::path& path, const std::string& text) {
    const std::string fresh = path.string() + ".tmp";
    std::ofstream(fresh) << text;
    std::filesystem::rename(fresh, path);
}

int serve(const std::filesystem::path& folder) {
    clock::RealLoop loop;
    cluster::Store store(loop);
    cluster::SpiderpoolAdmissionOptions admission;
    admission.profile = cluster::SpiderpoolProfile::v0_8;
    cluster::installSpiderpoolAdmission(store, admission);
    store.create(
        {{"apiVersion", "spiderpool.spidernet.io/v2beta1"},
         {"kind", "SpiderIPPool"},
         {"metadata", {{"name", "bench"}}},
         {"spec", {{"subnet", "10.56.0.0/16"}, {"gateway", "10.56.0.1"}, {"ips", Json::array({"10.56.1.1-10.56.1.200"})}}}});
    store.create({{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", {{"name", "bench"}}}});
    Json pod = *store.create({{"apiVersion", "v1"},
                              {"kind", "Pod"},
                              {"metadata", {{"name", "bench"}, {"namespace", "default"}}},
                              {"spec", {{"nodeName", "bench"}, {"containers", Json::array({{{"name", "c"}, {"image", "c"}}})}}}});
    pod["status"]["phase"] = "Pending";
    store.updateStatus(pod);

    cluster::ApiServer api(store);
    UniqueFd listener = plugin::listenTcp("127.0.0.1", 0);
    const int port = plugin::portOf(listener);
    const plugin::HttpServer server(std::move(listener), [&](plugin::HttpRequest request, plugin::HttpServer::Reply reply) {
        loop.post([&api, request = std::move(request), reply = std::move(reply)] { reply(api.handle(request)); });
    });
    write(folder / "kubeconfig",
          "apiVersion: v1\nkind: Config\nclusters: [{name: bench, cluster: {server: \"http://127.0.0.1:" + std::to_string(port) +
              "\"}}]\nusers: [{name: bench, user: {}}]\n"
              "contexts: [{name: bench, context: {cluster: bench, user: bench}}]\ncurrent-context: bench\n");
    write(folder / "pod.env",
          "POD_NAME=bench POD_NAMESPACE=default POD_UID=" + pod.at("metadata").at("uid").get<std::string>() + "\n");
    loop.runUntil([] { return false; }, clock::Duration(-1));
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: bench_api_server FOLDER\n";
        return 2;
    }
    try {
        return serve(argv[1]);
    } catch (const std::exception& error) {
        std::cerr << "bench_api_server: " << error.what() << '\n';
        return 3;
    }
}
