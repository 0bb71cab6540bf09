// The plugin's executable against KubeletServices, with standard paths, in namespaces of its own.
#include "harness/kubelet/test_support.h"

#include <gmock/gmock.h>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>

namespace rdmalab::harness {
namespace {

using ::testing::HasSubstr;
using testing::TestKubelet;

const std::string hca = "spidernet.io/hca";
const std::string kubeletDirectory = "/var/lib/kubelet";

void writeFile(const std::string& path, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << content;
}

// A running k8s-rdma-shared-dp.
class Process {
public:
    explicit Process(const std::string& config, const std::string& release) {
        writeFile("/dev/shm/config.json", config);
        const std::string program = RDMALAB_BINARY_DIR "/plugins/k8s-rdma-shared-dp";
        pid_ = checked("fork", ::fork());
        if (pid_ == 0) {
            const int log = ::open("/dev/shm/log", O_CREAT | O_TRUNC | O_WRONLY, 0600);
            ::dup2(log, STDERR_FILENO);
            ::execl(program.c_str(), program.c_str(), "-config-file", "/dev/shm/config.json", "--release", release.c_str(),
                    nullptr);
            ::_exit(127);
        }
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        if (pid_ > 0) {
            signal(SIGKILL);
            wait();
        }
    }
    void signal(int number) const { ::kill(pid_, number); }
    int wait() { // exit code, or 128 + signal
        int status = 0;
        checked("waitpid", ::waitpid(std::exchange(pid_, -1), &status, 0));
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    static std::string log() {
        std::ostringstream text;
        text << std::ifstream("/dev/shm/log").rdbuf();
        return text.str();
    }

private:
    pid_t pid_ = -1;
};

// Namespaces last as long as the process, so each test starts from fresh mounts on top.
class SharedPluginProcess : public ::testing::Test {
protected:
    void SetUp() override {
        if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0)
            GTEST_SKIP() << "SKIPPED: namespaces are not permitted here: " << std::strerror(errno);
        checked("mount /", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        for (const char* path : {"/var/lib", "/sys", "/dev"})
            checked(std::string("mount ") + path, ::mount("none", path, "tmpfs", 0, nullptr));
        const std::string device = "/sys/bus/pci/devices/0000:af:00.0";
        writeFile("/sys/module/ib_core/parameters/netns_mode", "Y\n");
        writeFile(device + "/modalias", "pci:v000015B3d00001017sv000015B3sd00000007bc02sc00i00\n");
        std::filesystem::create_directories(device + "/net/lo"); // the one link that a new namespace has
        std::filesystem::create_directories(device + "/infiniband/mlx5_0");
        std::filesystem::create_symlink("../../../../bus/pci/drivers/mlx5_core", device + "/driver");
        writeFile("/sys/class/infiniband_mad/umad0/ibdev", "mlx5_0\n");
        writeFile("/sys/class/infiniband_verbs/uverbs0/ibdev", "mlx5_0\n");
        writeFile("/dev/infiniband/rdma_cm", "");
        std::filesystem::create_directories("/dev/shm");
    }
    bool await(const std::function<bool()>& done) { return testing::awaitOutside(loop, done); }
    static bool loopbackUp() {
        const UniqueFd fd(checked("socket", ::socket(AF_INET, SOCK_DGRAM, 0)));
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        checked("SIOCGIFFLAGS", ::ioctl(fd.get(), SIOCGIFFLAGS, &request));
        return (request.ifr_flags & IFF_UP) != 0;
    }

    const std::string config =
        R"({"periodicUpdateInterval":1,"configList":[{"resourcePrefix":"spidernet.io","resourceName":"hca",)"
        R"("rdmaHcaMax":500,"selectors":{"vendors":["15b3"],"deviceIDs":["1017"]}}]})";
    clock::RealLoop loop;
};

TEST_F(SharedPluginProcess, RegistersServesRestartsAndStops) {
    for (const bool watch : {true, false}) {
        std::filesystem::remove_all(kubeletDirectory);
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(kubeletDirectory, loop, options);
        kubelet.start();
        Process process(config, "latest");
        auto& resource = kubelet.resources[hca];
        ASSERT_TRUE(await([&] { return resource.lists.size() == 1; })) << Process::log();
        EXPECT_EQ(resource.lists[0].size(), 500u);
        EXPECT_EQ(kubelet.requests[0].endpoint, watch ? "/var/lib/kubelet/plugins_registry/hca.sock" : "hca.sock");
        EXPECT_TRUE(loopbackUp());

        process.signal(SIGHUP);
        EXPECT_TRUE(await([&] { return resource.registrations == 2 && resource.lists.size() == 2; })) << Process::log();

        // The HCA goes; the next periodic look, a second later, says so.
        std::filesystem::rename("/sys/class/infiniband_verbs/uverbs0", "/sys/uverbs0");
        EXPECT_TRUE(await([&] { return resource.lists.size() == 3; })) << Process::log();
        EXPECT_TRUE(resource.lists.back().empty());
        std::filesystem::rename("/sys/uverbs0", "/sys/class/infiniband_verbs/uverbs0");

        const auto ended = resource.ends.size();
        process.signal(SIGTERM);
        EXPECT_EQ(process.wait(), 0);
        EXPECT_TRUE(await([&] { return resource.ends.size() > ended; }));
        EXPECT_FALSE(std::filesystem::exists(kubelet.requests[0].endpoint));
        EXPECT_FALSE(std::filesystem::exists(kubeletDirectory + "/device-plugins/hca.sock"));
        EXPECT_THAT(Process::log(), HasSubstr("Received signal \"terminated\", shutting down."));
    }
}

TEST_F(SharedPluginProcess, AKilledPluginComesBackOverItsOwnStaleSocket) {
    for (const bool watch : {true, false}) {
        std::filesystem::remove_all(kubeletDirectory);
        KubeletOptions options;
        options.pluginsRegistry = watch;
        TestKubelet kubelet(kubeletDirectory, loop, options);
        kubelet.start();
        auto& resource = kubelet.resources[hca];
        for (std::size_t life = 1; life <= 3; ++life) {
            Process process(config, "v1.5.3");
            ASSERT_TRUE(await([&] { return resource.lists.size() == life; })) << Process::log();
            process.signal(SIGKILL);
            EXPECT_EQ(process.wait(), 128 + SIGKILL);
            EXPECT_TRUE(await([&] { return resource.ends.size() == life; }));
        }
    }
}

TEST_F(SharedPluginProcess, AnOldReleaseWithoutIssmAdvertisesNothing) {
    TestKubelet kubelet(kubeletDirectory, loop);
    kubelet.start();
    Process process(config, "v1.3.2");
    ASSERT_TRUE(await([&] { return kubelet.resources[hca].lists.size() == 1; }));
    EXPECT_TRUE(kubelet.resources[hca].lists[0].empty());
    EXPECT_THAT(Process::log(),
                HasSubstr("error creating new device: \"missing RDMA device spec for device 0000:af:00.0, RDMA device "
                          "\\\"issm\\\" not found\""));
}

TEST_F(SharedPluginProcess, WhatItCannotGoOnAfterEndsItWithCodeOne) {
    const auto lastLine = [](const std::string& text) {
        Process process(text, "latest");
        EXPECT_EQ(process.wait(), 1);
        std::string log = Process::log();
        log.erase(log.find_last_not_of('\n') + 1);
        const std::string line = log.substr(log.rfind('\n') + 1);
        return line.substr(std::string("2023/01/01 00:00:00 ").size());
    };
    EXPECT_EQ(lastLine("{"), "unexpected end of JSON input");
    EXPECT_EQ(lastLine("{}"), "Exiting.. one or more invalid configuration(s) given: no resources configuration found");
    EXPECT_THAT(lastLine(config),
                ::testing::StartsWith("Error: starting resource servers listen unix "
                                      "/var/lib/kubelet/device-plugins/hca.sock: bind: no such file or directory"));
    writeFile("/sys/module/ib_core/parameters/netns_mode", "N\n");
    EXPECT_EQ(lastLine(config), "Exiting.. can not change : incorrect RDMA subsystem network namespace");
}

} // namespace
} // namespace rdmalab::harness
