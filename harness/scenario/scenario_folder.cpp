#include "harness/scenario/scenario_folder.h"

#include "harness/scenario/diagnostic.h"
#include "util/syscall.h"
#include "util/unique_fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

namespace rdmalab::scenario {

namespace fs = std::filesystem;

std::optional<std::string> readRegularFile(const fs::path& path, std::string& problem, std::size_t limit) {
    try {
        // Without O_NONBLOCK a FIFO would wait for its writer.
        const UniqueFd fd(checked("open " + path.string(), ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)));
        struct stat status {};
        checked("stat " + path.string(), ::fstat(fd.get(), &status));
        if (!S_ISREG(status.st_mode)) {
            problem = S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file";
            return std::nullopt;
        }
        std::string content;
        while (true) {
            char buffer[65536];
            const ssize_t got = checked("read " + path.string(), ::read(fd.get(), buffer, sizeof buffer));
            if (got == 0)
                return content;
            content.append(buffer, static_cast<std::size_t>(got));
            if (content.size() > limit) {
                problem = "it is larger than " + std::to_string(limit >> 20) + " MiB";
                return std::nullopt;
            }
        }
    } catch (const SystemError& e) {
        problem = goErrnoText(e.code());
        return std::nullopt;
    }
}

ScenarioFolder::ScenarioFolder(const std::string& scenarioPath) : given_(fs::path(scenarioPath).parent_path()) {
    std::error_code failed;
    root_ = fs::canonical(given_.empty() ? fs::path(".") : given_, failed);
}

std::string ScenarioFolder::shown(const std::string& relative) const {
    return (given_ / relative).lexically_normal().string();
}

namespace {

bool below(const fs::path& path, const fs::path& root) {
    const fs::path relative = path.lexically_relative(root);
    return !relative.empty() && relative != "." && *relative.begin() != "..";
}

std::string similarFile(const fs::path& wanted) {
    std::error_code failed;
    std::vector<std::string> names;
    for (fs::directory_iterator it(wanted.parent_path(), failed), end; !failed && it != end && names.size() < 1000;
         it.increment(failed))
        names.push_back(it->path().filename().string());
    return nearest(wanted.filename().string(), names);
}

} // namespace

std::optional<std::string> ScenarioFolder::read(const std::string& relative, const Place& named, Diagnostics& diagnostics) const {
    const auto refuse = [&](std::string message, std::string hint) {
        Diagnostic& d = diagnostics.error(named, std::move(message));
        d.found = relative;
        d.hint = std::move(hint);
        return std::nullopt;
    };
    const char* const copyIt = "copy the file next to the scenario, so that it can be run anywhere";
    const fs::path wanted = (root_ / relative).lexically_normal();
    if (fs::path(relative).is_absolute() || !below(wanted, root_))
        return refuse("the file is outside the scenario's folder", copyIt);
    std::error_code failed;
    const fs::path real = fs::canonical(wanted, failed);
    if (failed) {
        const std::string similar = similarFile(wanted);
        return refuse(failed == std::errc::no_such_file_or_directory ? "there is no such file"
                                                                     : "the file cannot be read: " + failed.message(),
                      similar.empty() ? "files are looked up from the scenario's folder" : "did you mean " + similar + "?");
    }
    if (!below(real, root_))
        return refuse("the file is a link to somewhere outside the scenario's folder", copyIt);
    std::string problem;
    auto content = readRegularFile(real, problem);
    if (!content)
        return refuse("the file cannot be read: " + problem, {});
    return content;
}

} // namespace rdmalab::scenario
