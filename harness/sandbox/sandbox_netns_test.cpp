#include "harness/sandbox/capabilities.h"
#include "harness/sandbox/lab.h"
#include "harness/sandbox/namespaces.h"
#include "harness/sandbox/pod_sandbox.h"
#include "harness/sandbox/root_filesystem.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace rdmalab::harness {
namespace {

using testing::HasSubstr;
using testing::Not;

// The lab runs in a fork, where a failed expectation would go unseen: it writes text to a pipe, and the test judges that.
class Lab : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "namespaces need root";
    }

    static std::string run(const std::function<std::string(const LabPlace&)>& body) {
        int fds[2];
        checked("pipe", ::pipe2(fds, O_CLOEXEC));
        UniqueFd in(fds[0]), out(fds[1]);
        ChildProcess lab = startLab("/usr/lib", [&](const LabPlace& place) {
            std::string text;
            try {
                text = body(place);
            } catch (const std::exception& error) {
                text = std::string("exception: ") + error.what();
            }
            checked("write", ::write(out.get(), text.data(), text.size()));
            return 0;
        });
        out.reset();
        std::string text;
        char buffer[4096];
        for (ssize_t got; (got = ::read(in.get(), buffer, sizeof buffer)) > 0;)
            text.append(buffer, static_cast<std::size_t>(got));
        lab.wait();
        return text;
    }

    static RootSpec plainRoot(const LabPlace& place, const std::string& name) {
        RootSpec spec;
        spec.scratch = place.base + "/" + name;
        spec.sys = place.base + "/sys-" + name;
        makeDirectories(spec.sys + "/class/net/lo");
        return spec;
    }

    static ProcessSpec shell(const std::string& script, const Namespaces& namespaces, const RootSpec& root) {
        ProcessSpec process;
        process.argv = {"sh", "-c", script};
        process.environment = {{"PATH", "/usr/bin:/bin:/usr/sbin:/sbin"}};
        process.namespaces = &namespaces;
        process.prepare = [&root] {
            checked("unshare mounts", ::unshare(CLONE_NEWNS));
            enterNewRoot(root);
        };
        return process;
    }
};

TEST_F(Lab, IsProcessTreeOfItsOwnWithEmptyNetwork) {
    const auto text = run([](const LabPlace&) {
        std::ifstream net("/proc/net/dev");
        std::stringstream all;
        all << net.rdbuf();
        return "pid " + std::to_string(::getpid()) + "\n" + all.str();
    });
    EXPECT_THAT(text, HasSubstr("pid 2\n"));
    EXPECT_THAT(text, HasSubstr("lo:"));
    EXPECT_THAT(text, Not(HasSubstr("eth")));
}

TEST_F(Lab, ContainerSeesImageButWritesStayInside) {
    const std::string marker = "/opt/rdmalab-write-test";
    const auto text = run([&](const LabPlace& place) {
        const PodSandbox sandbox(newNetworkNamespace(), "web-0");
        const RootSpec root = plainRoot(place, "c");
        const auto result =
            runProcess(shell("hostname; echo x > " + marker + " && cat " + marker + "; test -x /bin/sh && echo image",
                             sandbox.namespaces(), root));
        return result.output + result.errors;
    });
    EXPECT_EQ(text, "web-0\nx\nimage\n");
    EXPECT_FALSE(std::filesystem::exists(marker));
}

TEST_F(Lab, ContainerHasOnlyGivenDevicesAndMayNotWriteToSys) {
    const auto text = run([](const LabPlace& place) {
        const PodSandbox sandbox(newNetworkNamespace(), "p");
        const std::string script =
            "ls -l /dev/infiniband | tail -n +2 | cut -c1-10; stat -c %t:%T /dev/infiniband/uverbs0; echo ok > /dev/null; "
            "ls /sys/class/net; touch /sys/mine 2>/dev/null && echo writable || echo read-only";
        std::string all;
        for (const bool readOnly : {true, false}) {
            RootSpec root = plainRoot(place, readOnly ? "c" : "privileged");
            root.sysReadOnly = readOnly;
            root.devices = {{"/dev/infiniband/uverbs0", 231, 192, 0666}};
            const auto result = runProcess(shell(script, sandbox.namespaces(), root));
            all += result.output + result.errors;
        }
        return all;
    });
    EXPECT_EQ(text, "crw-rw-rw-\ne7:c0\nlo\nread-only\ncrw-rw-rw-\ne7:c0\nlo\nwritable\n");
}

TEST_F(Lab, BindsComeFromTheNodeEvenThroughItsAbsoluteSymlinks) {
    const auto text = run([](const LabPlace& place) {
        const PodSandbox sandbox(newNetworkNamespace(), "p");
        const std::string node = place.base + "/node";
        makeDirectories(node + "/run/spidernet");
        std::ofstream(node + "/run/spidernet/file") << "from the node";
        makeDirectories(node + "/var");
        checked("symlink", ::symlink("/run", (node + "/var/run").c_str()));
        RootSpec root = plainRoot(place, "c");
        root.nodeRoot = node;
        root.binds = {{"/var/run/spidernet", "/var/run/spidernet", true}};
        root.files = {{"/etc/config", {{"config.json", "{}"}}}};
        const auto result = runProcess(
            shell("cat /var/run/spidernet/file /etc/config/config.json; touch /var/run/spidernet/x 2>/dev/null || echo ' ro'",
                  sandbox.namespaces(), root));
        return result.output + result.errors;
    });
    EXPECT_EQ(text, "from the node{} ro\n");
}

TEST_F(Lab, EndOfSandboxEndsEveryProcessOfThePod) {
    const auto text = run([](const LabPlace& place) {
        auto sandbox = std::make_unique<PodSandbox>(newNetworkNamespace(), "p");
        const RootSpec root = plainRoot(place, "c");
        ChildProcess child(shell("setsid sleep 1000 & setsid sleep 1000 & exec sleep 1000", sandbox->namespaces(), root));
        sandbox->kill();
        const auto status = child.wait();
        sandbox.reset();
        int left = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
            std::ifstream comm(entry.path() / "comm");
            std::string name;
            if (std::getline(comm, name) && name == "sleep")
                ++left;
        }
        return std::to_string(status.signal) + " " + std::to_string(left);
    });
    EXPECT_EQ(text, "9 0");
}

TEST_F(Lab, ContainerCapabilitiesAreThoseOfARuntime) {
    const auto text = run([](const LabPlace& place) {
        const PodSandbox sandbox(newNetworkNamespace(), "p");
        const RootSpec root = plainRoot(place, "c");
        ProcessSpec process =
            shell("grep CapEff /proc/self/status; mount -t tmpfs x /mnt 2>/dev/null || echo refused", sandbox.namespaces(), root);
        process.prepare = [&, inner = process.prepare] {
            inner();
            dropToContainerCapabilities({"IPC_LOCK"});
        };
        const auto result = runProcess(process);
        return result.output + result.errors;
    });
    // containerd's default a80425fb, less MKNOD, plus IPC_LOCK.
    EXPECT_EQ(text, "CapEff:\t00000000a00465fb\nrefused\n");
}

TEST_F(Lab, ChildHoldsNoneOfTheCallersDescriptorsWhilePreparing) {
    const auto text = run([](const LabPlace&) {
        int fds[2];
        checked("pipe", ::pipe2(fds, O_CLOEXEC));
        const UniqueFd closed(fds[0]), kept(fds[1]);
        ProcessSpec process;
        process.argv = {"true"};
        process.keep = {kept.get()};
        process.prepare = [&] {
            if (::fcntl(closed.get(), F_GETFD) >= 0)
                throw std::runtime_error("still open");
            checked("look at the kept one", ::fcntl(kept.get(), F_GETFD));
        };
        return std::to_string(runProcess(process).status.code);
    });
    EXPECT_EQ(text, "0");
}

TEST_F(Lab, StartFailureCarriesTheChildsWords) {
    const auto text = run([](const LabPlace&) -> std::string {
        ProcessSpec process;
        process.argv = {"/nonexistent/program"};
        ChildProcess child(process);
        return "started";
    });
    EXPECT_EQ(text, "exception: exec /nonexistent/program: No such file or directory");
}

TEST_F(Lab, DiesWithItsParentHoweverThatEnds) {
    // A middle process starts a lab and is killed; the lab's end shows on a pipe that only the lab still holds.
    int fds[2];
    checked("pipe", ::pipe2(fds, O_CLOEXEC));
    UniqueFd in(fds[0]), out(fds[1]);
    const pid_t middle = checked("fork", ::fork());
    if (middle == 0) {
        ChildProcess lab = startLab("/usr/lib", [&](const LabPlace&) {
            checked("write", ::write(out.get(), "up", 2));
            for (;;)
                ::pause();
            return 0;
        });
        out.reset();
        for (;;)
            ::pause();
    }
    out.reset();
    char text[2];
    const auto got = ::read(in.get(), text, 2);
    ::kill(middle, SIGKILL);
    ::waitpid(middle, nullptr, 0);
    ASSERT_EQ(got, 2);
    EXPECT_EQ(::read(in.get(), text, 1), 0);
}

TEST(RunProcess, FeedsInputAndCollectsLargeOutputWithoutDeadlock) {
    ProcessSpec process;
    process.argv = {"sh", "-c", "cat; head -c 300000 /dev/zero | tr '\\0' e >&2; exit 3"};
    const std::string input(500000, 'x');
    const auto result = runProcess(process, input);
    EXPECT_EQ(result.output, input);
    EXPECT_EQ(result.errors.size(), 300000u);
    EXPECT_EQ(result.status.code, 3);
}

TEST(RunProcess, ChildThatIgnoresItsInputIsNoError) {
    ::signal(SIGPIPE, SIG_IGN);
    ProcessSpec process;
    process.argv = {"true"};
    EXPECT_EQ(runProcess(process, std::string(1000000, 'x')).status.code, 0);
}

} // namespace
} // namespace rdmalab::harness
