// Real clients in real namespaces, for tests; a tmpfs that names its network namespace stands for the fake /sys.
#pragma once

#include "fakekernel/supervised.h"
#include "fakekernel/supervisor.h"
#include "fakekernel/sysfs_mounts.h"
#include "util/syscall.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <regex>

namespace rdmalab::fakekernel {

using Commands = std::vector<std::string>;

class TmpfsSource : public SysfsSource {
public:
    std::function<void()> before; // runs in each request

    std::string mountPointFor(const NamespaceHandle& network) override {
        if (before)
            before();
        const std::lock_guard lock(mutex_);
        const std::string path = fmt::format("/mnt/fakes/{}", network.inode());
        if (std::filesystem::create_directories(path)) {
            checked("mount " + path, ::mount("fake", path.c_str(), "tmpfs", 0, nullptr));
            std::ofstream(path + "/marker") << fmt::format("net:[{}]", network.inode());
        }
        return path;
    }

private:
    std::mutex mutex_;
};

inline std::string readAll(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    return text;
}

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        checked("pipe", ::pipe2(ends, O_CLOEXEC));
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

// The process that has the supervisor, in mount and network namespaces of its own.
class Lab {
    mutable std::mutex mutex_;
    std::string log_;

public:
    std::shared_ptr<TmpfsSource> source = std::make_shared<TmpfsSource>();
    std::unique_ptr<Supervisor> supervisor = std::make_unique<Supervisor>([this](const std::string& line) {
        const std::lock_guard lock(mutex_);
        log_ += line + "\n";
    });

    class Client {
    public:
        Client(Lab& lab, const Commands& commands, const std::string& program = FAKEKERNEL_CLIENT) {
            std::vector<char*> argv{const_cast<char*>(program.c_str())};
            for (const auto& command : commands)
                argv.push_back(const_cast<char*>(command.c_str()));
            argv.push_back(nullptr);
            const auto handler = std::make_shared<SysfsMounts>(lab.source);
            SupervisedLaunch launch(*handler);
            pid_ = checked("fork", ::fork());
            if (pid_ == 0) {
                ::dup2(in_.read.get(), 0);
                ::dup2(out_.write.get(), 1);
                ::dup2(out_.write.get(), 2);
                if (const int error = launch.installInChild(); error != 0)
                    ::_exit(error);
                ::execvp(argv[0], argv.data());
                ::_exit(127);
            }
            in_.read.reset();
            out_.write.reset();
            launch.takeInParent(*lab.supervisor, handler);
        }
        Client(const Client&) = delete;
        Client& operator=(const Client&) = delete;
        ~Client() { finish(); }
        void go() const { [[maybe_unused]] const auto written = ::write(in_.write.get(), "\n", 1); }
        void kill() const { ::kill(pid_, SIGKILL); }
        std::string output() { // all of it, to the end
            auto text = readAll(out_.read.get());
            const int code = finish();
            return code == 0 ? text : text + fmt::format("exit {}\n", code);
        }

    private:
        int finish() {
            int status = 0;
            if (pid_ > 0)
                ::waitpid(std::exchange(pid_, -1), &status, 0);
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        Pipe in_, out_;
        pid_t pid_ = -1;
    };

    std::string run(const Commands& commands) { return Client(*this, commands).output(); }
    std::string shell(const std::string& script) { return Client(*this, {"-c", script}, "/bin/sh").output(); }
    std::string log() const {
        const std::lock_guard lock(mutex_);
        return log_;
    }
};

class SysfsMountsTest : public testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "namespaces need root";
        const pid_t pid = ::fork();
        if (pid == 0)
            ::_exit(::unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID) == 0 ? 0 : 1);
        int status = 1;
        ::waitpid(pid, &status, 0);
        if (status != 0)
            GTEST_SKIP() << "namespaces are not permitted here";
    }

    // In a fork, where failed expectations would go unseen: `body` returns what is to be judged.
    static std::string inLab(const std::function<std::string(Lab&)>& body) {
        Pipe pipe;
        const pid_t pid = checked("fork", ::fork());
        if (pid == 0) {
            std::string text;
            try {
                checked("unshare", ::unshare(CLONE_NEWNS | CLONE_NEWNET));
                checked("make private", ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
                checked("mount", ::mount("lab", "/mnt", "tmpfs", 0, nullptr));
                for (const char* directory : {"/mnt/fakes", "/mnt/root", "/mnt/root/sys", "/mnt/root/proc", "/mnt/dir"})
                    checked("mkdir", ::mkdir(directory, 0755));
                Lab lab;
                text = body(lab);
            } catch (const std::exception& error) {
                text += std::string("exception: ") + error.what();
            }
            [[maybe_unused]] const auto written = ::write(pipe.write.get(), text.data(), text.size());
            ::_exit(0);
        }
        pipe.write.reset();
        auto text = readAll(pipe.read.get());
        int status = 0;
        ::waitpid(pid, &status, 0);
        return status == 0 ? text : text + fmt::format("the lab ended with status {:#x}", status); // e.g. a sanitizer's
    }
    static std::string run(const Commands& commands) {
        return inLab([&](Lab& lab) { return lab.run(commands); });
    }
    // Without a supervisor: this kernel's own sysfs.
    static std::string natively(const Commands& commands) {
        return inLab([&](Lab&) {
            Pipe pipe;
            const pid_t pid = checked("fork", ::fork());
            if (pid == 0) {
                std::vector<char*> argv{const_cast<char*>(FAKEKERNEL_CLIENT)};
                for (const auto& command : commands)
                    argv.push_back(const_cast<char*>(command.c_str()));
                argv.push_back(nullptr);
                ::dup2(pipe.write.get(), 1);
                ::dup2(pipe.write.get(), 2);
                ::execv(argv[0], argv.data());
                ::_exit(127);
            }
            pipe.write.reset();
            auto text = readAll(pipe.read.get());
            ::waitpid(pid, nullptr, 0);
            return text;
        });
    }
    static std::string shell(const std::string& script) {
        return inLab([&](Lab& lab) { return lab.shell(script); });
    }

    // The output of two commands, "link /proc/self/ns/net" and "cat .../marker", must name one namespace.
    static void expectOwnSysfs(const std::string& output) {
        std::smatch match;
        ASSERT_TRUE(std::regex_search(output, match, std::regex(R"(link: (net:\[\d+\]))"))) << output;
        EXPECT_THAT(output, testing::HasSubstr("cat: " + match[1].str() + "\n"));
    }
};

} // namespace rdmalab::fakekernel
