#include "plugins/agent/process.h"

#include "util/syscall.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <csignal>
#include <ctime>
#include <stdexcept>
#include <unistd.h>

extern char** environ;

namespace rdmalab::plugin {

namespace {

sigset_t stopSet() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

} // namespace

std::map<std::string, std::string> environment() {
    std::map<std::string, std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string variable = *entry;
        if (const auto equals = variable.find('='); equals != std::string::npos)
            result[variable.substr(0, equals)] = variable.substr(equals + 1);
    }
    return result;
}

void logLine(const std::string& text) {
    const std::string line = fmt::format("{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(std::time(nullptr)), text);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size()); // one write: many threads log
}

Options::Options(int argc, char** argv, std::initializer_list<const char*> words) {
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        if (word.rfind("--", 0) != 0) {
            bool expected = false;
            for (const char* known : words)
                expected = expected || word == known;
            if (!expected)
                throw std::runtime_error(fmt::format("unknown command \"{}\" for \"{}\"", word, argv[0]));
            continue;
        }
        const auto equals = word.find('=');
        if (equals != std::string::npos)
            options_[word.substr(2, equals - 2)].value = word.substr(equals + 1);
        else if (i + 1 < argc)
            options_[word.substr(2)].value = argv[++i];
        else
            throw std::runtime_error("flag needs an argument: " + word);
    }
}

std::string Options::value(const std::string& name, const std::string& fallback) {
    const auto found = options_.find(name);
    if (found == options_.end())
        return fallback;
    found->second.used = true;
    return found->second.value;
}

std::string Options::unused() const {
    for (const auto& [name, option] : options_)
        if (!option.used)
            return "--" + name;
    return "";
}

StopSignal::StopSignal() {
    const sigset_t set = stopSet();
    checked("pthread_sigmask", ::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0 ? 0 : -1);
    std::signal(SIGPIPE, SIG_IGN); // a client that has gone is told by the write
}

void StopSignal::wait() {
    const sigset_t set = stopSet();
    int number = 0;
    ::sigwait(&set, &number);
}

bool StopSignal::waitFor(std::chrono::milliseconds time) {
    const sigset_t set = stopSet();
    const timespec limit{time.count() / 1000, time.count() % 1000 * 1000000};
    return ::sigtimedwait(&set, nullptr, &limit) > 0;
}

int runProcess(int argc, char** argv, std::initializer_list<const char*> words, int (*body)(Options&, StopSignal&)) {
    StopSignal stop;
    try {
        Options options(argc, argv, words);
        return body(options, stop);
    } catch (const std::exception& error) {
        logLine(error.what());
        return 1;
    }
}

} // namespace rdmalab::plugin
