// k8s-rdma-shared-dp: the RDMA shared device plugin. Reads its configuration once, serves each resource to the kubelet until
// SIGTERM; SIGHUP restarts the servers.
#include "plugins/device/grpc/rdma_shared_server.h"
#include "plugins/kernel/linux_files.h"
#include "plugins/kernel/linux_kernel.h"
#include "util/syscall.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>

namespace {

using namespace rdmalab;

constexpr const char* version = "v1.5.3";

// One write for each line, because gRPC's threads log too. The time stamp is that of Go's log package.
void logLine(const std::string& text) {
    const std::string line = fmt::format("{:%Y/%m/%d %H:%M:%S} {}\n", fmt::localtime(std::time(nullptr)), text);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct Options {
    std::string configFile = "/k8s-rdma-shared-dev-plugin/config.json";
    std::string release = version;
    bool showVersion = false;
};

void usage(const char* program) {
    fmt::print(stderr,
               "Usage of {}:\n"
               "  -config-file string\n    \tpath to device plugin config file (default \"{}\")\n"
               "  -release string\n    \tbehave as this release of the upstream plugin (default \"{}\")\n"
               "  -v\tShow application version\n"
               "  -version\n    \tShow application version\n",
               program, Options().configFile, version);
}

// Flags as Go's flag package takes them: one or two dashes, value after '=' or as the next word. nullopt: exit code 2.
std::optional<Options> parse(int argc, char** argv) {
    Options options;
    for (int i = 1; i < argc; ++i) {
        std::string_view name = argv[i];
        if (name.size() < 2 || name[0] != '-')
            break;
        name.remove_prefix(name[1] == '-' ? 2 : 1);
        std::optional<std::string_view> value;
        if (const auto equals = name.find('='); equals != std::string_view::npos) {
            value = name.substr(equals + 1);
            name = name.substr(0, equals);
        }
        if (name == "version" || name == "v") {
            options.showVersion = !value || *value == "true" || *value == "1";
        } else if (name == "config-file" || name == "release") {
            if (!value && i + 1 < argc)
                value = argv[++i];
            if (!value) {
                fmt::print(stderr, "flag needs an argument: -{}\n", name);
                usage(argv[0]);
                return std::nullopt;
            }
            (name == "release" ? options.release : options.configFile) = *value;
        } else {
            fmt::print(stderr, "flag provided but not defined: -{}\n", name);
            usage(argv[0]);
            return std::nullopt;
        }
    }
    return options;
}

// The names that Go gives to signals.
const char* goSignalName(int signal) {
    switch (signal) {
    case SIGINT:
        return "interrupt";
    case SIGQUIT:
        return "quit";
    default:
        return "terminated";
    }
}

std::string readConfig(plugin::Files& files, const std::string& path) {
    try {
        return files.read(path);
    } catch (const SystemError& e) {
        throw plugin::RsdpFatal(fmt::format("open {}: {}", path, goErrnoText(e.code())));
    }
}

int run(const Options& options) {
    logLine(fmt::format("Starting K8s RDMA Shared Device Plugin version= {}", options.release));
    plugin::LinuxFiles files;
    plugin::LinuxKernel kernel;

    logLine("resource manager reading configs");
    logLine("Reading " + options.configFile);
    auto config = plugin::parseRsdpConfig(readConfig(files, options.configFile), logLine);
    plugin::RdmaSharedPlugin rdmaPlugin(std::move(config), plugin::rsdpReleaseOf(options.release), files, kernel, logLine);

    boost::asio::io_context io(1);
    int exitCode = 0;
    plugin::RdmaSharedServers servers(io, rdmaPlugin, plugin::KubeletPaths(), logLine);
    boost::asio::signal_set signals(io, SIGINT, SIGTERM, SIGQUIT);
    signals.add(SIGHUP);
    std::function<void()> awaitSignal = [&] {
        signals.async_wait([&](const boost::system::error_code& error, int signal) {
            if (error)
                return;
            if (signal == SIGHUP) {
                logLine("Received SIGHUP, restarting.");
                servers.restart();
                awaitSignal();
                return;
            }
            logLine(fmt::format("Received signal \"{}\", shutting down.", goSignalName(signal)));
            servers.stop();
            io.stop();
        });
    };
    awaitSignal();
    servers.start([&](const std::string& lastLine) {
        logLine(lastLine);
        exitCode = 1;
        io.stop();
    });
    io.run();
    return exitCode;
}

} // namespace

int main(int argc, char** argv) {
    try {
        const auto options = parse(argc, argv);
        if (!options)
            return 2;
        if (options->showVersion) {
            fmt::print("k8s-rdma-shared-dev-plugin version:{}, commit:unknown commit, date:unknown date\n", version);
            return 0;
        }
        const int code = run(*options);
        std::fflush(nullptr);
        std::_Exit(code); // gRPC's idle threads must not meet the destructors of statics
    } catch (const std::exception& e) {
        logLine(e.what());
        return 1;
    }
}
