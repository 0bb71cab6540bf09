// A child process: started in given namespaces, watched through a pidfd, never left behind.
#pragma once

#include "util/unique_fd.h"

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace rdmalab::harness {

struct Namespaces;

struct ExitStatus {
    int code = 0; // 128 + signal when a signal ended it
    int signal = 0;
};

// Takes part in a start: what has to be done on both sides of the fork.
class LaunchHook {
public:
    virtual ~LaunchHook() = default;
    virtual int childDescriptor() const = 0; // the child keeps it open until inChild()
    virtual void inChild() = 0;              // after `prepare`, before `restrict`; throws to refuse the start
    virtual void inParent() = 0;             // waits for the child's part
};

struct ProcessSpec {
    std::vector<std::string> argv; // argv[0] is looked up in PATH of `environment` inside the namespaces
    std::map<std::string, std::string> environment;
    std::string workingDirectory = "/";
    const Namespaces* namespaces = nullptr;                          // null = the caller's
    int standardInput = -1, standardOutput = -1, standardError = -1; // -1 = /dev/null
    // Runs in the child after it has entered the namespaces and before exec; what it throws is the start's failure.
    std::function<void()> prepare;
    std::function<void()> restrict;                         // the last thing before exec: gives up capabilities
    std::function<std::unique_ptr<LaunchHook>()> supervise; // called before the fork
    // Descriptors that `prepare` needs. All others are closed before it: the lab serves its nodes' /sys from /dev/fuse, and a
    // child that waited for such a file system while it holds a copy of that descriptor could never be killed.
    std::vector<int> keep;
};

// Boost.Process 1.74 can neither enter a pid namespace nor hand out a pidfd, hence a class of our own.
class ChildProcess {
public:
    ChildProcess() = default;
    // Throws std::runtime_error with the child's own words when it cannot be started.
    explicit ChildProcess(const ProcessSpec& spec);
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    ~ChildProcess(); // SIGKILL and reap, if still there

    // A child without exec: runs `body` in a fork and exits with its value. `newPidNamespace` makes it process 1 of one.
    static ChildProcess fork(const std::function<int()>& body, bool newPidNamespace);

    pid_t pid() const { return pid_; }
    const UniqueFd& pidfd() const { return pidfd_; } // readable when the process has ended
    bool running() const { return pid_ > 0; }
    void signal(int number) const; // a process that is gone already is no error
    ExitStatus wait();             // blocks
    // Reaps if ended.
    std::optional<ExitStatus> poll();

private:
    void adopt(pid_t pid);

    pid_t pid_ = -1;
    UniqueFd pidfd_;
};

struct ProcessResult {
    ExitStatus status;
    std::string output, errors;
};

// Runs to the end, feeding `input`, collecting both outputs. `timeoutSeconds` 0 = none; on time-out the child is killed and
// std::runtime_error is thrown.
ProcessResult runProcess(ProcessSpec spec, const std::string& input = {}, int timeoutSeconds = 0);

} // namespace rdmalab::harness
