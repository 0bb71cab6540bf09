// However a run ends, the machine is as before: its links, routes, rules, namespaces, mounts, files and processes.
#include "harness/sandbox/child_process.h"
#include "harness/scenario/testing_folder.h"
#include "util/syscall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <set>
#include <sstream>

namespace rdmalab::harness {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

const char* const binary = RDMALAB_BINARY_DIR "/rdmalab";
const char* const walkthrough = RDMALAB_SOURCE_DIR "/scenarios/spiderpool/shared-macvlan.yaml";

std::string contentOf(const fs::path& path) {
    std::ifstream file(path);
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
}

void addLines(std::set<std::string>& lines, const std::string& title, const std::string& text) {
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.insert(title + ": " + line);
}

// All that a lab makes has a like on the machine. As lines, so that a difference can be read.
std::set<std::string> machineState() {
    std::set<std::string> lines;
    const std::vector<std::vector<std::string>> questions = {{"ip", "-oneline", "-details", "link", "show"},
                                                             {"ip", "-oneline", "address", "show"},
                                                             {"ip", "-4", "-details", "route", "show", "table", "all"},
                                                             {"ip", "-6", "-details", "route", "show", "table", "all"},
                                                             {"ip", "-4", "rule", "show"},
                                                             {"ip", "-6", "rule", "show"},
                                                             {"ip", "netns", "list"}};
    // What runs down by itself.
    static const std::regex clocks("(expires|[a-z_]*timer|valid_lft|preferred_lft|age) +[0-9.]+(sec)?");
    for (const auto& question : questions) {
        ProcessSpec process;
        process.argv = question;
        process.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
        const auto answer = runProcess(process, {}, 20);
        if (answer.status.code != 0)
            throw std::runtime_error(question[0] + " failed: " + answer.errors);
        std::string title;
        for (const auto& word : question)
            title += (title.empty() ? "" : " ") + word;
        addLines(lines, title, std::regex_replace(answer.output, clocks, "$1"));
    }
    addLines(lines, "mount", contentOf("/proc/self/mountinfo"));
    for (const char* place : {"/run/netns", "/var/run/spidernet", "/var/lib/kubelet", "/opt/cni", "/etc/cni", "/var/lib/cni"}) {
        std::error_code missing;
        for (const auto& entry : fs::recursive_directory_iterator(place, missing))
            lines.insert("file: " + entry.path().string());
    }
    return lines;
}

std::string differences(const std::set<std::string>& before, const std::set<std::string>& after) {
    std::string text;
    for (const auto& line : before)
        text += after.contains(line) ? "" : "\n- " + line;
    for (const auto& line : after)
        text += before.contains(line) ? "" : "\n+ " + line;
    return text;
}

// This process's descendants, at any depth and in any pid namespace: "123 spiderpool-agent".
std::vector<std::string> descendants() {
    std::multimap<pid_t, std::pair<pid_t, std::string>> children;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string stat = contentOf(entry.path() / "stat");
        const auto open = stat.find('('), close = stat.rfind(')');
        if (close == std::string::npos)
            continue; // no process, or one that has just ended
        std::istringstream rest(stat.substr(close + 1));
        std::string state;
        pid_t parent = 0;
        rest >> state >> parent;
        children.emplace(parent, std::pair(std::stoi(stat), stat.substr(open + 1, close - open - 1)));
    }
    std::vector<std::string> found;
    std::vector<pid_t> todo{::getpid()};
    while (!todo.empty()) {
        const auto [begin, end] = children.equal_range(todo.back());
        todo.pop_back();
        for (auto child = begin; child != end; ++child) {
            todo.push_back(child->second.first);
            found.push_back(std::to_string(child->second.first) + " " + child->second.second);
        }
    }
    return found;
}

class NothingLeft : public testing::Test {
protected:
    // Orphans of the tests come to this process, so what descends from it is exactly what the runs have started: the
    // machine's other processes may come and go. The same for mounts: a mount namespace of this process's own, whose mounts
    // are shared as on a machine with systemd, so that a lab which let its own mounts propagate would be found out.
    static void SetUpTestSuite() {
        if (::geteuid() != 0)
            return;
        checked("become subreaper", ::prctl(PR_SET_CHILD_SUBREAPER, 1));
        checked("unshare mounts", ::unshare(CLONE_NEWNS));
        checked("leave the machine's peer groups", ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
        checked("share mounts", ::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr));
        sigset_t ended;
        sigemptyset(&ended);
        sigaddset(&ended, SIGCHLD);
        ::sigprocmask(SIG_BLOCK, &ended, nullptr);
    }

    void SetUp() override {
        if (::geteuid() != 0)
            GTEST_SKIP() << "a lab needs root";
        ASSERT_THAT(descendants(), testing::IsEmpty());
        before_ = machineState();
    }

    ChildProcess start(const std::string& log) const {
        ProcessSpec process;
        process.argv = {binary, "run", "--tier", "netns", walkthrough};
        process.environment = {{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}};
        const UniqueFd output(checked("create " + log, ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)));
        process.standardOutput = process.standardError = output.get();
        return ChildProcess(process);
    }

    std::string log(const std::string& name) const { return (folder_.path() / name).string(); }

    // False when it still runs at the deadline.
    static bool endsWithin(const ChildProcess& process, Clock::duration limit) {
        const auto deadline = Clock::now() + limit;
        for (;;) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
            pollfd end{process.pidfd().get(), POLLIN, 0};
            const int ready = ::poll(&end, 1, static_cast<int>(std::max<long>(left, 0)));
            if (ready > 0)
                return true;
            if (ready == 0)
                return false;
        }
    }

    // Of a complete run, which has to pass.
    Clock::duration completeRun() {
        const auto begin = Clock::now();
        ChildProcess run = start(log("complete"));
        if (!endsWithin(run, std::chrono::seconds(60)))
            ADD_FAILURE() << "no end after 60 s";
        else
            EXPECT_EQ(run.wait().code, 0) << contentOf(log("complete"));
        return Clock::now() - begin;
    }

    // Waits for the last descendant; the machine must then be as it was.
    void expectNothingLeft(const std::string& what) const {
        sigset_t ended;
        sigemptyset(&ended);
        sigaddset(&ended, SIGCHLD);
        const auto deadline = Clock::now() + std::chrono::seconds(30);
        for (;;) {
            const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
            if (reaped < 0 && errno == ECHILD)
                break;
            if (reaped == 0) {
                if (Clock::now() > deadline) {
                    FAIL() << what << ": still there: " << testing::PrintToString(descendants());
                }
                const timespec limit{1, 0};
                ::sigtimedwait(&ended, nullptr, &limit);
            }
        }
        EXPECT_THAT(descendants(), testing::IsEmpty()) << what;
        EXPECT_EQ(differences(before_, machineState()), "") << what;
    }

    scenario::TestingFolder folder_;
    std::set<std::string> before_;
};

TEST_F(NothingLeft, WouldBeSeen) {
    checked("mount", ::mount("leak", folder_.path().c_str(), "tmpfs", 0, nullptr));
    const auto changed = differences(before_, machineState());
    checked("unmount", ::umount(folder_.path().c_str()));
    EXPECT_THAT(changed, testing::HasSubstr("tmpfs leak"));

    ProcessSpec orphan; // its parent ends at once
    orphan.argv = {"sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"};
    const auto started = runProcess(orphan, {}, 20);
    const auto left = descendants();
    ::kill(std::stoi(started.output), SIGKILL);
    EXPECT_THAT(left, testing::Contains(started.output.substr(0, started.output.find('\n')) + " sleep"));
    expectNothingLeft("the orphan");
}

TEST_F(NothingLeft, AfterACompleteRun) {
    completeRun();
    expectNothingLeft("a complete run");
}

TEST_F(NothingLeft, AfterSigkillAtAnyMoment) {
    constexpr int kills = 50;
    const std::uint32_t seed = 20 * 7919;
    const auto whole = std::chrono::duration<double, std::milli>(completeRun()).count();
    expectNothingLeft("a complete run");
    std::cout << "seed " << seed << ", a complete run takes " << whole << " ms\n";
    // One moment in each fiftieth of the run, so that no part of it is left out.
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> within(0, 1);
    int inLab = 0;
    std::size_t most = 0;
    for (int i = 0; i < kills; ++i) {
        const auto moment = std::chrono::duration<double, std::milli>((i + within(random)) * whole / kills);
        ChildProcess run = start(log("killed"));
        endsWithin(run, std::chrono::duration_cast<Clock::duration>(moment));
        const std::size_t alive = descendants().size();
        run.signal(SIGKILL);
        run.wait();
        inLab += alive > 1 ? 1 : 0;
        most = std::max(most, alive);
        expectNothingLeft("killed after " + std::to_string(moment.count()) + " ms, with " + std::to_string(alive) + " processes");
        if (HasFailure())
            return;
    }
    std::cout << inLab << " of " << kills << " kills met a lab, the largest with " << most << " processes\n";
    EXPECT_GT(inLab, kills / 2);
    EXPECT_GT(most, 5u);
}

TEST_F(NothingLeft, AfterCtrlC) {
    const auto whole = completeRun();
    for (const int part : {2, 5, 8}) {
        ChildProcess run = start(log("interrupted"));
        endsWithin(run, whole * part / 10);
        ::kill(-run.pid(), SIGINT); // as a terminal does: to the whole foreground group
        ASSERT_TRUE(endsWithin(run, std::chrono::seconds(20)));
        EXPECT_EQ(run.wait().code, 128 + SIGINT) << contentOf(log("interrupted"));
        expectNothingLeft("SIGINT after " + std::to_string(part) + " tenths of the run");
    }
}

TEST_F(NothingLeft, AfterSigterm) {
    const auto whole = completeRun();
    ChildProcess run = start(log("terminated"));
    endsWithin(run, whole / 2);
    run.signal(SIGTERM); // as a CI job's time-out does
    ASSERT_TRUE(endsWithin(run, std::chrono::seconds(20)));
    EXPECT_EQ(run.wait().code, 128 + SIGTERM) << contentOf(log("terminated"));
    expectNothingLeft("SIGTERM");
}

TEST_F(NothingLeft, AfterTwoLabsAtTheSameTime) {
    ChildProcess one = start(log("one")), other = start(log("other"));
    ASSERT_TRUE(endsWithin(one, std::chrono::seconds(60)));
    ASSERT_TRUE(endsWithin(other, std::chrono::seconds(60)));
    EXPECT_EQ(one.wait().code, 0) << contentOf(log("one"));
    EXPECT_EQ(other.wait().code, 0) << contentOf(log("other"));
    expectNothingLeft("two labs");
}

TEST_F(NothingLeft, OfOneLabWhileAnotherRuns) {
    ChildProcess killed = start(log("killed")), kept = start(log("kept"));
    endsWithin(killed, std::chrono::milliseconds(700));
    killed.signal(SIGKILL);
    killed.wait();
    ASSERT_TRUE(endsWithin(kept, std::chrono::seconds(60)));
    EXPECT_EQ(kept.wait().code, 0) << contentOf(log("kept"));
    expectNothingLeft("one of two killed");
}

} // namespace
} // namespace rdmalab::harness
