// `rdmalab run`: loads scenarios, chooses tiers, plays them and reports.
#pragma once

#include <string>
#include <vector>

namespace rdmalab::harness {

struct RunOptions {
    std::vector<std::string> paths;
    std::string tier = "auto";        // auto, all, model, netns
    std::vector<std::string> reports; // "junit=FILE", "json=FILE"
    bool verbose = false;
    std::string pluginDirectory;
};

// The exit code: 0 passed, 1 an expectation failed, 2 bad scenario, 3 environment, 4 everything skipped.
int runCommand(const RunOptions& options);

} // namespace rdmalab::harness
