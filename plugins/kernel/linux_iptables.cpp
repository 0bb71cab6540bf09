// The packet filter half of LinuxKernel: one iptables-save per table to look, one iptables-restore to change.
#include "plugins/kernel/iptables_rules.h"
#include "plugins/kernel/linux_kernel.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <set>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace rdmalab::plugin {

namespace {

// CNI plugins inherit whatever PATH the container runtime has; iptables lives in sbin.
std::string findProgram(const std::string& name) {
    const char* const path = std::getenv("PATH");
    std::string folders = std::string(path != nullptr ? path : "") + ":/usr/sbin:/sbin:/usr/local/sbin:/usr/bin";
    for (std::size_t start = 0; start < folders.size();) {
        const std::size_t end = std::min(folders.find(':', start), folders.size());
        const std::string candidate = folders.substr(start, end - start) + "/" + name;
        if (end > start && ::access(candidate.c_str(), X_OK) == 0)
            return candidate;
        start = end + 1;
    }
    throw KernelError(name + " is not installed on this node: install the package \"iptables\"", ENOENT);
}

UniqueFd memoryFile(const std::string& content = "") {
    UniqueFd fd(checked("memfd_create", ::memfd_create("iptables", MFD_CLOEXEC)));
    if (!content.empty()) {
        checked("write", ::write(fd.get(), content.data(), content.size()));
        checked("seek", ::lseek(fd.get(), 0, SEEK_SET));
    }
    return fd;
}

std::string contentOf(const UniqueFd& fd) {
    std::string text(static_cast<std::size_t>(checked("seek", ::lseek(fd.get(), 0, SEEK_END))), '\0');
    text.resize(static_cast<std::size_t>(checked("read", ::pread(fd.get(), text.data(), text.size(), 0))));
    return text;
}

struct ProgramResult {
    int status = 0; // exit status, or 128 + signal
    std::string output, errors;
};

// Input and output go through memory files: nothing can block on a full pipe.
ProgramResult run(const std::vector<std::string>& words, const std::string& input = "") {
    const std::string program = findProgram(words.front());
    const UniqueFd in = memoryFile(input), out = memoryFile(), errors = memoryFile();
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);

    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
    ::posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions, errors.get(), 2);
    pid_t pid = 0;
    const int failure = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        throw KernelError(fmt::format("exec {}: {}", program, goErrnoText(failure)), failure);
    int status = 0;
    while (::waitpid(pid, &status, 0) == -1)
        if (errno != EINTR)
            throw SystemError("wait for " + program, errno);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contentOf(out), contentOf(errors)};
}

[[noreturn]] void fail(const std::string& command, const ProgramResult& result) {
    std::string words = result.errors.empty() ? result.output : result.errors;
    while (!words.empty() && words.back() == '\n')
        words.pop_back();
    throw KernelError(fmt::format("{}: exit status {}: {}", command, result.status, words), EINVAL);
}

std::string prefixFor(int family) {
    return family == AF_INET6 ? "ip6tables" : "iptables";
}

std::vector<IptablesRule> savedRules(const std::string& table, int family) {
    const std::string command = prefixFor(family) + "-save";
    const ProgramResult result = run({command, "-t", table});
    if (result.status != 0)
        fail(command + " -t " + table, result);
    return parseIptablesSave(result.output, family);
}

std::string targetOf(const IptablesRule& rule) {
    const auto jump = std::find(rule.begin(), rule.end(), "-j");
    return jump == rule.end() || jump + 1 == rule.end() ? "" : *(jump + 1);
}

// iptables has more ways to print a rule than canonicalRule() knows; where it could be there in other words, iptables decides.
bool present(const IptablesRule& rule, const std::vector<IptablesRule>& saved, int family) {
    if (std::find(saved.begin(), saved.end(), rule) != saved.end())
        return true;
    const bool possible = std::any_of(saved.begin(), saved.end(), [&](const IptablesRule& other) {
        return other[3] == rule[3] && targetOf(other) == targetOf(rule);
    });
    if (!possible)
        return false;
    std::vector<std::string> words{prefixFor(family), "-w"};
    words.insert(words.end(), rule.begin(), rule.end());
    words[4] = "-C"; // in place of -A
    return run(words).status == 0;
}

} // namespace

std::vector<IptablesRule> LinuxKernel::iptablesRules(const std::string& table, int family) {
    std::vector<IptablesRule> rules;
    inside([&] { rules = savedRules(table, family); });
    return rules;
}

void LinuxKernel::ensureIptablesRules(const std::vector<IptablesRule>& rules, int family) {
    std::vector<IptablesRule> wanted;
    std::set<std::string> tables;
    for (const IptablesRule& rule : rules) {
        wanted.push_back(canonicalRule(rule, family));
        tables.insert(wanted.back()[1]);
    }
    if (wanted.empty())
        return;
    inside([&] {
        std::vector<IptablesRule> saved, missing;
        for (const std::string& table : tables)
            for (auto& rule : savedRules(table, family))
                saved.push_back(std::move(rule));
        std::vector<IptablesRule> sameTable;
        for (const IptablesRule& rule : wanted) {
            sameTable.clear();
            std::copy_if(saved.begin(), saved.end(), std::back_inserter(sameTable),
                         [&](const IptablesRule& other) { return other[1] == rule[1]; });
            // A rule that is asked for twice is wanted once.
            if (std::find(missing.begin(), missing.end(), rule) == missing.end() && !present(rule, sameTable, family))
                missing.push_back(rule);
        }
        if (missing.empty())
            return;
        const std::string command = prefixFor(family) + "-restore";
        const ProgramResult result = run({command, "--noflush", "-w"}, iptablesRestoreInput(missing));
        if (result.status != 0)
            fail(command + " --noflush -w", result);
    });
}

} // namespace rdmalab::plugin
