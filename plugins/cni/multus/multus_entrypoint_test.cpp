#include "plugins/cni/multus/multus_entrypoint.h"
#include "plugins/cni/testing/fakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rdmalab::plugin {
namespace {

using ::testing::HasSubstr;

class Entrypoint : public ::testing::Test {
protected:
    Entrypoint() {
        files_.content["/host/etc/cni/net.d/10-flannel.conflist"] =
            R"({"cniVersion":"0.3.1","name":"cbr0","plugins":[{"type":"flannel"}]})";
        files_.content["/tmp/multus-conf/00-multus.conf"] = "{\"type\":\"multus\"}\n";
    }
    std::string errorOf() {
        try {
            multusEntrypoint(files_, options_);
            return "";
        } catch (const std::runtime_error& error) {
            return error.what();
        }
    }
    testing::FakeFiles files_;
    MultusEntrypointOptions options_;
};

TEST_F(Entrypoint, InstallsConfigurationKubeconfigAndPlugins) {
    files_.content["/usr/src/multus-cni/bin/multus"] = "elf";
    options_.cniBinSource = "/usr/src/multus-cni/bin";
    EXPECT_EQ(errorOf(), "");
    EXPECT_EQ(files_.content["/host/etc/cni/net.d/00-multus.conf"], "{\"type\":\"multus\"}\n");
    EXPECT_THAT(files_.content["/host/etc/cni/net.d/multus.d/multus.kubeconfig"], HasSubstr("server: http://127.0.0.1:6443\n"));
    EXPECT_EQ(files_.content["/host/opt/cni/bin/multus"], "elf");
    EXPECT_EQ(errorOf(), ""); // again, as after a restart of the pod
}

TEST_F(Entrypoint, AutoTakesTheFirstOtherNetwork) {
    options_.multusConfFile = "auto";
    files_.content["/host/etc/cni/net.d/00-multus.conf"] = "{}";
    EXPECT_EQ(errorOf(), "");
    const auto conf = nlohmann::json::parse(files_.content["/host/etc/cni/net.d/00-multus.conf"]);
    EXPECT_EQ(conf.at("clusterNetwork"), "cbr0");
    files_.content.erase("/host/etc/cni/net.d/10-flannel.conflist");
    EXPECT_EQ(errorOf(), "No default cni file found in /host/etc/cni/net.d");
}

TEST_F(Entrypoint, MissingInputsAreNamed) {
    options_.multusConfFile = "/nowhere";
    EXPECT_EQ(errorOf(), "multus-conf-file /nowhere does not exist");
    options_.cniConfDir = "/none";
    EXPECT_EQ(errorOf(), "cni-conf-dir /none does not exist");
}

} // namespace
} // namespace rdmalab::plugin
