#include "harness/sandbox/child_process.h"

#include "harness/sandbox/namespaces.h"
#include "util/syscall.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>

namespace rdmalab::harness {

namespace {

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int fds[2];
        checked("pipe", ::pipe2(fds, O_CLOEXEC));
        read.reset(fds[0]);
        write.reset(fds[1]);
    }
};

// Future children of this thread go into another pid namespace for as long as this object lives.
class ChildPidNamespace {
public:
    explicit ChildPidNamespace(const UniqueFd* ns) {
        if (ns != nullptr && !ns->valid())
            return;
        const char* own = "/proc/thread-self/ns/pid";
        own_.reset(checked("open own pid namespace", ::open(own, O_RDONLY | O_CLOEXEC)));
        if (ns == nullptr)
            checked("unshare pid namespace", ::unshare(CLONE_NEWPID));
        else
            checked("setns pid", ::setns(ns->get(), CLONE_NEWPID));
    }
    ~ChildPidNamespace() {
        if (own_.valid())
            ::setns(own_.get(), CLONE_NEWPID);
    }
    ChildPidNamespace(const ChildPidNamespace&) = delete;
    ChildPidNamespace& operator=(const ChildPidNamespace&) = delete;

private:
    UniqueFd own_;
};

void resetSignals() {
    for (int number = 1; number < NSIG; ++number)
        ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// dup2 onto 0-2; a descriptor that is in that range already is moved away first.
void connectStandard(int in, int out, int err) {
    int fds[3] = {in, out, err};
    for (int& fd : fds) {
        if (fd < 0)
            fd = checked("open /dev/null", ::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (fd < 3)
            fd = checked("dup", ::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    }
    for (int i = 0; i < 3; ++i)
        checked("dup2", ::dup2(fds[i], i));
}

void closeAllBut(std::vector<int> kept) {
    std::sort(kept.begin(), kept.end());
    unsigned first = 3;
    for (const int fd : kept) {
        if (fd < static_cast<int>(first))
            continue;
        if (fd > static_cast<int>(first))
            checked("close_range", ::close_range(first, static_cast<unsigned>(fd) - 1, 0));
        first = static_cast<unsigned>(fd) + 1;
    }
    checked("close_range", ::close_range(first, ~0U, 0));
}

[[noreturn]] void childMain(const ProcessSpec& spec, LaunchHook* hook, int report) {
    try {
        resetSignals();
        ::setsid();
        // Before the mount namespace changes: /dev/null may be missing in there.
        connectStandard(spec.standardInput, spec.standardOutput, spec.standardError);
        if (spec.namespaces != nullptr)
            enter(*spec.namespaces);
        std::vector<int> kept = spec.keep;
        kept.push_back(report);
        if (hook)
            kept.push_back(hook->childDescriptor());
        closeAllBut(std::move(kept));
        if (spec.prepare)
            spec.prepare();
        if (hook)
            hook->inChild();
        if (spec.restrict)
            spec.restrict();
        if (!spec.workingDirectory.empty())
            checked("chdir " + spec.workingDirectory, ::chdir(spec.workingDirectory.c_str()));
        std::vector<char*> argv;
        for (const auto& arg : spec.argv)
            argv.push_back(const_cast<char*>(arg.c_str()));
        argv.push_back(nullptr);
        std::vector<std::string> lines;
        for (const auto& [key, value] : spec.environment)
            lines.push_back(key + "=" + value);
        std::vector<char*> env;
        for (auto& line : lines)
            env.push_back(line.data());
        env.push_back(nullptr);
        // execvpe searches the PATH of the calling process, not that of `env`.
        const auto path = spec.environment.find("PATH");
        ::setenv("PATH",
                 path == spec.environment.end() ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                                                : path->second.c_str(),
                 1);
        ::execvpe(argv[0], argv.data(), env.data());
        throw SystemError("exec " + spec.argv[0], errno);
    } catch (const std::exception& error) {
        [[maybe_unused]] const auto written = ::write(report, error.what(), std::strlen(error.what()));
    }
    ::_exit(127);
}

std::string readAll(int fd) {
    std::string text;
    char buffer[4096];
    for (;;) {
        const auto got = ::read(fd, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return text;
        text.append(buffer, static_cast<std::size_t>(got));
    }
}

ExitStatus decode(int status) {
    if (WIFSIGNALED(status))
        return {128 + WTERMSIG(status), WTERMSIG(status)};
    return {WEXITSTATUS(status), 0};
}

} // namespace

void ChildProcess::adopt(pid_t pid) {
    pid_ = pid;
    pidfd_.reset(static_cast<int>(checked("pidfd_open", ::syscall(SYS_pidfd_open, pid, 0))));
    ::fcntl(pidfd_.get(), F_SETFD, FD_CLOEXEC);
}

ChildProcess::ChildProcess(const ProcessSpec& spec) {
    Pipe report;
    const auto hook = spec.supervise ? spec.supervise() : nullptr;
    {
        static const UniqueFd none;
        const ChildPidNamespace pidNamespace(spec.namespaces != nullptr ? &spec.namespaces->pid : &none);
        const pid_t pid = checked("fork", ::fork());
        if (pid == 0)
            childMain(spec, hook.get(), report.write.get());
        adopt(pid);
    }
    report.write.reset();
    std::exception_ptr hookFailure; // the child's own words, if there are any, say more
    try {
        if (hook)
            hook->inParent();
    } catch (const std::exception&) {
        hookFailure = std::current_exception();
        signal(SIGKILL);
    }
    const std::string failure = readAll(report.read.get()); // ends with exec, which closes the pipe, or with the child
    if (!failure.empty()) {
        wait();
        throw std::runtime_error(failure);
    }
    if (hookFailure) {
        wait();
        std::rethrow_exception(hookFailure);
    }
}

ChildProcess ChildProcess::fork(const std::function<int()>& body, bool newPidNamespace) {
    ChildProcess child;
    static const UniqueFd none;
    const ChildPidNamespace pidNamespace(newPidNamespace ? nullptr : &none);
    const pid_t pid = checked("fork", ::fork());
    if (pid == 0) {
        int code = 125;
        try {
            code = body();
        } catch (const std::exception& error) {
            [[maybe_unused]] auto written = ::write(2, error.what(), std::strlen(error.what()));
            written = ::write(2, "\n", 1);
        }
        ::_exit(code);
    }
    child.adopt(pid);
    return child;
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
        this->~ChildProcess();
        new (this) ChildProcess(std::move(other));
    }
    return *this;
}

ChildProcess::~ChildProcess() {
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    int status;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
}

void ChildProcess::signal(int number) const {
    if (pid_ > 0 && ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) < 0 && errno != ESRCH)
        throw SystemError("signal process " + std::to_string(pid_), errno);
}

ExitStatus ChildProcess::wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0)
        if (errno != EINTR)
            throw SystemError("waitpid", errno);
    pid_ = -1;
    return decode(status);
}

std::optional<ExitStatus> ChildProcess::poll() {
    if (pid_ <= 0)
        return std::nullopt;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) <= 0)
        return std::nullopt;
    pid_ = -1;
    return decode(status);
}

ProcessResult runProcess(ProcessSpec spec, const std::string& input, int timeoutSeconds) {
    Pipe in, out, err;
    spec.standardInput = in.read.get();
    spec.standardOutput = out.write.get();
    spec.standardError = err.write.get();
    ChildProcess child(spec);
    in.read.reset();
    out.write.reset();
    err.write.reset();
    ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);

    ProcessResult result;
    std::size_t sent = 0;
    if (input.empty())
        in.write.reset();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(timeoutSeconds);
    while (out.read.valid() || err.read.valid()) {
        pollfd fds[3] = {{in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
        int wait = -1;
        if (timeoutSeconds > 0) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
            if (left <= 0) // the destructor kills
                throw std::runtime_error("no end after " + std::to_string(timeoutSeconds) + " s: " + spec.argv[0]);
            wait = static_cast<int>(left);
        }
        if (::poll(fds, 3, wait) < 0 && errno != EINTR)
            throw SystemError("poll", errno);
        if ((fds[0].revents & (POLLOUT | POLLERR | POLLHUP)) != 0 && in.write.valid()) {
            const auto wrote = ::write(in.write.get(), input.data() + sent, input.size() - sent);
            if (wrote > 0)
                sent += static_cast<std::size_t>(wrote);
            // EPIPE: the child does not want the rest.
            if (sent == input.size() || (wrote < 0 && errno != EAGAIN && errno != EINTR))
                in.write.reset();
        }
        const auto take = [](UniqueFd& fd, short events, std::string& text) {
            if ((events & (POLLIN | POLLERR | POLLHUP)) == 0 || !fd.valid())
                return;
            char buffer[16384];
            const auto got = ::read(fd.get(), buffer, sizeof buffer);
            if (got > 0)
                text.append(buffer, static_cast<std::size_t>(got));
            else if (got == 0 || errno != EINTR)
                fd.reset();
        };
        take(out.read, fds[1].revents, result.output);
        take(err.read, fds[2].revents, result.errors);
    }
    result.status = child.wait();
    return result;
}

} // namespace rdmalab::harness
