// What the agents' main() functions share: options, environment, a log on standard error, and an end by signal.
#pragma once

#include <chrono>
#include <initializer_list>
#include <map>
#include <string>

namespace rdmalab::plugin {

std::map<std::string, std::string> environment();
void logLine(const std::string& text); // one line on standard error, with the time

// --name=value and --name value.
class Options {
public:
    // Words that may stand among the options ("daemon") are skipped. Throws std::runtime_error for anything else.
    Options(int argc, char** argv, std::initializer_list<const char*> words);
    std::string value(const std::string& name, const std::string& fallback);
    std::string unused() const; // an option that nobody asked for, as it was written; empty when there is none

private:
    struct Option {
        std::string value;
        bool used = false;
    };
    std::map<std::string, Option> options_;
};

// SIGTERM and SIGINT, which no thread of the process receives in any other way from its construction on. Also ignores SIGPIPE.
class StopSignal {
public:
    StopSignal();
    void wait();
    bool waitFor(std::chrono::milliseconds time); // true: asked to stop
};

// Runs `body` and turns exceptions into a line on standard error and status 1.
int runProcess(int argc, char** argv, std::initializer_list<const char*> words, int (*body)(Options&, StopSignal&));

} // namespace rdmalab::plugin
