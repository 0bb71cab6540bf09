#include "harness/cli/scenario_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace rdmalab::harness {

namespace fs = std::filesystem;

namespace {
// Also of a file that is broken further down: the check must not lose it.
bool isScenario(const fs::path& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
        if (line.rfind("kind: Scenario", 0) == 0 || line.rfind("apiVersion: rdmalab.io/", 0) == 0)
            return true;
    return false;
}
} // namespace

std::vector<std::string> scenarioFiles(const std::vector<std::string>& paths) {
    std::vector<std::string> result;
    for (const auto& path : paths) {
        std::error_code error;
        if (!fs::exists(path, error))
            throw UsageError(path + ": no such file or folder");
        if (!fs::is_directory(path)) {
            result.push_back(path);
            continue;
        }
        std::vector<std::string> found;
        for (const auto& entry : fs::recursive_directory_iterator(path)) {
            const auto extension = entry.path().extension();
            if (entry.is_regular_file() && (extension == ".yaml" || extension == ".yml") && isScenario(entry.path()))
                found.push_back(entry.path().string());
        }
        if (found.empty())
            throw UsageError(path + ": no scenario in this folder (a YAML file with `kind: Scenario`)");
        std::sort(found.begin(), found.end());
        result.insert(result.end(), found.begin(), found.end());
    }
    return result;
}

} // namespace rdmalab::harness
