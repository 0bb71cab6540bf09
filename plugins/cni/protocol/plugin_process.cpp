#include "plugins/cni/protocol/plugin_process.h"

#include "plugins/cni/protocol/process_exec.h"
#include "plugins/kernel/file_lock.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"

#include <cerrno>
#include <cstdio>
#include <exception>
#include <unistd.h>

extern char** environ;

namespace rdmalab::plugin {

namespace {

std::string readAll(int fd) {
    std::string content;
    char buffer[4096];
    for (;;) {
        const auto length = read(fd, buffer, sizeof buffer);
        if (length > 0)
            content.append(buffer, static_cast<std::size_t>(length));
        else if (length == 0 || errno != EINTR)
            return content;
    }
}

void writeAll(int fd, const std::string& content) {
    for (std::size_t done = 0; done < content.size();) {
        const auto length = write(fd, content.data() + done, content.size() - done);
        if (length < 0 && errno != EINTR)
            return; // nobody is listening
        done += length > 0 ? static_cast<std::size_t>(length) : 0;
    }
}

} // namespace

int runAsProcess(CniPlugin plugin, PluginClients clients) {
    CniInvocation invocation;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string variable = *entry;
        const auto equals = variable.find('=');
        if (equals != std::string::npos)
            invocation.environment[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    const auto command = invocation.environment.find("CNI_COMMAND");
    if (command != invocation.environment.end() && command->second != "VERSION")
        invocation.input = readAll(STDIN_FILENO);
    try {
        LinuxKernel kernel;
        LinuxFiles files;
        ProcessExec exec;
        CniServices services{kernel, files, exec, std::move(clients.http), std::move(clients.kube)};
        services.rdmaKernel = std::move(clients.rdmaKernel);
        services.vfKernel = std::move(clients.vfKernel);
        services.lockFile = [](const std::string& path, std::chrono::milliseconds patience) -> std::shared_ptr<void> {
            auto lock = FileLock::acquire(path, 0600, patience);
            return lock ? std::make_shared<FileLock>(std::move(*lock)) : nullptr;
        };
        const auto outcome = plugin(invocation, services);
        writeAll(STDOUT_FILENO, outcome.output);
        writeAll(STDERR_FILENO, outcome.errors);
        return outcome.exitStatus;
    } catch (const std::exception& error) {
        writeAll(STDERR_FILENO, std::string(error.what()) + "\n");
        return 2;
    }
}

} // namespace rdmalab::plugin
