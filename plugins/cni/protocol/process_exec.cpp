#include "plugins/cni/protocol/process_exec.h"

#include "util/syscall.h"
#include "util/unique_fd.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace rdmalab::plugin {

namespace {

// The plugin's standard input: a file needs no feeding, so nothing can block or raise SIGPIPE.
UniqueFd inputFile(const std::string& content) {
    UniqueFd file(checked("memfd_create", memfd_create("cni-stdin", MFD_CLOEXEC)));
    for (std::size_t done = 0; done < content.size();)
        done += static_cast<std::size_t>(checked("write", write(file.get(), content.data() + done, content.size() - done)));
    checked("lseek", lseek(file.get(), 0, SEEK_SET));
    return file;
}

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        checked("pipe2", pipe2(ends, O_CLOEXEC));
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

void drain(Pipe& out, Pipe& err, CniOutcome& outcome) {
    pollfd polls[] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
    std::string* const targets[] = {&outcome.output, &outcome.errors};
    for (int open = 2; open > 0;) {
        if (poll(polls, 2, -1) == -1) {
            if (errno == EINTR)
                continue;
            throw SystemError("poll", errno);
        }
        for (int i = 0; i < 2; ++i) {
            if (polls[i].fd < 0 || polls[i].revents == 0)
                continue;
            char buffer[4096];
            const auto length = read(polls[i].fd, buffer, sizeof buffer);
            if (length > 0) {
                targets[i]->append(buffer, static_cast<std::size_t>(length));
            } else if (length == 0 || errno != EINTR) {
                polls[i].fd = -1;
                --open;
            }
        }
    }
}

class SpawnActions {
public:
    SpawnActions() { posix_spawn_file_actions_init(&actions_); }
    ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    void duplicate(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
    const posix_spawn_file_actions_t* get() const { return &actions_; }

private:
    posix_spawn_file_actions_t actions_{};
};

pid_t spawn(const std::string& path, const CniInvocation& invocation, const SpawnActions& actions) {
    std::vector<std::string> variables;
    for (const auto& [name, value] : invocation.environment)
        variables.push_back(name + "=" + value);
    std::vector<char*> environment;
    for (auto& variable : variables)
        environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string name = path;
    char* arguments[] = {name.data(), nullptr};

    constexpr int attempts = 6;
    for (int attempt = 1;; ++attempt) {
        pid_t pid = 0;
        const int error = posix_spawn(&pid, path.c_str(), actions.get(), nullptr, arguments, environment.data());
        if (error == 0)
            return pid;
        if (error != ETXTBSY || attempt == attempts)
            throw std::runtime_error(fmt::format("fork/exec {}: {}", path, goErrnoText(error)));
        std::this_thread::sleep_for(std::chrono::seconds(1)); // somebody is installing it
    }
}

} // namespace

std::string ProcessExec::find(const std::string& type, const std::vector<std::string>& directories) {
    for (const auto& directory : directories) {
        auto path = directory + "/" + type;
        struct stat status {};
        if (stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode))
            return path;
    }
    return "";
}

CniOutcome ProcessExec::run(const std::string& path, const CniInvocation& invocation) {
    const auto input = inputFile(invocation.input);
    Pipe out, err;
    SpawnActions actions;
    actions.duplicate(input.get(), 0);
    actions.duplicate(out.write.get(), 1);
    actions.duplicate(err.write.get(), 2);
    const pid_t pid = spawn(path, invocation, actions);
    out.write.reset();
    err.write.reset();

    CniOutcome outcome;
    drain(out, err, outcome);
    int status = 0;
    while (waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            throw SystemError("waitpid", errno);
    outcome.exitStatus = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    return outcome;
}

} // namespace rdmalab::plugin
