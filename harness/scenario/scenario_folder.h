#pragma once

#include "harness/scenario/place.h"

#include <filesystem>
#include <optional>
#include <string>

namespace rdmalab::scenario {

class Diagnostics;

// The folder that a scenario lies in. Its files may name others in it, and nothing outside.
class ScenarioFolder {
public:
    explicit ScenarioFolder(const std::string& scenarioPath);

    // What a file is called in messages: the scenario's folder as the user gave it, and the name.
    std::string shown(const std::string& relative) const;
    // Content of a file; `named` is where the scenario names it. Nothing, after a diagnostic, when it cannot be had.
    std::optional<std::string> read(const std::string& relative, const Place& named, Diagnostics& diagnostics) const;

private:
    std::filesystem::path given_; // may be empty
    std::filesystem::path root_;  // canonical
};

// Content of a regular file of at most `limit` bytes, or the reason why not in `problem`.
std::optional<std::string> readRegularFile(const std::filesystem::path& path, std::string& problem, std::size_t limit = 8u << 20);

} // namespace rdmalab::scenario
