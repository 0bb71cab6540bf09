#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace rdmalab::harness {

// What was asked for on the command line makes no sense: exit code 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// The scenario files named on a command line: a file as it is, a folder as all *.yaml / *.yml below it whose top says
// `kind: Scenario`, sorted. Throws UsageError for a path that does not exist or a folder without scenarios.
std::vector<std::string> scenarioFiles(const std::vector<std::string>& paths);

} // namespace rdmalab::harness
